//! How many are out of traffic at once, and who may be.

use std::collections::{BTreeMap, BTreeSet};

use super::super::progress::Turn;
use super::*;
use crate::model::{GroupName, MaxUnavailable, RegionName};

/// fly.md 2.2: "max_unavailable 0.33 (≥1 = absolute; fraction = ceil(total×f))".
#[test]
fn the_width_of_a_pool_is_counted_as_flyctl_counts_it() {
    let third = MaxUnavailable::DEFAULT;
    for (total, width) in [(0, 1), (1, 1), (2, 1), (3, 1), (4, 2), (9, 3), (10, 4), (100, 33), (1_000, 330)] {
        assert_eq!(third.of(total), width, "ceil({total} × 0.33)");
    }
    assert_eq!(MaxUnavailable::Part { permille: 500 }.of(5), 3);
    assert_eq!(MaxUnavailable::Units(3).of(10), 3);
    assert_eq!(MaxUnavailable::Units(0).of(10), 1);
    // A plan of before: a bare number.
    assert_eq!(serde_json::from_str::<MaxUnavailable>("1").unwrap(), MaxUnavailable::Units(1));
}

/// What was out of traffic together, in which order units first went out.
#[derive(Debug, Default)]
struct Watch {
    /// Per group: the most that were out at once.
    widest: BTreeMap<GroupName, usize>,
    /// Per region: the fewest that were in traffic.
    fewest: BTreeMap<RegionName, usize>,
    /// Those that were out at the same time, each set once, in order.
    sets: Vec<BTreeSet<UnitId>>,
}

impl Watch {
    fn look(&mut self, fleet: &Fleet) {
        let is_out = |unit: &&Unit| unit.cordoned || unit.state != UnitState::Started;
        let out: BTreeSet<UnitId> = fleet.live().filter(is_out).map(|unit| unit.id.clone()).collect();
        let mut here: BTreeMap<GroupName, usize> = BTreeMap::new();
        let mut left: BTreeMap<RegionName, usize> = BTreeMap::new();
        for unit in fleet.live() {
            *here.entry(unit.group.clone()).or_default() += usize::from(is_out(&unit));
            *left.entry(unit.region.clone()).or_default() += usize::from(!is_out(&unit));
        }
        for (group, n) in here {
            let most = self.widest.entry(group).or_default();
            *most = n.max(*most);
        }
        for (region, n) in left {
            let fewest = self.fewest.entry(region).or_insert(n);
            *fewest = n.min(*fewest);
        }
        if !out.is_empty() && self.sets.last() != Some(&out) {
            self.sets.push(out);
        }
    }
}

async fn watch(scene: &Scene, direction: Direction) -> (Watch, Verdict) {
    let mut watch = Watch::default();
    let verdict = scene.watched(direction, |fleet, _| watch.look(fleet)).await;
    (watch, verdict)
}

/// promotion.md 1.4: "rolling (max_unavailable 0.33 → pool ceil(0.33·N) per process group"; fly.md 2.5: "the first of
/// each set goes alone".
#[tokio::test]
async fn the_first_goes_alone_and_then_the_pool() {
    let mut scene = Scene::in_regions(Strategy::Rolling, &[("fra", 10)]).await;
    scene.target.limits.max_unavailable = MaxUnavailable::DEFAULT;
    let (seen, verdict) = watch(&scene, Direction::Forward).await;
    assert_eq!(verdict, Verdict::Done);
    assert_eq!(scene.arrived(&scene.observed().await), Ok(()));
    let first: UnitId = "unit0001".parse().unwrap();
    assert_eq!(seen.sets[0], [first.clone()].into(), "the first alone");
    assert!(seen.sets[1..].iter().all(|set| !set.contains(&first)), "{:?}", seen.sets);
    assert_eq!(seen.widest.values().copied().collect::<Vec<_>>(), [4], "ceil(10 × 0.33)");
    assert_eq!(seen.sets[1].len(), 4, "the pool begins at once: {:?}", seen.sets);

    let (seen, verdict) = watch(&scene, Direction::Back).await;
    assert_eq!(verdict, Verdict::Done);
    assert_eq!(restored(scene.job(Direction::Back), &scene.observed().await), Ok(()));
    assert_eq!(seen.sets[0].len(), 4, "what is put back is known, and nobody waits for a first one");
    assert_eq!(seen.widest.values().copied().collect::<Vec<_>>(), [4]);
}

