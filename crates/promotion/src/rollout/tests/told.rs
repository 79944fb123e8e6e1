//! A look that is older than our own calls says nothing.

use super::*;
use crate::model::Slot;

/// Every look shows what was so long ago: less than the limit that the scene's target names.
const LAG: Millis = Millis(700);

/// Makes `call` as the engine does, and keeps its answer.
async fn make(scene: &Scene, progress: &mut Progress, call: &UnitCall) {
    let key = Key { id: call.title(), nonce: None };
    let done = scene.world.provider.perform(&scene.target.place, call, &key).await.unwrap();
    progress.tell(call, done.unit.as_ref(), scene.world.now());
    if let (UnitCall::Update { unit, .. }, Some(version)) = (call, done.version) {
        progress.versions.insert(unit.clone(), version);
    }
}

/// Goes `direction` to the end; every call in order.
async fn go(scene: &Scene, direction: Direction, mut progress: Progress) -> (Vec<String>, Verdict) {
    let mut lines = Vec::new();
    for _ in 0..2_000 {
        let decision = next(scene.job(direction), &scene.observed().await, &progress, scene.world.now());
        progress = decision.progress;
        for call in &decision.calls {
            make(scene, &mut progress, call).await;
            lines.push(call.title());
        }
        match decision.verdict {
            Verdict::Going { .. } => scene.world.clock.advance(Millis(100)),
            verdict => return (lines, verdict),
        }
    }
    panic!("it never ends: {lines:?}");
}

/// What stands there, whatever a look shows.
async fn truth(scene: &Scene) -> Observed {
    scene.world.provider.change(|manners| manners.list_lag = Millis::ZERO);
    scene.observed().await
}

/// One unit that serves, one that sleeps in traffic, one that runs out of it; looks lag from now on.
async fn lagging(strategy: Strategy) -> Scene {
    let mut scene = Scene::with(strategy, vec![as_it_is(), stopped(), cordoned()]).await;
    // Nothing else takes the time in which a look would come right by itself.
    scene.target.limits.settle = Millis::ZERO;
    scene.world.provider.change(|manners| manners.list_lag = LAG);
    scene.observed().await;
    scene
}

/// What a promotion may have done last, before it turns back.
fn last_calls(scene: &Scene) -> Vec<UnitCall> {
    let id = |n: usize| scene.snapshot.units[n].unit.id.clone();
    let (serving, asleep, closed) = (id(0), id(1), id(2));
    let spec = crate::model::UnitSpec {
        group: "app".parse().unwrap(),
        region: "fra".parse().unwrap(),
        image: scene.target.image.clone(),
        config: scene.target.groups.values().next().unwrap().config.clone(),
        secrets_version: None,
        standby_for: std::collections::BTreeSet::new(),
    };
    let labels = scene.stamp.labels(&scene.target);
    let told = |labels: &std::collections::BTreeMap<String, String>| {
        labels.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect()
    };
    let parked = [(label::PARKED_UNTIL.to_owned(), Some("2027-01-15T08:00:00Z".to_owned()))];
    let slot: Slot = "app/fra/0".parse().unwrap();
    let mut made = labels.clone();
    made.insert(label::SLOT.to_owned(), slot.to_string());
    vec![
        UnitCall::Cordon { unit: serving.clone() },
        UnitCall::Cordon { unit: asleep.clone() },
        UnitCall::Stop { unit: serving.clone() },
        UnitCall::Uncordon { unit: closed },
        UnitCall::Tag { unit: serving.clone(), labels: parked.into() },
        UnitCall::Update {
            unit: serving.clone(),
            expect: scene.snapshot.units[0].unit.version.clone(),
            spec: spec.clone(),
            labels: told(&labels),
            start: true,
        },
        UnitCall::Create { slot, spec, labels: made, open: false },
    ]
}

