//! Stories that tests tell again and again: what is asked of the engine, and how it should end.

mod pairs;
mod sleepy;
mod sweep;

use promotion::engine::{Engine, Handle, Outcome};
use promotion::machine::Phase;
use promotion::model::{
    Decision, Kind, MaxUnavailable, Millis, RegionName, Release, Strategy, Unit, UnitId, UnitState,
};
use promotion::ports::{Deployer as _, Key, Verdict};
use promotion::rollout::UnitCall;
use promotion::testing::{Happens, Manners, Moment, Switch, World, env};

pub(crate) use pairs::crash_pairs;
pub(crate) use promotion::testing::{commands, landed, shape, strays};
pub(crate) use sleepy::{sleepy, sleepy_by, sleepy_in_lease};
pub(crate) use sweep::{
    Undisturbed, asleep_sweep, at_rest, crash_sweep, fault, fault_sweep, faults, undisturbed,
    undisturbed_from, unleased,
};

/// The release that runs first, and the one that comes.
pub(crate) fn releases() -> (Release, Release) {
    (World::release("1.0.0", 1, 11), World::release("1.1.0", 2, 12))
}

/// No story takes more looks, whatever disturbs it.
const LOOKS_MOST: u64 = 2_000;
/// So many looks at least go before the first change.
const LOOKS_BEFORE: u64 = 12;
/// So many looks after the other everything falls asleep: a few times while one unit changes.
const ASLEEP_EVERY: usize = 7;

/// What is asked of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Story {
    Promote,
    PromoteThatFails,
    Rolling,
    RollingThatFails,
    /// Whoever routes puts all in traffic to sleep, again and again.
    RollingAsleep,
    /// With units that are found stopped, and one that is found out of traffic.
    Idle,
    IdleThatFails,
    RollingIdle,
    RollingIdleThatFails,
    /// A canary in two regions, one after the other.
    CanaryInWaves,
    /// Blue-green in two regions, one after the other, whose suite fails in the end.
    InWavesThatFails,
    /// With a release command.
    Command,
    /// Whose release command fails.
    CommandThatFails,
    Bootstrap,
    BackByPerson,
    BackByPersonThatFails,
    BackByPersonThatStays,
    Adopt,
}

impl Story {
    pub(crate) const ALL: [Self; 18] = [
        Self::Promote,
        Self::PromoteThatFails,
        Self::Rolling,
        Self::RollingThatFails,
        Self::RollingAsleep,
        Self::Idle,
        Self::IdleThatFails,
        Self::RollingIdle,
        Self::RollingIdleThatFails,
        Self::CanaryInWaves,
        Self::InWavesThatFails,
        Self::Command,
        Self::CommandThatFails,
        Self::Bootstrap,
        Self::BackByPerson,
        Self::BackByPersonThatFails,
        Self::BackByPersonThatStays,
        Self::Adopt,
    ];

    /// How it ends when nobody disturbs it.
    pub(crate) const fn end(self) -> Phase {
        match self {
            Self::Promote
            | Self::Rolling
            | Self::RollingAsleep
            | Self::Idle
            | Self::RollingIdle
            | Self::CanaryInWaves
            | Self::Command
            | Self::Bootstrap
            | Self::BackByPerson
            | Self::Adopt => Phase::Succeeded,
            Self::PromoteThatFails
            | Self::RollingThatFails
            | Self::IdleThatFails
            | Self::RollingIdleThatFails
            | Self::InWavesThatFails
            | Self::CommandThatFails
            | Self::BackByPersonThatFails => Phase::RolledBack,
            Self::BackByPersonThatStays => Phase::RollbackFailed,
        }
    }

    const fn is_rolling(self) -> bool {
        matches!(
            self,
            Self::Rolling
                | Self::RollingThatFails
                | Self::RollingAsleep
                | Self::RollingIdle
                | Self::RollingIdleThatFails
        )
    }

    const fn is_idle(self) -> bool {
        matches!(self, Self::Idle | Self::IdleThatFails | Self::RollingIdle | Self::RollingIdleThatFails)
    }

    /// The world right after somebody asked.
    pub(crate) async fn asked(self) -> Asked {
        let mut world = World::new(1, Manners::default());
        world.options.poll = Millis(250);
        self.asked_in(world).await
    }

