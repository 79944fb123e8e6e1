//! What others wrote on machines, what rests parked, and what is not sent.

use super::super::progress::{Mark, Turn};
use super::*;
use crate::model::Proof;

/// `fly scale count` and `fly machine clone` copy a machine's metadata: two machines say that they fill one slot.
fn of_slot(slot: &'static str) -> Change {
    Box::new(move |unit| {
        unit.labels.insert(label::PROMOTION.to_owned(), "p-0".to_owned());
        unit.labels.insert(label::SLOT.to_owned(), slot.to_owned());
    })
}

#[tokio::test]
async fn a_machine_that_was_copied_fills_no_slot_of_what_changes_in_place() {
    for strategy in [Strategy::Rolling, Strategy::Canary, Strategy::Immediate, Strategy::BlueGreen] {
        let mut scene = Scene::with(strategy, vec![of_slot("app/fra/0"), of_slot("app/fra/0")]).await;
        // One more than there are, whose slot an old machine once filled.
        let third = Scene::with(strategy, vec![of_slot("app/fra/2"), of_slot("app/fra/1")]).await;
        scene.all_the_way(Direction::Forward).await;
        assert_eq!(scene.arrived(&scene.observed().await), Ok(()), "{strategy:?}");
        scene.all_the_way(Direction::Back).await;
        assert_eq!(restored(scene.job(Direction::Back), &scene.observed().await), Ok(()), "{strategy:?}");
        scene = third;
        let counts = scene.target.groups.values_mut().flat_map(|group| group.counts.values_mut());
        counts.for_each(|count| *count = 3);
        scene.all_the_way(Direction::Forward).await;
        let observed = scene.observed().await;
        assert_eq!(observed.fleet.live().count(), 3, "{strategy:?}");
        assert_eq!(scene.arrived(&observed), Ok(()), "{strategy:?}");
    }
}

/// P5: a parked machine is no part of what serves. Where its host is lost on the way back, the way back goes on.
#[tokio::test]
async fn p5_a_parked_machine_whose_host_is_lost_holds_no_way_back_up() {
    for strategy in [Strategy::BlueGreen, Strategy::Rolling] {
        let parked: Change = Box::new(|unit| {
            (unit.state, unit.cordoned) = (UnitState::Stopped, true);
            unit.labels.insert(label::PARKED_UNTIL.to_owned(), "2099-01-01T00:00:00Z".to_owned());
        });
        let mut scene = Scene::with(strategy, vec![as_it_is(), as_it_is(), parked]).await;
        let counts = scene.target.groups.values_mut().flat_map(|group| group.counts.values_mut());
        counts.for_each(|count| *count = 2);
        scene.all_the_way(Direction::Forward).await;
        let lost: UnitId = "unit0003".parse().unwrap();
        scene.world.provider.change(|manners| manners.unreachable.push(lost));
        let (lines, verdict) = scene.walk(Direction::Back, |_| false).await;
        assert_eq!(verdict, Verdict::Done, "{strategy:?}: {lines:?}");
        assert_eq!(restored(scene.job(Direction::Back), &scene.observed().await), Ok(()), "{strategy:?}");
    }
}

/// Who is parked carries what tells its owner, whoever made it: otherwise nobody ever takes it away.
#[tokio::test]
async fn who_is_parked_says_whose_it_is() {
    let scene = Scene::new(Strategy::BlueGreen).await;
    scene.all_the_way(Direction::Forward).await;
    let fleet = scene.observed().await.fleet;
    let parked: Vec<&Unit> = fleet.units.iter().filter(|unit| unit.is_parked()).collect();
    assert_eq!(parked.len(), 2);
    for unit in parked {
        assert_eq!(unit.label(label::STORE), Some("store-1"));
        assert_eq!(unit.label(label::ENVIRONMENT), Some("production"));
    }
    scene.all_the_way(Direction::Back).await;
    let fleet = scene.observed().await.fleet;
    assert!(fleet.units.iter().all(|unit| unit.labels.is_empty()), "P5: and nothing stays of it");
}

