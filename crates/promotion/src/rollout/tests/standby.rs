//! Units that stand by for others: fly.md 2.2 ("without services 1 + a standby") and 2.3 ("standby → skip_launch").

use std::collections::BTreeSet;

use super::*;

fn set(ids: &[&str]) -> BTreeSet<UnitId> {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

/// One that runs, and one that stands by for it.
async fn scene(strategy: Strategy) -> Scene {
    let standby: Change = Box::new(|unit| {
        unit.state = UnitState::Stopped;
        unit.standby_for = set(&["unit0001"]);
    });
    Scene::with(strategy, vec![as_it_is(), standby]).await
}

/// It takes the release and is never started, not even to be proven; it is what the other one is, and is said to be so.
#[tokio::test]
async fn who_stands_by_takes_the_release_without_being_started() {
    for strategy in [Strategy::BlueGreen, Strategy::Rolling, Strategy::Canary, Strategy::Immediate] {
        let scene = scene(strategy).await;
        let before: Vec<Unit> = scene.observed().await.fleet.units;
        let since = scene.world.provider.calls().len();
        scene.all_the_way(Direction::Forward).await;
        let fleet = scene.observed().await.fleet;
        assert_eq!(scene.arrived(&scene.observed().await), Ok(()), "{strategy:?}");
        let mut live = fleet.live().filter(|unit| !unit.standby_for.is_empty());
        let (standby, others) = (live.next().unwrap().clone(), live.count());
        assert_eq!((standby.state, others), (UnitState::Stopped, 0), "{strategy:?}");
        assert_eq!(standby.digest, Some(World::digest(2)), "{strategy:?}");
        let first = fleet.live().find(|unit| unit.standby_for.is_empty()).unwrap();
        assert_eq!(
            standby.standby_for,
            [first.id.clone()].into(),
            "{strategy:?}: for the one that serves now"
        );
        let calls = scene.world.provider.calls().split_off(since);
        for (_, call) in calls.iter().filter(|(_, call)| call.unit() == Some(&standby.id)) {
            let starts = matches!(call, UnitCall::Start { .. } | UnitCall::Update { start: true, .. });
            assert!(!starts, "{strategy:?}: {call:?}");
        }
        let said = super::super::unproven(scene.job(Direction::Forward)).unwrap();
        assert!(said.contains("1 stopped unit unproven, same digest and config"), "{said}");

        let mut gone = scene.observed().await;
        let n = gone.fleet.units.iter().position(|unit| unit.id == standby.id).unwrap();
        gone.fleet.units[n].standby_for = set(&["unit9999"]);
        assert!(scene.arrived(&gone).is_err(), "{strategy:?}: it stands by for nobody that serves");

        scene.all_the_way(Direction::Back).await;
        let observed = scene.observed().await;
        assert_eq!(restored(scene.job(Direction::Back), &observed), Ok(()), "{strategy:?}");
        for (now, then) in observed.fleet.units.iter().zip(&before) {
            assert_eq!((&now.id, &now.standby_for), (&then.id, &then.standby_for), "{strategy:?}");
            assert_eq!((now.state, &now.digest), (then.state, &then.digest), "{strategy:?}");
        }
    }
}

/// fly.md 1.5: `standbys[]` names machines by their ids. One that was made in the place of a lost machine has another id,
/// so whoever stood by for the lost one stands by for it in the end, or for nobody.
#[tokio::test]
async fn p5_who_stood_by_for_a_lost_unit_stands_by_for_what_is_made_in_its_place() {
    for strategy in [Strategy::BlueGreen, Strategy::Rolling] {
        for both in [false, true] {
            let scene = scene(strategy).await;
            scene.all_the_way(Direction::Forward).await;
            scene.perform(&UnitCall::Destroy { unit: "unit0001".parse().unwrap() }).await;
            if both {
                scene.perform(&UnitCall::Destroy { unit: "unit0002".parse().unwrap() }).await;
            }
            scene.all_the_way(Direction::Back).await;
            let observed = scene.observed().await;
            let (standbys, others): (Vec<&Unit>, Vec<&Unit>) =
                observed.fleet.live().partition(|unit| !unit.standby_for.is_empty());
            let ([standby], [first]) = (&standbys[..], &others[..]) else { panic!("{observed:?}") };
            assert!(first.label(label::RESTORES).is_some_and(|of| of.ends_with("/unit0001")), "{first:?}");
            assert_eq!(first.state, UnitState::Started, "{strategy:?}");
            assert_eq!(standby.label(label::RESTORES).is_some(), both, "{strategy:?}: {standby:?}");
            assert_eq!(standby.state, UnitState::Stopped, "{strategy:?}, both lost: {both}");
            assert_eq!(standby.standby_for, [first.id.clone()].into(), "{strategy:?}, both lost: {both}");
            assert_eq!(restored(scene.job(Direction::Back), &observed), Ok(()), "{strategy:?}");

            let mut other = observed.clone();
            let n = observed.fleet.units.iter().position(|unit| unit.id == standby.id).unwrap();
            other.fleet.units[n].standby_for = set(&["unit0001"]);
            assert!(restored(scene.job(Direction::Back), &other).is_err(), "{strategy:?}: for a lost one");
        }
    }
}

/// What was gone before anybody began is nobody's to put right (P5: as it was found).
#[tokio::test]
async fn who_was_found_standing_by_for_nobody_stays_so() {
    for strategy in [Strategy::BlueGreen, Strategy::Rolling] {
        let standby: Change = Box::new(|unit| {
            unit.state = UnitState::Stopped;
            unit.standby_for = set(&["unit7777"]);
        });
        let scene = Scene::with(strategy, vec![as_it_is(), standby]).await;
        scene.walk(Direction::Forward, |progress| progress.stage >= Stage::SettlingIn).await;
        scene.all_the_way(Direction::Back).await;
        let observed = scene.observed().await;
        assert_eq!(restored(scene.job(Direction::Back), &observed), Ok(()), "{strategy:?}");
        let standby = observed.fleet.live().find(|unit| unit.state == UnitState::Stopped).unwrap();
        assert_eq!(standby.standby_for, set(&["unit7777"]), "{strategy:?}");
    }
}