    /// The same in a world with other manners or limits.
    pub(crate) async fn asked_in(self, mut world: World) -> Asked {
        let (first, second) = releases();
        if self.is_rolling() {
            world.strategy = Strategy::Rolling;
        }
        if matches!(self, Self::CanaryInWaves | Self::InWavesThatFails) {
            let region = |name: &str| name.parse::<RegionName>().unwrap();
            let n = if self == Self::CanaryInWaves { 2 } else { 1 };
            world.regions = [(region("fra"), n), (region("lhr"), n)].into();
            world.waves = vec![[region("lhr")].into()];
            world.limits.max_unavailable = MaxUnavailable::Units(4);
        }
        if self == Self::CanaryInWaves {
            world.strategy = Strategy::Canary;
        }
        if matches!(self, Self::Command | Self::CommandThatFails) {
            world.command = Some(World::migration());
        }
        let (kind, release) = match self {
            Self::Promote
            | Self::Rolling
            | Self::RollingAsleep
            | Self::Idle
            | Self::RollingIdle
            | Self::PromoteThatFails
            | Self::RollingThatFails
            | Self::IdleThatFails
            | Self::RollingIdleThatFails
            | Self::CanaryInWaves
            | Self::InWavesThatFails
            | Self::Command
            | Self::CommandThatFails => {
                world.rehearsed(&first, &second).await;
                if self.is_idle() {
                    plant_idle(&world);
                }
                (Kind::Promote, second)
            }
            Self::Bootstrap => (Kind::Bootstrap, first),
            Self::BackByPerson | Self::BackByPersonThatFails | Self::BackByPersonThatStays => {
                world.rehearsed(&first, &second).await;
                let handle = world.approved(&second).await;
                assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
                (Kind::Rollback { of: handle.id }, first)
            }
            Self::Adopt => {
                plant_old_fleet(&world);
                (Kind::Adopt, first)
            }
        };
        match self {
            Self::PromoteThatFails
            | Self::RollingThatFails
            | Self::IdleThatFails
            | Self::RollingIdleThatFails
            | Self::InWavesThatFails => {
                world.suites.tell(&env("production"), "1.1.0", Verdict::Failed);
            }
            Self::CommandThatFails => {
                world.provider.change(|manners| manners.exits.push((World::digest(2), 3)));
            }
            Self::BackByPersonThatFails => {
                world.provider.change(|manners| manners.sick.push(World::digest(1)));
            }
            Self::BackByPersonThatStays => {
                world.suites.tell(&env("production"), "1.0.0", Verdict::Failed);
            }
            Self::Promote
            | Self::Rolling
            | Self::RollingAsleep
            | Self::Idle
            | Self::RollingIdle
            | Self::CanaryInWaves
            | Self::Command
            | Self::Bootstrap
            | Self::BackByPerson
            | Self::Adopt => {}
        }
        if self == Self::RollingAsleep {
            // Found awake: what was found at rest would rest in the end.
            let looks = world.provider.looks() + LOOKS_BEFORE;
            world.provider.happens_at((looks..looks + LOOKS_MOST).step_by(ASLEEP_EVERY), Happens::Idle);
        }
        let handle = world.engine().request(world.ask("production", kind, &release)).await.unwrap();
        Asked { world, handle }
    }
}

/// Somebody takes a unit of `environment` out of traffic, and the developer asks for what is recorded to be put there again.
pub(crate) async fn repair(world: &World, environment: &str) -> Handle {
    let fleet = world.fleet(environment, "api").await;
    let call = UnitCall::Cordon { unit: fleet.live().next().unwrap().id.clone() };
    let key = Key { id: "somebody".to_owned(), nonce: None };
    world.provider.perform(&World::place(environment, "api"), &call, &key).await.unwrap();
    world.clock.advance(Millis::secs(10));
    world.engine().tick().await.unwrap();
    let view = world.bystander().view(&env(environment)).await.unwrap();
    let current = view.current().unwrap();
    let request = &current.state.facts.request;
    let mut ask = world.ask(environment, Kind::Repair, &request.release);
    ask.components = current.recorded().into_iter().map(|it| it.target).collect();
    ask.policy = request.policy.clone();
    ask.signed = world.word(&World::developer(), &ask.wish());
    world.engine().request(ask).await.unwrap()
}

