mod again;
mod asleep;

use std::collections::BTreeMap;

use super::{
    Amiss, Direction, FIRST, Job, Observed, Progress, Stage, Stamp, Verdict, Watched, arrived, next, restored,
};
use crate::model::{
    At, ComponentSnapshot, ComponentTarget, Fleet, Millis, Strategy, Unit, UnitId, UnitState, label,
};
use crate::ports::{Clock as _, Deployer as _, Key};
use crate::testing::{Manners, World};

use super::UnitCall;

mod canary;
mod changed_asleep;
mod found;
mod pool;
mod settled;
mod standby;
mod told;
mod turned;
mod waves;

const STRATEGIES: [Strategy; 3] = [Strategy::BlueGreen, Strategy::Rolling, Strategy::Immediate];

/// Digest 9 never passes a check.
const SICK: u8 = 9;

type Change = Box<dyn FnOnce(&mut Unit)>;

fn stopped() -> Change {
    Box::new(|unit| unit.state = UnitState::Stopped)
}

fn cordoned() -> Change {
    Box::new(|unit| unit.cordoned = true)
}

fn as_it_is() -> Change {
    Box::new(|_| ())
}

/// Started, and its checks fail.
fn sick() -> Change {
    Box::new(|unit| {
        let sick = World::new(1, Manners::default()).component("production", "api", &World::digest(SICK));
        (unit.digest, unit.image) = (sick.digest().cloned(), Some(sick.image.clone()));
    })
}

/// One component in a provider of its own, with two units of digest 1.
struct Scene {
    world: World,
    target: ComponentTarget,
    snapshot: ComponentSnapshot,
    stamp: Stamp,
    /// Regions with an edge, which sends requests to its own region's units first (fly.md 7).
    edges: Vec<&'static str>,
    /// Edges that never hear of a change: they answer from the units that were found, as long as those are there.
    deaf: Vec<&'static str>,
}

impl Scene {
    async fn new(strategy: Strategy) -> Self {
        Self::with(strategy, vec![Box::new(|_| ()), Box::new(|_| ())]).await
    }

    /// One unit of digest 1 for each of `units`, changed by it.
    async fn with(strategy: Strategy, units: Vec<Change>) -> Self {
        let manners = Manners { sick: vec![World::digest(SICK)], ..Manners::default() };
        let mut world = World::new(1, manners);
        world.strategy = strategy;
        let old = world.component("production", "api", &World::digest(1));
        let n_units = u32::try_from(units.len()).unwrap();
        for change in units {
            world.provider.plant(&old.place, |unit| {
                (unit.digest, unit.image) = (old.digest().cloned(), Some(old.image.clone()));
                unit.config = old.groups.values().next().unwrap().config.clone();
                change(unit);
            });
        }
        // Until their checks have reported.
        world.clock.advance(Millis::secs(1));
        let fleet = world.fleet("production", "api").await;
        let mut target = world.component("production", "api", &World::digest(2));
        let counts = target.groups.values_mut().flat_map(|group| group.counts.values_mut());
        counts.for_each(|count| *count = n_units);
        let stamp = Stamp {
            promotion: "p-1".parse().unwrap(),
            environment: target.place.environment.clone(),
            store: "store-1".parse().unwrap(),
            release: World::release("1.1.0", 2, 12).id(),
        };
        let snapshot = ComponentSnapshot::take(target.place.clone(), &fleet).unwrap();
        Self { world, target, snapshot, stamp, edges: Vec::new(), deaf: Vec::new() }
    }