/// An update that certainly did not arrive changes nothing, so it need not be waited for; nor is it one of the few tries.
#[tokio::test]
async fn an_update_that_was_not_sent_is_sent_again_soon() {
    let scene = Scene::new(Strategy::Rolling).await;
    let mut progress = Progress::new(FIRST, scene.world.now());
    let (mut sent, mut refusals): (Vec<At>, u32) = (Vec::new(), 5);
    let verdict = loop {
        let now = scene.world.now();
        let decision = next(scene.job(Direction::Forward), &scene.observed().await, &progress, now);
        progress = decision.progress;
        for call in &decision.calls {
            let is_first = call.unit() == Some(&"unit0001".parse().unwrap());
            if matches!(call, UnitCall::Update { .. }) && is_first {
                sent.push(now);
                if refusals > 0 {
                    refusals -= 1;
                    progress.not_sent(call);
                    continue;
                }
            }
            scene.perform(call).await;
        }
        match decision.verdict {
            Verdict::Going { .. } => scene.world.clock.advance(Millis(100)),
            verdict => break verdict,
        }
    };
    assert_eq!(verdict, Verdict::Done);
    assert_eq!(sent.len(), 6, "more often than one that may have landed");
    let pauses: Vec<Millis> = sent.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    assert!(pauses.iter().all(|pause| *pause >= Millis(3_000) && *pause < Millis(3_200)), "{pauses:?}");

    // What was taken in the end has its whole time to come up, however long nobody took it.
    let mut mark = Progress::new(FIRST, At(0));
    let marks =
        Mark { turn: Turn::Updating, since: At(0), tries: 1, tried_at: Some(At(50_000)), unsent: true };
    mark.marks.insert("unit0001".parse().unwrap(), marks);
    mark.sent(&"unit0001".parse().unwrap(), At(50_000));
    assert_eq!(mark.marks.values().next().unwrap().since, At(50_000));

    // One that never arrives ends it when a unit has had its time.
    let scene = Scene::new(Strategy::Rolling).await;
    let mut progress = Progress::new(FIRST, scene.world.now());
    let begun = scene.world.now();
    let why = loop {
        let observed = scene.observed().await;
        let decision = next(scene.job(Direction::Forward), &observed, &progress, scene.world.now());
        progress = decision.progress;
        for call in &decision.calls {
            match call {
                UnitCall::Update { .. } => progress.not_sent(call),
                call => scene.perform(call).await,
            }
        }
        match decision.verdict {
            Verdict::Going { .. } => scene.world.clock.advance(Millis(100)),
            Verdict::Failed(why) => break why,
            Verdict::Done => panic!("nothing was changed"),
        }
    };
    assert_eq!(why, "unit unit0001 could not be updated within 20s");
    assert!(scene.world.now().since(begun) < Millis(30_000));
}

/// P12: "started for" counts by the clock of whoever looks: one that is ahead of the provider's proves nothing sooner.
#[tokio::test]
async fn p12_a_clock_that_is_ahead_proves_nothing_sooner() {
    for strategy in [Strategy::BlueGreen, Strategy::Rolling] {
        for ahead in [0, 3_600_000] {
            let mut scene = Scene::new(strategy).await;
            scene.world.provider.change(|manners| manners.checks.clear());
            let time = Millis::secs(10);
            scene.target.groups.values_mut().for_each(|group| group.proof = Proof::StartedFor(time));
            let now = || scene.world.now().plus(Millis(ahead));
            let mut progress = Progress::new(FIRST, now());
            let mut open_after = None;
            while open_after.is_none() {
                let observed = scene.observed().await;
                let is_new = |unit: &&Unit| unit.digest == Some(World::digest(2)) && !unit.cordoned;
                if let Some(unit) = observed.fleet.units.iter().find(is_new) {
                    open_after = Some(scene.world.now().since(unit.version_since.unwrap()));
                }
                let decision = next(scene.job(Direction::Forward), &observed, &progress, now());
                assert!(matches!(decision.verdict, Verdict::Going { .. }), "{:?}", decision.verdict);
                progress = decision.progress;
                for call in &decision.calls {
                    scene.perform(call).await;
                }
                scene.world.clock.advance(Millis(100));
            }
            // From its beginning, with the boot that comes before it runs.
            let boot = Manners::default().boot;
            assert!(open_after >= Some(Millis(time.0 + boot.0)), "{strategy:?}, {ahead}: {open_after:?}");
            let most = Millis(time.0 + boot.0 + 500);
            assert!(open_after <= Some(most), "{strategy:?}, {ahead}: {open_after:?}");
        }
    }
}

/// P4: one that came through and is gone is said at once, not waited for.
#[tokio::test]
async fn p4_one_that_came_through_and_is_gone_ends_the_way_there() {
    let scene = Scene::in_regions(Strategy::Rolling, &[("fra", 3)]).await;
    let is_through = |progress: &Progress| progress.marks.values().any(|mark| mark.turn == Turn::Through);
    let mut progress = Progress::new(FIRST, scene.world.now());
    let (mut gone, begun) = (None, scene.world.now());
    let why = loop {
        let mut observed = scene.observed().await;
        if is_through(&progress) && gone.is_none() {
            gone =
                progress.marks.iter().find(|(_, mark)| mark.turn == Turn::Through).map(|(id, _)| id.clone());
            // Its last look was not its best one.
            progress.sick.extend(gone.clone().map(|id| (id, scene.world.now())));
        }
        observed.fleet.units.retain(|unit| Some(&unit.id) != gone.as_ref());
        assert!(scene.world.now().since(begun) < Millis(20_000), "{progress:?}");
        let decision = next(scene.job(Direction::Forward), &observed, &progress, scene.world.now());
        progress = decision.progress;
        for call in &decision.calls {
            scene.perform(call).await;
        }
        match decision.verdict {
            Verdict::Going { .. } => scene.world.clock.advance(Millis(100)),
            Verdict::Failed(why) => break why,
            Verdict::Done => panic!("one is gone"),
        }
    };
    assert_eq!(why, format!("unit {} is gone", gone.unwrap()));
}

/// P5: one that kept ending when it was found is as it was found also while it comes up once more; a healthy one is not.
#[tokio::test]
async fn p5_who_kept_ending_when_it_was_found_may_be_seen_coming_up() {
    for (found, is_well) in [(sick as fn() -> Change, true), (as_it_is, false)] {
        let scene = Scene::with(Strategy::Rolling, vec![found(), as_it_is()]).await;
        let mut observed = scene.observed().await;
        observed.fleet.units[0].state = UnitState::Starting;
        assert_eq!(restored(scene.job(Direction::Back), &observed).is_ok(), is_well);
    }
}