/// Units of `api` that rest: one that a request would wake, one that none reaches, and one that runs out of traffic.
fn plant_idle(world: &World) {
    plant(world, "api", 1, |unit| unit.state = UnitState::Stopped);
    plant(world, "api", 1, |unit| (unit.state, unit.cordoned) = (UnitState::Stopped, true));
    plant(world, "api", 1, |unit| unit.cordoned = true);
}

/// Units that somebody else made: two of `api`, one of `web`.
fn plant_old_fleet(world: &World) {
    for (component, byte, count) in [("api", 1, 2), ("web", 11, 1)] {
        for _ in 0..count {
            plant(world, component, byte, |_| ());
        }
    }
}

/// A unit of `component` in production that runs digest `byte` as the engine would have it.
pub(crate) fn plant(world: &World, component: &str, byte: u8, change: impl FnOnce(&mut Unit)) -> UnitId {
    let target = world.component("production", component, &World::digest(byte));
    let config = target.groups.values().next().unwrap().config.clone();
    world.provider.plant(&target.place.clone(), |unit| {
        unit.digest = target.digest().cloned();
        unit.image = Some(target.image.clone());
        unit.config = config;
        unit.state = UnitState::Started;
        change(unit);
    })
}

/// A request nobody has driven yet.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) world: World,
    pub(crate) handle: Handle,
}

impl Asked {
    pub(crate) async fn fork(&self) -> Self {
        let world = self.world.fork().await;
        let handle = world.engine().handle(self.handle.environment.clone(), self.handle.id.clone());
        Self { world, handle }
    }

    pub(crate) async fn phase(&self) -> Phase {
        self.standing().await.0
    }

    /// Whether all of some component were at rest in traffic when the fleet was found: they had fallen asleep, and rest so.
    pub(crate) async fn found_asleep(&self) -> bool {
        let view = self.world.bystander().view(&self.handle.environment).await.unwrap();
        let snapshot = view.promotions[&self.handle.id].state.facts.snapshot.as_ref();
        let mut components = snapshot.iter().flat_map(|snapshot| snapshot.components.values());
        components.any(|it| !it.units.is_empty() && it.units.iter().all(|record| !record.ran()))
    }

    /// Why it ended as it did.
    pub(crate) async fn why(&self) -> String {
        let view = self.world.bystander().view(&self.handle.environment).await.unwrap();
        let facts = &view.promotions[&self.handle.id].state.facts;
        format!("{:?} {:?}", facts.failure, facts.stalled)
    }

    /// Its phase, and whether nothing is left to be done or told.
    async fn standing(&self) -> (Phase, bool) {
        let view = self.world.bystander().view(&self.handle.environment).await.unwrap();
        let promotion = &view.promotions[&self.handle.id];
        (promotion.state.phase, promotion.outbox.is_empty())
    }

    /// Drives with `engine`; the lead approves whenever somebody is asked.
    pub(crate) async fn play(&self, engine: &Engine) -> Result<Outcome, promotion::engine::EngineError> {
        let handle = engine.handle(self.handle.environment.clone(), self.handle.id.clone());
        loop {
            match handle.drive().await? {
                Outcome::Waiting { .. } => self.approve().await,
                outcome => return Ok(outcome),
            }
        }
    }

    pub(crate) async fn approve(&self) {
        let claim = self.world.claim(&self.handle, &World::lead(), Decision::Approve).await;
        self.world.bystander().decide(&self.handle.environment, claim).await.unwrap();
    }

    /// Drives until people are asked, and has the lead approve.
    pub(crate) async fn approve_when_asked(&self) {
        assert!(matches!(self.handle.drive().await.unwrap(), Outcome::Waiting { .. }));
        self.approve().await;
    }

    /// Rescuers come by and people answer; nobody resumes anything. The phase in which it rests.
    pub(crate) async fn rescued(&self) -> Phase {
        for _ in 0..6 {
            self.world.rescue(1).await;
            match self.standing().await {
                (Phase::AwaitingApproval, _) => self.approve().await,
                (phase, true) if phase.is_final() => return phase,
                _ => {}
            }
        }
        self.phase().await
    }

    /// A runner that dies at `moment` plays; what it came to is for the rescuers.
    pub(crate) async fn play_until(&self, moment: Moment) -> std::sync::Arc<Switch> {
        let switch = Switch::new(moment);
        let _the_dead_answer_nobody = self.play(&self.world.mortal(&switch)).await;
        switch
    }
}