    fn job(&self, direction: Direction) -> Job<'_> {
        Job { target: &self.target, snapshot: &self.snapshot, stamp: &self.stamp, direction, undone: None }
    }

    /// As whoever never looked before reads it back.
    fn look(&self, observed: &Observed) -> Result<(), Amiss> {
        arrived(self.job(Direction::Forward), &mut Watched::default(), observed, self.world.now())
    }

    fn arrived(&self, observed: &Observed) -> Result<(), String> {
        self.look(observed).map_err(|amiss| amiss.why)
    }

    async fn perform(&self, call: &UnitCall) {
        let key = Key { id: call.title(), nonce: None };
        self.world.provider.perform(&self.target.place, call, &key).await.unwrap();
    }

    /// How many live units rest how: state and cordon.
    async fn rest(&self) -> Vec<(UnitState, bool)> {
        let observed = self.observed().await;
        let mut rest: Vec<_> = observed.fleet.live().map(|unit| (unit.state, unit.cordoned)).collect();
        rest.sort();
        rest
    }

    async fn observed(&self) -> Observed {
        let fleet = self.world.fleet("production", self.target.place.component.as_str()).await;
        Observed { fleet, ..Observed::default() }
    }

    /// Goes `direction` until it is through, or until `enough`; every call in order, waits as `…`.
    async fn walk(&self, direction: Direction, enough: impl Fn(&Progress) -> bool) -> (Vec<String>, Verdict) {
        let mut progress = Progress::new(FIRST, self.world.now());
        let mut lines: Vec<String> = Vec::new();
        for _ in 0..2_000 {
            let now = self.world.clock.now();
            let observed = self.observed().await;
            let decision = next(self.job(direction), &observed, &progress, now);
            assert_eq!(decision, next(self.job(direction), &observed, &progress, now), "a pure function");
            progress = decision.progress;
            let was_quiet = decision.calls.is_empty();
            for call in decision.calls {
                let key = Key { id: call.title(), nonce: None };
                self.world.provider.perform(&self.target.place, &call, &key).await.unwrap();
                lines.push(call.title());
            }
            match decision.verdict {
                Verdict::Going { .. } if !enough(&progress) => {}
                verdict => return (lines, verdict),
            }
            if was_quiet && lines.last().is_some_and(|line| line != "…") {
                lines.push("…".to_owned());
            }
            self.world.clock.advance(Millis(100));
        }
        panic!("it never ends: {lines:?}");
    }

    /// Goes `direction` to the end; `watch` sees the fleet before each look. Every verdict but the last is `Going`.
    async fn watched(&self, direction: Direction, mut watch: impl FnMut(&Fleet, &Progress)) -> Verdict {
        let mut progress = Progress::new(FIRST, self.world.now());
        let mut ask = false;
        for _ in 0..20_000 {
            let mut observed = self.observed().await;
            if ask && !self.edges.is_empty() && self.answers(&observed.fleet).is_empty() {
                // Where nobody runs, the request wakes whoever sleeps.
                self.world.provider.happens(crate::testing::Happens::Asked);
                observed = self.observed().await;
            }
            observed.all_edges = self.edges.iter().map(|edge| (*edge).to_owned()).collect();
            if ask {
                observed.edges = self.answers(&observed.fleet);
            }
            watch(&observed.fleet, &progress);
            let decision = next(self.job(direction), &observed, &progress, self.world.now());
            progress = decision.progress;
            ask = decision.ask_edges;
            for call in &decision.calls {
                self.perform(call).await;
            }
            match decision.verdict {
                Verdict::Going { .. } => self.world.clock.advance(Millis(100)),
                verdict => return verdict,
            }
        }
        panic!("it never ends: {progress:?}");
    }

    /// Who answers at each edge.
    fn answers(&self, fleet: &Fleet) -> Vec<super::EdgeAnswer> {
        let mut answers = Vec::new();
        for edge in &self.edges {
            let serves = |unit: &&Unit| !unit.cordoned && unit.state == UnitState::Started;
            let was_found = |unit: &&Unit| self.snapshot.units.iter().any(|record| record.unit.id == unit.id);
            let is_old = |unit: &&Unit| was_found(unit) && unit.digest == Some(World::digest(1));
            let mut units: Vec<&Unit> = fleet.units.iter().filter(serves).collect();
            if self.deaf.contains(edge) && units.iter().any(is_old) {
                units.retain(is_old);
            }
            if units.iter().any(|unit| unit.region.as_str() == *edge) {
                units.retain(|unit| unit.region.as_str() == *edge);
            }
            let answer =
                |unit: &Unit| super::EdgeAnswer { edge: (*edge).to_owned(), unit: Some(unit.id.clone()) };
            answers.extend(units.into_iter().map(answer));
        }
        answers
    }

    /// As many units per region, of one group.
    async fn in_regions(strategy: Strategy, regions: &[(&str, u32)]) -> Self {
        let mut units: Vec<Change> = Vec::new();
        for (region, n) in regions {
            for _ in 0..*n {
                let region = (*region).to_owned();
                units.push(Box::new(move |unit| unit.region = region.parse().unwrap()));
            }
        }
        let mut scene = Self::with(strategy, units).await;
        let counts = regions.iter().map(|(region, n)| (region.parse().unwrap(), *n)).collect();
        scene.target.groups.values_mut().for_each(|group| group.counts = Clone::clone(&counts));
        scene
    }

    async fn all_the_way(&self, direction: Direction) -> String {
        let (lines, verdict) = self.walk(direction, |_| false).await;
        assert_eq!(verdict, Verdict::Done, "{lines:?}");
        lines.join(", ")
    }
}

