//! The first of each group and region on trial.

use std::collections::BTreeSet;

use super::*;
use crate::model::MaxUnavailable;

/// Units, and when something first happened to each.
type Times = Vec<(String, At)>;

/// When each unit was first seen with the new content in traffic, and when it was first touched.
async fn times(scene: &Scene) -> (Times, Times, Verdict) {
    let (mut touched, mut serves) = (Times::new(), Times::new());
    let watch = |fleet: &Fleet, _: &Progress| {
        let now = scene.world.now();
        for unit in &fleet.units {
            let is_new = unit.digest.as_ref() == scene.target.digest();
            let note = |list: &mut Times| {
                if !list.iter().any(|(id, _)| id == unit.id.as_str()) {
                    list.push((unit.id.to_string(), now));
                }
            };
            if unit.cordoned {
                note(&mut touched);
            } else if is_new && unit.state == UnitState::Started {
                note(&mut serves);
            }
        }
    };
    let verdict = scene.watched(Direction::Forward, watch).await;
    (touched, serves, verdict)
}

/// One unit of each group and region that has another; who is alone in its region is nobody's share.
#[tokio::test]
async fn the_first_of_each_region_bake_before_any_other_changes() {
    let mut scene = Scene::in_regions(Strategy::Canary, &[("fra", 3), ("lhr", 2), ("syd", 1)]).await;
    scene.target.limits.max_unavailable = MaxUnavailable::Units(6);
    scene.target.limits.bake = Millis(60_000);
    let (touched, serves, verdict) = times(&scene).await;
    assert_eq!(verdict, Verdict::Done);
    assert_eq!(scene.arrived(&scene.observed().await), Ok(()));
    let early: BTreeSet<&str> = touched[..2].iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(early, ["unit0001", "unit0004"].into(), "{touched:?}");
    let trial_began = serves[1].1;
    assert!(touched[2].1.since(trial_began) >= Millis(60_000), "{touched:?} {serves:?}");
    // Once it is over the others go as in a rolling update: at the same time where that is possible.
    assert!(touched[5].1.since(touched[2].1) < Millis(60_000), "{touched:?}");
}

/// Unhealthy for longer than a healthy unit may be, at any time of the trial: the others were never touched.
#[tokio::test]
async fn a_canary_that_falls_ill_is_put_back_and_nobody_else_was_touched() {
    let mut scene = Scene::in_regions(Strategy::Canary, &[("fra", 4)]).await;
    scene.target.limits.bake = Millis(60_000);
    let since = scene.world.provider.calls().len();
    let ill_at = scene.world.now().plus(Millis(40_000));
    let fall_ill = |_: &Fleet, _: &Progress| {
        if scene.world.now() >= ill_at {
            scene.world.provider.change(|manners| manners.sick = vec![World::digest(2)]);
        }
    };
    let verdict = scene.watched(Direction::Forward, fall_ill).await;
    assert!(
        matches!(&verdict, Verdict::Failed(why) if why.contains("served and is unhealthy")),
        "{verdict:?}"
    );
    assert!(scene.world.now().since(ill_at) < Millis(5_000), "as soon as it may be said");
    scene.all_the_way(Direction::Back).await;
    assert_eq!(restored(scene.job(Direction::Back), &scene.observed().await), Ok(()));
    let calls = scene.world.provider.calls().split_off(since);
    let touched: BTreeSet<_> = calls.iter().filter_map(|(_, call)| call.unit()).collect();
    assert_eq!(touched.len(), 1, "{touched:?}");
}

/// Where there is nobody else there is no trial either: it changes as in a rolling update, and a plan says so.
#[tokio::test]
async fn one_machine_is_nobodys_share() {
    let mut scene = Scene::in_regions(Strategy::Canary, &[("fra", 1)]).await;
    scene.target.limits.bake = Millis::secs(24 * 3600);
    let begun = scene.world.now();
    assert_eq!(times(&scene).await.2, Verdict::Done);
    assert!(scene.world.now().since(begun) < Millis::secs(60));
}

/// Where no region has two, one region's is on trial, and the others wait.
#[tokio::test]
async fn one_region_is_on_trial_where_none_has_two() {
    let mut scene = Scene::in_regions(Strategy::Canary, &[("fra", 1), ("lhr", 1)]).await;
    scene.target.limits.bake = Millis(60_000);
    let (touched, serves, verdict) = times(&scene).await;
    assert_eq!(verdict, Verdict::Done);
    assert!(touched[1].1.since(serves[0].1) >= Millis(60_000), "{touched:?} {serves:?}");
}

/// Nobody watched while the runner was dead: the trial begins anew, since it has to hold all the time.
#[tokio::test]
async fn a_trial_that_nobody_watched_begins_anew() {
    let mut progress = Progress::new(FIRST, At(0));
    progress.bake = Some(At(1_000));
    assert_eq!(progress.resumed(At(50_000)).bake, Some(At(50_000)));
    progress.bake = None;
    assert_eq!(progress.resumed(At(50_000)).bake, None);
}
