//! One wave of regions after the other.

use std::collections::BTreeSet;

use super::*;
use crate::model::{MaxUnavailable, RegionName};

const IN_WAVES: [Strategy; 3] = [Strategy::BlueGreen, Strategy::Rolling, Strategy::Canary];

/// Two units in each of three regions; first `lhr`, then `fra` and `yyz` (where nobody is), then `iad`, which no wave
/// names. Every region has an edge.
async fn scene(strategy: Strategy) -> Scene {
    let mut scene = Scene::in_regions(strategy, &[("fra", 2), ("iad", 2), ("lhr", 2)]).await;
    let wave = |regions: &[&str]| regions.iter().map(|region| region.parse().unwrap()).collect();
    scene.target.waves = vec![wave(&["lhr"]), wave(&["yyz"]), wave(&["fra", "yyz"])];
    scene.edges = vec!["fra", "iad", "lhr"];
    scene
}

/// Regions in which something differs from what was found, and those in which all that is in traffic is new.
fn regions(scene: &Scene, fleet: &Fleet) -> (BTreeSet<RegionName>, BTreeSet<RegionName>) {
    let mut touched = BTreeSet::new();
    let mut done: BTreeSet<RegionName> = fleet.units.iter().map(|unit| unit.region.clone()).collect();
    for unit in &fleet.units {
        let found = scene.snapshot.units.iter().find(|record| record.unit.id == unit.id);
        if found
            .is_none_or(|record| (&record.unit.digest, record.unit.cordoned) != (&unit.digest, unit.cordoned))
        {
            touched.insert(unit.region.clone());
        }
        let is_new = unit.digest.as_ref() == scene.target.digest();
        if is_new == unit.cordoned || unit.state == UnitState::Starting {
            done.remove(&unit.region);
        }
    }
    (touched, done)
}

/// Goes to the end and checks at every look that a wave begins when the one before it is done.
async fn in_order(scene: &Scene) -> Verdict {
    let order = [vec!["lhr"], vec!["fra"], vec!["iad"]];
    let mut n_seen = 0;
    let verdict = scene
        .watched(Direction::Forward, |fleet, progress| {
            let (touched, done) = regions(scene, fleet);
            for (n, wave) in order.iter().enumerate().skip(1) {
                let has_begun = wave.iter().any(|region| touched.iter().any(|t| t.as_str() == *region));
                let before = order[n - 1].iter().all(|region| done.iter().any(|d| d.as_str() == *region));
                assert!(!has_begun || before, "wave {n}: {touched:?} touched, {done:?} done, {progress:?}");
            }
            n_seen = n_seen.max(touched.len());
        })
        .await;
    if verdict == Verdict::Done {
        assert_eq!(n_seen, 3);
    }
    verdict
}

#[tokio::test]
async fn a_wave_begins_when_the_one_before_it_is_done() {
    for strategy in IN_WAVES {
        let scene = scene(strategy).await;
        assert_eq!(in_order(&scene).await, Verdict::Done, "{strategy:?}");
        assert_eq!(scene.arrived(&scene.observed().await), Ok(()), "{strategy:?}");
        scene.all_the_way(Direction::Back).await;
        assert_eq!(restored(scene.job(Direction::Back), &scene.observed().await), Ok(()), "{strategy:?}");
    }
}

/// Each wave is verified at its own edge: while that answers from the old units alone, the next one does not begin, and
/// in the end everything goes back.
#[tokio::test]
async fn a_wave_that_its_own_edge_does_not_answer_from_ends_it() {
    // In place the old units are gone by then, so that an edge that did not hear of it answers from another region.
    for (deaf, untouched) in [("lhr", vec!["fra", "iad"]), ("fra", vec!["iad"])] {
        for strategy in [Strategy::BlueGreen, Strategy::Rolling] {
            let mut scene = scene(strategy).await;
            scene.deaf = vec![deaf];
            let mut touched = BTreeSet::new();
            let watch = |fleet: &Fleet, _: &Progress| touched.extend(regions(&scene, fleet).0);
            let verdict = scene.watched(Direction::Forward, watch).await;
            let why = format!("no edge answers from the new units in {deaf}");
            assert_eq!(verdict, Verdict::Failed(why), "{strategy:?}");
            for region in untouched.clone() {
                assert!(!touched.iter().any(|t| t.as_str() == region), "{strategy:?}: {touched:?}");
            }
            scene.all_the_way(Direction::Back).await;
            assert_eq!(restored(scene.job(Direction::Back), &scene.observed().await), Ok(()), "{strategy:?}");
        }
    }
}

/// What an earlier wave brought is watched while later ones go on.
#[tokio::test]
async fn a_wave_that_fades_later_stops_the_next_and_all_goes_back() {
    for strategy in IN_WAVES {
        let scene = scene(strategy).await;
        let fade = |_: &Fleet, progress: &Progress| {
            if progress.wave == 2 {
                scene.world.provider.change(|manners| manners.sick = vec![World::digest(2)]);
            }
        };
        let verdict = scene.watched(Direction::Forward, fade).await;
        assert!(
            matches!(&verdict, Verdict::Failed(why) if why.contains("served and is unhealthy")),
            "{strategy:?}: {verdict:?}"
        );
        scene.all_the_way(Direction::Back).await;
        assert_eq!(restored(scene.job(Direction::Back), &scene.observed().await), Ok(()), "{strategy:?}");
    }
}

/// Without waves every edge must answer from what came, in place too; everything at once has no waves.
#[tokio::test]
async fn without_waves_all_regions_change_together() {
    for strategy in [Strategy::BlueGreen, Strategy::Rolling, Strategy::Immediate] {
        let mut scene = scene(strategy).await;
        scene.target.limits.max_unavailable = MaxUnavailable::Units(6);
        if strategy != Strategy::Immediate {
            scene.target.waves.clear();
        }
        let mut together = 0;
        let watch = |fleet: &Fleet, _: &Progress| {
            let (touched, done) = regions(&scene, fleet);
            together = together.max(touched.difference(&done).count());
        };
        assert_eq!(scene.watched(Direction::Forward, watch).await, Verdict::Done, "{strategy:?}");
        assert!(together > 1, "{strategy:?}");
    }
    let mut scene = scene(Strategy::Rolling).await;
    scene.target.waves.clear();
    scene.deaf = vec!["iad"];
    scene.edges.push("syd");
    scene.deaf.push("syd");
    assert_eq!(
        scene.watched(Direction::Forward, |_, _| ()).await,
        Verdict::Done,
        "nothing old is left to answer"
    );
}

/// What people read says where it stands.
#[tokio::test]
async fn words_name_the_wave() {
    let scene = scene(Strategy::Rolling).await;
    let decision =
        next(scene.job(Direction::Forward), &scene.observed().await, &Progress::new(FIRST, At(0)), At(0));
    let Verdict::Going { why, .. } = decision.verdict else { panic!("{decision:?}") };
    assert!(why.ends_with("(wave 1 of 3: lhr)"), "{why}");
}