#[tokio::test]
async fn blue_green_opens_the_new_before_it_closes_the_old() {
    let scene = Scene::new(Strategy::BlueGreen).await;
    assert_eq!(
        scene.all_the_way(Direction::Forward).await,
        "create app/fra/0, create app/fra/1, …, uncordon unit0003, uncordon unit0004, …, \
         cordon unit0001, cordon unit0002, …, stop unit0001, stop unit0002, tag unit0001, tag unit0002"
    );
    let observed = scene.observed().await;
    assert_eq!(scene.arrived(&observed), Ok(()));
    assert_eq!(
        scene.all_the_way(Direction::Back).await,
        "start unit0001, start unit0002, …, tag unit0001, uncordon unit0001, tag unit0002, uncordon unit0002, …, \
         cordon unit0003, cordon unit0004, …, stop unit0003, stop unit0004, destroy unit0003, destroy unit0004"
    );
    assert_eq!(restored(scene.job(Direction::Back), &scene.observed().await), Ok(()));
}

#[tokio::test]
async fn rolling_moves_one_unit_after_the_other() {
    let scene = Scene::new(Strategy::Rolling).await;
    let there = "cordon unit0001, …, update unit0001, …, uncordon unit0001, …, \
                 cordon unit0002, …, update unit0002, …, uncordon unit0002, …";
    assert_eq!(scene.all_the_way(Direction::Forward).await, there);
    let observed = scene.observed().await;
    assert_eq!(scene.arrived(&observed), Ok(()));
    assert_eq!(scene.all_the_way(Direction::Back).await, there, "and back the same way");
    assert_eq!(restored(scene.job(Direction::Back), &scene.observed().await), Ok(()));
}

/// An update and the start that goes with it are two calls at some providers: whoever made the first may die before the
/// second, and the unit then has the new content and lies still.
#[tokio::test]
async fn a_unit_that_was_updated_and_not_started_is_started() {
    for strategy in [Strategy::Rolling, Strategy::Immediate] {
        let scene = Scene::new(strategy).await;
        let unit = scene.snapshot.units[0].unit.id.clone();
        scene
            .walk(Direction::Forward, |progress| progress.marks.get(&unit).is_some_and(|mark| mark.tries > 0))
            .await;
        scene.perform(&UnitCall::Stop { unit }).await;
        let (lines, verdict) = scene.walk(Direction::Forward, |_| false).await;
        assert_eq!(verdict, Verdict::Done, "{strategy:?}: {lines:?}");
        assert!(lines.contains(&"start unit0001".to_owned()), "{strategy:?}: {lines:?}");
        assert_eq!(scene.arrived(&scene.observed().await), Ok(()), "{strategy:?}");
    }
}

#[tokio::test]
async fn immediate_moves_all_at_once() {
    let scene = Scene::new(Strategy::Immediate).await;
    assert_eq!(scene.all_the_way(Direction::Forward).await, "update unit0001, update unit0002, …");
    assert_eq!(scene.all_the_way(Direction::Back).await, "update unit0001, update unit0002, …");
    assert_eq!(restored(scene.job(Direction::Back), &scene.observed().await), Ok(()));
}

