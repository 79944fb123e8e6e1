use super::{Direction, FIRST, Job, Observed, Progress, Stage, Stamp, Verdict, arrived, next, restored};
use crate::model::{ComponentSnapshot, ComponentTarget, Millis, Strategy, UnitState};
use crate::ports::{Clock as _, Deployer as _, Key};
use crate::testing::{Manners, World};

/// One component in a provider of its own, with two units of digest 1.
struct Scene {
    world: World,
    target: ComponentTarget,
    snapshot: ComponentSnapshot,
    stamp: Stamp,
}

impl Scene {
    async fn new(strategy: Strategy) -> Self {
        let mut world = World::new(1, Manners::default());
        world.strategy = strategy;
        let old = world.component("production", "api", &World::digest(1));
        for _ in 0..2 {
            world.provider.plant(&old.place, |unit| {
                (unit.digest, unit.image) = (old.digest().cloned(), Some(old.image.clone()));
                unit.config = old.groups.values().next().unwrap().config.clone();
            });
        }
        // Until their checks have reported.
        world.clock.advance(Millis::secs(1));
        let fleet = world.fleet("production", "api").await;
        let target = world.component("production", "api", &World::digest(2));
        let stamp = Stamp {
            promotion: "p-1".parse().unwrap(),
            environment: target.place.environment.clone(),
            store: "store-1".parse().unwrap(),
            release: World::release("1.1.0", 2, 12).id(),
        };
        let snapshot = ComponentSnapshot::take(target.place.clone(), &fleet).unwrap();
        Self { world, target, snapshot, stamp }
    }

    fn job(&self, direction: Direction) -> Job<'_> {
        Job { target: &self.target, snapshot: &self.snapshot, stamp: &self.stamp, direction }
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
    assert_eq!(arrived(scene.job(Direction::Forward), &observed, scene.world.now()), Ok(()));
    assert_eq!(
        scene.all_the_way(Direction::Back).await,
        "tag unit0001, start unit0001, tag unit0002, start unit0002, …, uncordon unit0001, uncordon unit0002, …, \
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
    assert_eq!(arrived(scene.job(Direction::Forward), &observed, scene.world.now()), Ok(()));
    assert_eq!(scene.all_the_way(Direction::Back).await, there, "and back the same way");
    assert_eq!(restored(scene.job(Direction::Back), &scene.observed().await), Ok(()));
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