/// Every look between two turns is time in which nobody moves: whoever comes through makes room in that very look.
#[tokio::test]
async fn the_next_begins_in_the_look_in_which_the_last_comes_through() {
    let mut scene = Scene::in_regions(Strategy::Rolling, &[("fra", 3)]).await;
    scene.target.limits.max_unavailable = MaxUnavailable::Units(1);
    let mut progress = Progress::new(FIRST, scene.world.now());
    let mut n_through = 0;
    for _ in 0..2_000 {
        let observed = scene.observed().await;
        let decision = next(scene.job(Direction::Forward), &observed, &progress, scene.world.now());
        progress = decision.progress;
        let turns = progress.marks.values().map(|mark| mark.turn);
        let through = turns.clone().filter(|turn| *turn == Turn::Through).count();
        if through > n_through && progress.stage == Stage::InPlace {
            assert_eq!(turns.filter(|turn| *turn == Turn::Closing).count(), 1, "{progress:?}");
            assert_eq!(decision.calls.len(), 1, "{:?}", decision.calls);
        }
        n_through = through.max(n_through);
        for call in &decision.calls {
            scene.perform(call).await;
        }
        if decision.verdict == Verdict::Done {
            assert_eq!(n_through, 3);
            return;
        }
        scene.world.clock.advance(Millis(500));
    }
    panic!("it does not end: {progress:?}");
}

/// A failure of the first stops the rest, and all goes back: nine of ten were never touched.
#[tokio::test]
async fn a_first_that_fails_leaves_the_others_alone() {
    let mut scene = Scene::in_regions(Strategy::Rolling, &[("fra", 10)]).await;
    scene.target.limits.max_unavailable = MaxUnavailable::Units(10);
    scene.target.image = scene.world.component("production", "api", &World::digest(SICK)).image;
    let since = scene.world.provider.calls().len();
    let (_, verdict) = watch(&scene, Direction::Forward).await;
    assert!(matches!(&verdict, Verdict::Failed(why) if why.contains("unit0001")), "{verdict:?}");
    scene.all_the_way(Direction::Back).await;
    assert_eq!(restored(scene.job(Direction::Back), &scene.observed().await), Ok(()));
    let calls = scene.world.provider.calls().split_off(since);
    let touched: BTreeSet<_> = calls.iter().filter_map(|(_, call)| call.unit()).collect();
    assert_eq!(touched.len(), 1, "{touched:?}");
}

/// Groups and regions go side by side: the first of each at the same time, as wide as each group's pool is.
#[tokio::test]
async fn groups_and_regions_go_side_by_side() {
    let mut units: Vec<Change> = Vec::new();
    for (group, region) in [("app", "fra"), ("app", "lhr"), ("worker", "fra")] {
        for _ in 0..3 {
            units.push(Box::new(move |unit| {
                (unit.group, unit.region) = (group.parse().unwrap(), region.parse().unwrap());
            }));
        }
    }
    let mut scene = Scene::with(Strategy::Rolling, units).await;
    let shape = scene.target.groups.values().next().unwrap().clone();
    for (group, regions) in [("app", vec!["fra", "lhr"]), ("worker", vec!["fra"])] {
        let counts = regions.into_iter().map(|region| (region.parse().unwrap(), 3)).collect();
        let shape = crate::model::GroupTarget { counts, ..shape.clone() };
        scene.target.groups.insert(group.parse().unwrap(), shape);
    }
    scene.target.limits.max_unavailable = MaxUnavailable::Part { permille: 500 };
    let (seen, verdict) = watch(&scene, Direction::Forward).await;
    assert_eq!(verdict, Verdict::Done);
    assert_eq!(scene.arrived(&scene.observed().await), Ok(()));
    let firsts: BTreeSet<UnitId> =
        ["unit0001", "unit0004", "unit0007"].into_iter().map(|id| id.parse().unwrap()).collect();
    assert_eq!(seen.sets[0], firsts, "{:?}", seen.sets);
    let widest: Vec<(&str, usize)> = seen.widest.iter().map(|(group, n)| (group.as_str(), *n)).collect();
    assert_eq!(widest, [("app", 3), ("worker", 2)], "ceil(6 × 0.5), ceil(3 × 0.5)");
}