/// From wherever the way there was left, the way back leads to what was found.
#[tokio::test]
async fn the_way_back_leads_home_from_every_stage() {
    let stages = [
        Stage::InPlace,
        Stage::Filling,
        Stage::Opening,
        Stage::SettlingIn,
        Stage::Closing,
        Stage::SettlingOut,
        Stage::Draining,
        Stage::Stopping,
        Stage::Leaving,
    ];
    for strategy in [Strategy::BlueGreen, Strategy::Rolling, Strategy::Immediate] {
        for stage in stages {
            let scene = Scene::new(strategy).await;
            let before = scene.observed().await.fleet;
            scene.walk(Direction::Forward, |progress| progress.stage >= stage).await;
            let (lines, verdict) = scene.walk(Direction::Back, |_| false).await;
            assert_eq!(verdict, Verdict::Done, "{strategy:?} left in {stage:?}: {lines:?}");
            let observed = scene.observed().await;
            assert_eq!(restored(scene.job(Direction::Back), &observed), Ok(()), "{strategy:?} {stage:?}");
            let ids = |fleet: &crate::model::Fleet| -> Vec<_> {
                fleet.units.iter().map(|unit| (unit.id.clone(), unit.cordoned, unit.labels.clone())).collect()
            };
            assert_eq!(ids(&observed.fleet), ids(&before), "{strategy:?} {stage:?}");
            assert!(observed.fleet.units.iter().all(|unit| unit.state == UnitState::Started));
        }
    }
}

/// An edge that does not answer from the new fleet is named.
#[tokio::test]
async fn an_edge_that_never_answers_from_the_new_fleet_ends_it() {
    let scene = Scene::new(Strategy::BlueGreen).await;
    let mut progress = Progress::new(FIRST, scene.world.now());
    for _ in 0..2_000 {
        let observed = Observed { all_edges: ["ams".to_owned()].into(), ..scene.observed().await };
        let decision = next(scene.job(Direction::Forward), &observed, &progress, scene.world.now());
        progress = decision.progress;
        for call in decision.calls {
            let key = Key { id: call.title(), nonce: None };
            scene.world.provider.perform(&scene.target.place, &call, &key).await.unwrap();
        }
        if let Verdict::Failed(why) = decision.verdict {
            assert_eq!(why, "edge ams does not answer from the new units");
            return;
        }
        scene.world.clock.advance(Millis(100));
    }
    panic!("it never ends");
}

/// Patience below the settling time must not end in a panic.
#[tokio::test]
async fn settling_may_take_longer_than_patience() {
    let mut scene = Scene::new(Strategy::BlueGreen).await;
    scene.target.limits.wait = Millis(1_500);
    scene.target.limits.settle = Millis(4_000);
    let (_, verdict) = scene.walk(Direction::Forward, |_| false).await;
    assert_eq!(verdict, Verdict::Done);
}

/// P5: what was found unhealthy must be as it was found, no healthier.
#[tokio::test]
async fn what_was_found_unhealthy_comes_back_as_it_was_found() {
    for strategy in STRATEGIES {
        let failed: Change = Box::new(|unit| unit.state = UnitState::Failed);
        let scene = Scene::with(strategy, vec![as_it_is(), sick(), failed]).await;
        let before = scene.observed().await.fleet;
        assert!(!before.units[1].checks[0].passing, "it was found unhealthy");
        scene.all_the_way(Direction::Forward).await;
        scene.all_the_way(Direction::Back).await;
        let observed = scene.observed().await;
        assert_eq!(restored(scene.job(Direction::Back), &observed), Ok(()), "{strategy:?}");
        let [sound, sick, failed] = &observed.fleet.units[..] else { panic!("{strategy:?}: {observed:?}") };
        assert!(sound.checks[0].passing, "{strategy:?}: what was healthy is proven again");
        assert_eq!(sick.state, UnitState::Started, "{strategy:?}");
        let settled = [UnitState::Failed, UnitState::Stopped, UnitState::Started];
        assert!(settled.contains(&failed.state), "{strategy:?}: {failed:?}");
        for (now, then) in observed.fleet.units.iter().zip(&before.units) {
            let what =
                |unit: &Unit| (unit.digest.clone(), unit.config.clone(), unit.cordoned, unit.labels.clone());
            assert_eq!(what(now), what(then), "{strategy:?}");
        }
    }
}