/// P5: each of these is undone, though the first looks on the way back show the fleet as it was found.
#[tokio::test]
async fn what_was_done_last_is_undone_though_no_look_shows_it_yet() {
    for strategy in [Strategy::BlueGreen, Strategy::Rolling] {
        for n in 0..last_calls(&lagging(strategy).await).len() {
            let scene = lagging(strategy).await;
            let call = last_calls(&scene).remove(n);
            let mut progress = Progress::new(FIRST, scene.world.now());
            make(&scene, &mut progress, &call).await;
            assert_eq!(
                restored(scene.job(Direction::Back), &scene.observed().await),
                Ok(()),
                "it is not shown"
            );
            let back = progress.turned(FIRST, scene.world.now());
            let (lines, verdict) = go(&scene, Direction::Back, back).await;
            assert_eq!(verdict, Verdict::Done, "{strategy:?} {}: {lines:?}", call.title());
            let home = restored(scene.job(Direction::Back), &truth(&scene).await);
            assert_eq!(home, Ok(()), "{strategy:?} {}: {lines:?}", call.title());
        }
    }
}

/// The same for a start: a unit that sleeps out of traffic, as it was found.
#[tokio::test]
async fn a_unit_that_was_started_is_stopped_though_no_look_shows_it_up() {
    let asleep: Change = Box::new(|unit| (unit.state, unit.cordoned) = (UnitState::Stopped, true));
    let mut scene = Scene::with(Strategy::Rolling, vec![as_it_is(), asleep]).await;
    scene.target.limits.settle = Millis::ZERO;
    scene.world.provider.change(|manners| manners.list_lag = LAG);
    scene.observed().await;
    let mut progress = Progress::new(FIRST, scene.world.now());
    let unit = scene.snapshot.units[1].unit.id.clone();
    make(&scene, &mut progress, &UnitCall::Start { unit }).await;
    let (lines, verdict) = go(&scene, Direction::Back, progress.turned(FIRST, scene.world.now())).await;
    assert_eq!((lines, verdict), (vec!["stop unit0002".to_owned()], Verdict::Done));
    assert_eq!(restored(scene.job(Direction::Back), &truth(&scene).await), Ok(()));
}

/// P3: what was made and is not shown yet is not made again. The same calls as where no look lags.
#[tokio::test]
async fn no_call_is_made_again_because_a_look_is_old() {
    for strategy in STRATEGIES {
        let calm = Scene::new(strategy).await;
        let (calls, _) = go(&calm, Direction::Forward, Progress::new(FIRST, calm.world.now())).await;
        let scene = Scene::new(strategy).await;
        scene.world.provider.change(|manners| manners.list_lag = LAG);
        let (lines, verdict) = go(&scene, Direction::Forward, Progress::new(FIRST, scene.world.now())).await;
        assert_eq!((lines, verdict), (calls, Verdict::Done), "{strategy:?}");
        assert_eq!(scene.arrived(&truth(&scene).await), Ok(()), "{strategy:?}");
    }
}

/// No look is older than the limit: what does not show by then was undone by somebody, and is believed.
#[tokio::test]
async fn what_was_undone_is_believed_after_the_longest_lag() {
    let mut scene = Scene::new(Strategy::Rolling).await;
    scene.target.limits.settle = Millis::ZERO;
    let unit = scene.snapshot.units[0].unit.id.clone();
    let mut progress = Progress::new(FIRST, scene.world.now());
    make(&scene, &mut progress, &UnitCall::Cordon { unit: unit.clone() }).await;
    // Not by us.
    scene.perform(&UnitCall::Uncordon { unit }).await;
    let back = progress.turned(FIRST, scene.world.now());
    let begun = scene.world.now();
    assert_eq!(go(&scene, Direction::Back, back).await, (Vec::new(), Verdict::Done));
    assert_eq!(scene.world.now().since(begun), scene.target.limits.list_lag);
}

/// A call whose answer was lost may have undone what was accepted before: then the older one need not show.
#[tokio::test]
async fn a_lost_call_takes_back_what_must_show() {
    let scene = Scene::new(Strategy::Rolling).await;
    let unit = scene.snapshot.units[0].unit.id.clone();
    let mut progress = Progress::new(FIRST, scene.world.now());
    make(&scene, &mut progress, &UnitCall::Cordon { unit: unit.clone() }).await;
    progress.lose(&UnitCall::Uncordon { unit }, true, scene.world.now());
    assert_eq!(progress.told, []);
}