/// P7: whatever the width, a region that has another one keeps one that answers, and where a region has one only,
/// another region's does.
#[tokio::test]
async fn one_that_answers_is_left_where_that_is_possible() {
    let mut scene = Scene::in_regions(Strategy::Rolling, &[("fra", 2), ("lhr", 3), ("syd", 1)]).await;
    scene.target.limits.max_unavailable = MaxUnavailable::Units(6);
    for direction in [Direction::Forward, Direction::Back] {
        let (seen, verdict) = watch(&scene, direction).await;
        assert_eq!(verdict, Verdict::Done);
        let fewest: Vec<(&str, usize)> =
            seen.fewest.iter().map(|(region, n)| (region.as_str(), *n)).collect();
        assert_eq!(fewest, [("fra", 1), ("lhr", 1), ("syd", 0)], "{direction:?}");
    }
    for strategy in [Strategy::Rolling, Strategy::Canary] {
        let mut scene = Scene::in_regions(strategy, &[("fra", 1), ("lhr", 1)]).await;
        scene.target.limits.max_unavailable = MaxUnavailable::Units(2);
        let (seen, verdict) = watch(&scene, Direction::Forward).await;
        assert_eq!(verdict, Verdict::Done);
        assert!(seen.sets.iter().all(|set| set.len() == 1), "{strategy:?}: {:?}", seen.sets);
    }
}

/// One that was found unhealthy answers nobody: it is changed first, and the healthy one only when that one answers.
#[tokio::test]
async fn who_was_found_unhealthy_does_not_count_as_one_that_answers() {
    let mut scene = Scene::with(Strategy::Rolling, vec![as_it_is(), sick()]).await;
    scene.target.limits.max_unavailable = MaxUnavailable::Units(2);
    let (seen, verdict) = watch(&scene, Direction::Forward).await;
    assert_eq!(verdict, Verdict::Done);
    let order: Vec<Vec<&str>> =
        seen.sets.iter().map(|set| set.iter().map(UnitId::as_str).collect()).collect();
    assert_eq!(order, [["unit0002"], ["unit0001"]]);
}

/// Who is alone is changed all the same: there is nobody to wait for.
#[tokio::test]
async fn who_is_alone_is_changed_all_the_same() {
    for strategy in [Strategy::Rolling, Strategy::Canary] {
        let scene = Scene::in_regions(strategy, &[("fra", 1)]).await;
        assert_eq!(watch(&scene, Direction::Forward).await.1, Verdict::Done, "{strategy:?}");
        assert_eq!(scene.arrived(&scene.observed().await), Ok(()));
    }
}