/// P5, the other side: a unit that was healthy when it was found must be proven healthy again.
#[tokio::test]
async fn what_was_found_healthy_must_come_back_healthy() {
    for strategy in STRATEGIES {
        let scene = Scene::with(strategy, vec![as_it_is(), sick()]).await;
        scene.all_the_way(Direction::Forward).await;
        scene.world.provider.change(|manners| manners.sick.push(World::digest(1)));
        let (lines, verdict) = scene.walk(Direction::Back, |_| false).await;
        assert!(
            matches!(&verdict, Verdict::Failed(why) if why.contains("check alive")),
            "{verdict:?} {lines:?}"
        );
    }
}

/// Nobody asks an edge to answer from units that answered nobody when they were found.
#[tokio::test]
async fn edges_are_not_asked_for_units_that_were_found_unhealthy() {
    let scene = Scene::with(Strategy::BlueGreen, vec![sick(), sick()]).await;
    scene.all_the_way(Direction::Forward).await;
    let mut progress = Progress::new(FIRST, scene.world.now());
    for _ in 0..2_000 {
        let observed = Observed { all_edges: ["ams".to_owned()].into(), ..scene.observed().await };
        let decision = next(scene.job(Direction::Back), &observed, &progress, scene.world.now());
        progress = decision.progress;
        for call in &decision.calls {
            scene.perform(call).await;
        }
        match decision.verdict {
            Verdict::Going { .. } => scene.world.clock.advance(Millis(100)),
            verdict => return assert_eq!(verdict, Verdict::Done),
        }
    }
    panic!("it never ends");
}

/// P5: a unit that stands in for one that is gone is what that one was, by content and configuration too.
#[tokio::test]
async fn a_stand_in_is_compared_like_every_other_unit() {
    for is_stopped in [false, true] {
        let second = if is_stopped { stopped() } else { as_it_is() };
        let scene = Scene::with(Strategy::BlueGreen, vec![as_it_is(), second]).await;
        scene.all_the_way(Direction::Forward).await;
        let gone = UnitId::new("unit0002").unwrap();
        scene.perform(&UnitCall::Destroy { unit: gone.clone() }).await;
        scene.all_the_way(Direction::Back).await;
        let observed = scene.observed().await;
        assert_eq!(restored(scene.job(Direction::Back), &observed), Ok(()));
        let stands_in = |unit: &Unit| unit.label(label::RESTORES).is_some();
        let n = observed.fleet.units.iter().position(stands_in).unwrap();
        assert_eq!(observed.fleet.units[n].state == UnitState::Stopped, is_stopped);
        assert!(!observed.fleet.units[n].cordoned, "like the one that is gone");

        let mut other = observed.clone();
        other.fleet.units[n].digest = Some(World::digest(7));
        let why = restored(scene.job(Direction::Back), &other).unwrap_err();
        assert!(why.contains("has another digest than before"), "{why}");
        let mut other = observed;
        other.fleet.units[n].config = serde_json::json!({"guest": "bigger"}).into();
        let why = restored(scene.job(Direction::Back), &other).unwrap_err();
        assert!(why.contains("has another configuration than before"), "{why}");
    }
}

/// P12: as many new units as were found stopped or cordoned end so; one stopped unit per group and region is proven.
#[tokio::test]
async fn what_was_found_stopped_or_cordoned_ends_so() {
    for strategy in STRATEGIES {
        let both: Change = Box::new(|unit| (unit.state, unit.cordoned) = (UnitState::Stopped, true));
        let far: Change = Box::new(|unit| {
            unit.state = UnitState::Stopped;
            unit.region = "ams".parse().unwrap();
        });
        let units = vec![stopped(), as_it_is(), stopped(), cordoned(), both, far];
        let mut scene = Scene::with(strategy, units).await;
        let counts = [("ams", 1), ("fra", 5)].map(|(region, n)| (region.parse().unwrap(), n));
        scene.target.groups.values_mut().for_each(|group| group.counts = counts.clone().into());
        let found = scene.rest().await;
        let since = scene.world.provider.calls().len();
        scene.all_the_way(Direction::Forward).await;
        assert_eq!(scene.rest().await, found, "{strategy:?}");
        let observed = scene.observed().await;
        assert_eq!(scene.arrived(&observed), Ok(()), "{strategy:?}");
        let calls = scene.world.provider.calls().split_off(since);
        // Stopped in the end, and running in between: that one was proven out of traffic.
        for unit in observed.fleet.live().filter(|unit| unit.state == UnitState::Stopped) {
            let of_it: Vec<&UnitCall> =
                calls.iter().map(|(_, call)| call).filter(|call| call.unit() == Some(&unit.id)).collect();
            let stop = of_it.iter().position(|call| matches!(call, UnitCall::Stop { .. }));
            let open = of_it.iter().position(|call| matches!(call, UnitCall::Uncordon { .. }));
            assert!(open.is_none_or(|open| stop.is_none_or(|stop| stop < open)), "{strategy:?}: {of_it:?}");
        }
        if strategy != Strategy::BlueGreen {
            let started = calls.iter().filter(|(_, call)| {
                matches!(call, UnitCall::Update { unit, start: true, .. }
                    if observed.fleet.unit(unit).is_some_and(|unit| unit.state == UnitState::Stopped))
            });
            assert_eq!(started.count(), 2, "one per region");
        }
        for (field, change) in [
            ("digest", (|unit: &mut Unit| unit.digest = Some(World::digest(7))) as fn(&mut Unit)),
            ("configuration", |unit| unit.config = serde_json::json!({"guest": "bigger"}).into()),
        ] {
            let mut other = observed.clone();
            let rests = |unit: &&mut Unit| !unit.is_parked() && unit.state == UnitState::Stopped;
            change(other.fleet.units.iter_mut().find(rests).unwrap());
            let why = scene.arrived(&other).unwrap_err();
            assert!(why.contains(&format!("has another {field}")), "{strategy:?}: {why}");
        }
        let mut other = observed.clone();
        other
            .fleet
            .units
            .iter_mut()
            .filter(|unit| unit.cordoned)
            .for_each(|unit| unit.state = UnitState::Started);
        assert!(scene.arrived(&other).is_err(), "{strategy:?}: it was found stopped");
        let mut other = observed.clone();
        other.fleet.units.iter_mut().for_each(|unit| unit.cordoned = false);
        assert!(scene.arrived(&other).is_err(), "{strategy:?}: it was found out of traffic");
        scene.all_the_way(Direction::Back).await;
        assert_eq!(restored(scene.job(Direction::Back), &scene.observed().await), Ok(()), "{strategy:?}");
        assert_eq!(scene.rest().await, found, "{strategy:?}, and back");
    }
}

/// P12: nothing of a release whose only machines rest comes to stand there unproven.
#[tokio::test]
async fn a_sick_release_is_found_out_where_all_units_are_stopped() {
    for strategy in STRATEGIES {
        let mut scene = Scene::with(strategy, vec![stopped(), stopped()]).await;
        let found = scene.rest().await;
        scene.target.image = scene.world.component("production", "api", &World::digest(SICK)).image;
        let (lines, verdict) = scene.walk(Direction::Forward, |_| false).await;
        assert!(
            matches!(&verdict, Verdict::Failed(why) if why.contains("check alive")),
            "{verdict:?} {lines:?}"
        );
        assert!(!lines.iter().any(|line| line.starts_with("uncordon")), "{strategy:?}: {lines:?}");
        scene.all_the_way(Direction::Back).await;
        assert_eq!(scene.rest().await, found, "{strategy:?}");
    }
}