/// P7 holds on the way back, too: one that was put back and blinks is given the time that any healthy unit has, before the
/// other one, which answers meanwhile, is taken out of traffic.
#[tokio::test]
async fn on_the_way_back_nobody_leaves_while_the_one_put_back_blinks() {
    let scene = Scene::in_regions(Strategy::Rolling, &[("fra", 2)]).await;
    assert_eq!(watch(&scene, Direction::Forward).await.1, Verdict::Done);
    let first: UnitId = "unit0001".parse().unwrap();
    let (mut ill_at, mut nobody) = (None, Vec::new());
    let blink = |fleet: &Fleet, progress: &Progress| {
        let now = scene.world.now();
        if progress.marks.get(&first).is_some_and(|mark| mark.turn == Turn::SettlingIn) && ill_at.is_none() {
            ill_at = Some(now);
            scene.world.provider.change(|manners| manners.sick = vec![World::digest(1)]);
        }
        // Ill for less than a healthy unit may be (2 s), and past its own second in traffic.
        if ill_at.is_some_and(|at| now.since(at) >= Millis(1_500)) {
            scene.world.provider.change(|manners| manners.sick.clear());
        }
        let answers = |unit: &Unit| {
            !unit.cordoned
                && unit.state == UnitState::Started
                && unit.checks.iter().any(|check| check.passing)
        };
        if !fleet.live().any(answers) {
            nobody.push(now);
        }
    };
    assert_eq!(scene.watched(Direction::Back, blink).await, Verdict::Done);
    assert!(ill_at.is_some(), "it was ill for a while");
    assert_eq!(restored(scene.job(Direction::Back), &scene.observed().await), Ok(()));
    assert_eq!(nobody, [], "at each of these instants nobody answered");
}

/// One that sleeps in traffic answers, too: taken out to be proven when it turned, it is back before the only other one
/// goes.
#[tokio::test]
async fn on_the_way_back_one_that_sleeps_is_in_traffic_before_the_other_leaves() {
    let scene = Scene::with(Strategy::Rolling, vec![as_it_is(), stopped()]).await;
    let sleeps: UnitId = "unit0002".parse().unwrap();
    let is_out = |progress: &Progress| progress.marks.contains_key(&sleeps);
    scene.walk(Direction::Forward, is_out).await;
    let fleet = scene.observed().await.fleet;
    let unit = fleet.unit(&sleeps).unwrap();
    assert_eq!(
        (unit.state, unit.cordoned, &unit.digest),
        (UnitState::Stopped, true, &Some(World::digest(1)))
    );
    let mut n_fewest = usize::MAX;
    let watch = |fleet: &Fleet, _: &Progress| {
        let answers =
            |unit: &&Unit| !unit.cordoned && matches!(unit.state, UnitState::Started | UnitState::Stopped);
        n_fewest = n_fewest.min(fleet.live().filter(answers).count());
    };
    assert_eq!(scene.watched(Direction::Back, watch).await, Verdict::Done);
    assert_eq!(restored(scene.job(Direction::Back), &scene.observed().await), Ok(()));
    assert_eq!(n_fewest, 1);
}

/// Edges learn of each change after lags of their own: one that hears first that the one is out, and only then that the
/// other is in, has nobody to send to. So whoever comes back has settled before another goes, also when it sleeps.
#[tokio::test]
async fn one_that_sleeps_settles_in_before_another_leaves() {
    let scene = Scene::with(Strategy::Rolling, vec![stopped(), as_it_is()]).await;
    for direction in [Direction::Forward, Direction::Back] {
        let (mut opened, mut closed) = (None, Vec::new());
        let mut before: Option<Fleet> = None;
        let watch = |fleet: &Fleet, _: &Progress| {
            let now = scene.world.now();
            for unit in fleet.live() {
                let was = before.as_ref().and_then(|before| before.unit(&unit.id)).map(|unit| unit.cordoned);
                match (was, unit.cordoned) {
                    (Some(true), false) => opened = Some(now),
                    (Some(false), true) => closed.extend(opened.map(|at: At| now.since(at))),
                    _ => {}
                }
            }
            before = Some(fleet.clone());
        };
        assert_eq!(scene.watched(direction, watch).await, Verdict::Done);
        assert!(closed.iter().all(|time| *time >= scene.target.limits.settle), "{direction:?}: {closed:?}");
        assert_eq!(closed.len(), 1, "{direction:?}: one of the two leaves after the other came back");
    }
}