/// P7 where everything sleeps until it is asked: there is a unit that can be woken at every instant, old or new.
#[tokio::test]
async fn a_sleeping_fleet_can_be_woken_all_the_time() {
    let scene = Scene::with(Strategy::BlueGreen, vec![stopped(), stopped()]).await;
    assert_eq!(
        scene.all_the_way(Direction::Forward).await,
        "create app/fra/0, create app/fra/1, …, stop unit0004, …, stop unit0003, uncordon unit0003, \
         uncordon unit0004, …, cordon unit0001, cordon unit0002, …, tag unit0001, tag unit0002"
    );
}

/// A unit that nobody planned for and that runs what shall run: somebody else is at work here (P2). Parked units and
/// those that deploys leave alone are none of it.
#[tokio::test]
async fn a_unit_that_appears_meanwhile_is_no_part_of_what_arrived() {
    for strategy in STRATEGIES {
        let scene = Scene::new(strategy).await;
        scene.all_the_way(Direction::Forward).await;
        let observed = scene.observed().await;
        assert_eq!(scene.arrived(&observed), Ok(()), "{strategy:?}");
        let mut stranger = observed.fleet.live().next().unwrap().clone();
        stranger.id = "unit9999".parse().unwrap();
        stranger.labels.insert(label::PROMOTION.to_owned(), "p-2".to_owned());
        stranger.labels.insert(label::STORE.to_owned(), "store-2".to_owned());
        let with = |change: &dyn Fn(&mut Unit)| {
            let (mut observed, mut stranger) = (observed.clone(), stranger.clone());
            change(&mut stranger);
            observed.fleet.units.push(stranger);
            scene.arrived(&observed)
        };
        let why = with(&|_| ()).unwrap_err();
        assert!(why.contains("unit9999 appeared meanwhile") && why.contains("of store store-2"), "{why}");
        assert!(with(&|unit| unit.labels.clear()).is_err(), "{strategy:?}: nor is one without a mark");
        assert_eq!(with(&|unit| unit.managed = false), Ok(()), "{strategy:?}");
        let parked = |unit: &mut Unit| {
            unit.labels.insert(label::PARKED_UNTIL.to_owned(), "2027-01-16T00:00:00Z".to_owned());
        };
        assert_eq!(with(&parked), Ok(()), "{strategy:?}");
    }
}

/// What people read names the units that come and go the right way round.
#[tokio::test]
async fn words_say_which_units_come_and_which_go() {
    let scene = Scene::new(Strategy::BlueGreen).await;
    for (direction, come, go) in [(Direction::Forward, "new", "old"), (Direction::Back, "old", "new")] {
        let mut said = Vec::new();
        let mut progress = Progress::new(FIRST, scene.world.now());
        for _ in 0..2_000 {
            let decision = next(scene.job(direction), &scene.observed().await, &progress, scene.world.now());
            progress = decision.progress;
            for call in &decision.calls {
                scene.perform(call).await;
            }
            let Verdict::Going { why, .. } = decision.verdict else { break };
            said.push((progress.stage, why));
            scene.world.clock.advance(Millis(100));
        }
        let about = |stage: Stage| said.iter().filter(move |(at, _)| *at == stage).map(|(_, why)| why);
        for (stages, which) in [
            ([Stage::Opening, Stage::SettlingIn], come),
            ([Stage::Closing, Stage::SettlingOut], go),
            ([Stage::Stopping, Stage::Leaving], go),
        ] {
            for stage in stages {
                assert!(about(stage).next().is_some(), "{direction:?}: {stage:?} was seen");
                let units = format!("the {which} units");
                assert!(about(stage).all(|why| why.contains(&units)), "{stage:?} {direction:?}: {said:?}");
            }
        }
        let names = said.iter().any(|(stage, why)| *why == format!("{stage:?}"));
        assert!(!names, "no name of a type reaches people: {said:?}");
    }
}

/// Where there are no leases (a site is found by its name) nobody who comes next could refuse a late call: it is waited
/// for also where it would change nothing now. A leased unit's is not.
#[test]
fn what_no_lease_fences_is_waited_for_in_any_case() {
    let (at, timeout) = (At(1_000), Millis(500));
    let unit: UnitId = "site".parse().unwrap();
    for (is_leased, until) in [(false, Some(At(1_500))), (true, None)] {
        let mut progress = Progress::new(FIRST, At(0));
        progress.lose(&UnitCall::Destroy { unit: unit.clone() }, is_leased, at);
        assert_eq!(progress.unsettled_until(&Fleet::default(), timeout), until, "leased: {is_leased}");
    }
}

/// P7 before tidiness: a unit in traffic that slept and was woken by a request answers it, on the way there and back.
/// One that no request reaches is stopped as it was found.
#[tokio::test]
async fn who_was_woken_by_a_request_is_left_to_answer_it() {
    let both: Change = Box::new(|unit| (unit.state, unit.cordoned) = (UnitState::Stopped, true));
    let scene = Scene::with(Strategy::BlueGreen, vec![as_it_is(), stopped(), both]).await;
    for direction in [Direction::Forward, Direction::Back] {
        let (lines, _) = scene.walk(direction, |progress| progress.stage >= Stage::SettlingIn).await;
        let asleep: Vec<Unit> = scene.observed().await.fleet.units;
        let comes = |unit: &&Unit| unit.labels.contains_key(label::SLOT) == (direction == Direction::Forward);
        let asleep = asleep.into_iter().filter(|unit| comes(&unit) && unit.state == UnitState::Stopped);
        let asleep: Vec<(UnitId, bool)> = asleep.map(|unit| (unit.id, unit.cordoned)).collect();
        assert_eq!(
            asleep.iter().map(|(_, cordoned)| *cordoned).collect::<Vec<_>>(),
            [false, true],
            "{lines:?}"
        );
        for (unit, _) in &asleep {
            scene.perform(&UnitCall::Start { unit: unit.clone() }).await;
        }
        scene.all_the_way(direction).await;
        let observed = scene.observed().await;
        for (unit, cordoned) in &asleep {
            let state = observed.fleet.unit(unit).unwrap().state;
            let expected = if *cordoned { UnitState::Stopped } else { UnitState::Started };
            assert_eq!(state, expected, "{direction:?} {unit}");
        }
        match direction {
            Direction::Forward => assert_eq!(scene.arrived(&observed), Ok(())),
            Direction::Back => assert_eq!(restored(scene.job(direction), &observed), Ok(())),
        }
    }
}

/// A unit that stands in for one that was found asleep never runs in traffic by us.
#[tokio::test]
async fn what_is_put_to_sleep_on_the_way_back_is_out_of_traffic_until_then() {
    for strategy in STRATEGIES {
        let scene = Scene::with(strategy, vec![as_it_is(), stopped()]).await;
        scene.walk(Direction::Forward, |progress| progress.stage >= Stage::Resting).await;
        if strategy == Strategy::BlueGreen {
            scene.perform(&UnitCall::Destroy { unit: "unit0002".parse().unwrap() }).await;
        }
        let since = scene.world.provider.calls().len();
        scene.all_the_way(Direction::Back).await;
        let asleep: Vec<UnitId> = scene
            .observed()
            .await
            .fleet
            .units
            .into_iter()
            .filter(|unit| unit.state == UnitState::Stopped)
            .map(|unit| unit.id)
            .collect();
        assert_eq!(asleep.len(), 1, "{strategy:?}");
        let calls = scene.world.provider.calls().split_off(since);
        let of_it = calls.iter().map(|(_, call)| call).filter(|call| call.unit() == Some(&asleep[0]));
        let verbs: Vec<&str> = of_it.map(UnitCall::verb).collect();
        let open = verbs.iter().position(|verb| *verb == "uncordon");
        let stop = verbs.iter().rposition(|verb| *verb == "stop");
        assert!(open.is_none_or(|open| stop.is_none_or(|stop| stop < open)), "{strategy:?}: {verbs:?}");
    }
}
