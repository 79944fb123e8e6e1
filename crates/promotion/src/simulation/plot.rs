//! What is asked for: a strategy, a release, and what comes of it when nobody disturbs it.

use std::collections::BTreeMap;

use futures_util::FutureExt as _;

use super::dice::Dice;
use crate::engine::{Handle, Outcome};
use crate::machine::Phase;
use crate::model::{
    Decision, Kind, MaxUnavailable, Millis, RegionName, Release, Strategy, Unit, UnitId, UnitState, label,
};
use crate::ports::Verdict;
use crate::testing::{Manners, World, env, shape};

/// What the new release is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// As it should be.
    Good,
    /// Its suites fail in production.
    SuiteFails,
    /// Its checks never pass.
    Sick,
    /// It never comes up.
    Broken,
    /// Its image cannot be pulled: units go back silently.
    Unpullable,
    /// Its release command fails.
    CommandFails,
}

/// A promotion into production, as somebody asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Plot {
    strategy: u8,
    in_waves: bool,
    has_command: bool,
    pub(super) fate: Fate,
    /// Whether staging attested the release.
    pub(super) is_tested: bool,
}

const STRATEGIES: [Strategy; 4] =
    [Strategy::BlueGreen, Strategy::Rolling, Strategy::Canary, Strategy::Immediate];

const FATES: [Fate; 6] =
    [Fate::Good, Fate::SuiteFails, Fate::Sick, Fate::Broken, Fate::Unpullable, Fate::CommandFails];

impl Plot {
    pub(super) fn drawn(dice: &Dice) -> Self {
        let fate = if dice.is(50) { Fate::Good } else { dice.of(&FATES) };
        Self {
            strategy: dice.of(&[0, 1, 2, 3]),
            in_waves: dice.is(30),
            has_command: fate == Fate::CommandFails || dice.is(30),
            fate,
            is_tested: dice.is(95),
        }
    }

    pub(super) const fn strategy(self) -> Strategy {
        STRATEGIES[self.strategy as usize]
    }

    /// Whether people have to look at something first. Not drawn, so that it disturbs nobody else's chance.
    pub(super) const fn has_checklist(self) -> bool {
        self.in_waves != self.has_command
    }

    /// The release that runs first, and the one that comes.
    pub(super) fn releases() -> (Release, Release) {
        (World::release("1.0.0", 1, 11), World::release("1.1.0", 2, 12))
    }
}

/// The world before the curtain rises, and how it ends when nobody disturbs the play.
pub(super) struct Base {
    pub(super) world: World,
    /// Units of others.
    pub(super) strangers: Vec<UnitId>,
    /// Production before.
    pub(super) before: Vec<String>,
    /// Production afterwards, where the release is good.
    pub(super) after: Vec<String>,
    /// How it ends.
    pub(super) end: Phase,
    /// How long that takes.
    pub(super) took: Millis,
    /// How many calls it takes.
    pub(super) calls: u64,
    /// How many steps of the machine.
    pub(super) steps: usize,
}

/// Every base once.
#[derive(Default)]
pub(super) struct Bases(BTreeMap<Plot, Base>);

impl Bases {
    pub(super) fn of(&mut self, plot: Plot) -> &Base {
        self.0.entry(plot).or_insert_with(|| Base::new(plot))
    }
}

/// What nobody waits for is there at once.
pub(super) fn now<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().expect("in a world for one task nothing waits")
}

impl Base {
    fn new(plot: Plot) -> Self {
        let mut world = World::new(1, Manners::default());
        world.strategy = plot.strategy();
        world.options.poll = Millis(250);
        if plot.in_waves {
            let region = |name: &str| name.parse::<RegionName>().expect("a name");
            world.regions = [(region("fra"), 2), (region("lhr"), 1)].into();
            world.waves = vec![[region("lhr")].into()];
            world.limits.max_unavailable = MaxUnavailable::Units(4);
        }
        if plot.has_checklist() {
            world.policy.checklist.push(World::item("looked"));
        }
        let (first, second) = Plot::releases();
        now(async {
            world.put("production", Kind::Bootstrap, &first).await.expect("bootstrap");
            world.put("staging", Kind::Bootstrap, &first).await.expect("bootstrap");
            if plot.is_tested {
                world.put("staging", Kind::Deploy, &second).await.expect("deploy");
            }
        });
        world.command = plot.has_command.then(World::migration);
        match plot.fate {
            Fate::Good => {}
            Fate::SuiteFails => world.suites.tell(&env("production"), "1.1.0", Verdict::Failed),
            Fate::Sick => world.provider.change(|manners| manners.sick.push(World::digest(2))),
            Fate::Broken => world.provider.change(|manners| manners.broken.push(World::digest(2))),
            Fate::Unpullable => world.provider.change(|manners| manners.unpullable.push(World::digest(2))),
            Fate::CommandFails => {
                world.provider.change(|manners| manners.exits.push((World::digest(2), 3)));
            }
        }
        let strangers = strangers(&world);
        now(Self::undisturbed(world, strangers))
    }

    async fn undisturbed(world: World, strangers: Vec<UnitId>) -> Self {
        let trial = world.fork().await;
        let (begun, calls) = (trial.now(), trial.provider.asked());
        let before = shape(&trial).await;
        let (_, release) = Plot::releases();
        let handle = trial.engine().request(trial.ask("production", Kind::Promote, &release)).await;
        let handle: Handle = handle.expect("a request");
        let mut outcome = handle.drive().await.expect("nothing disturbs it");
        if let Outcome::Waiting { .. } = outcome {
            let claim = trial.claim(&handle, &World::lead(), Decision::Approve).await;
            trial.bystander().decide(&handle.environment, claim).await.expect("it counts");
            if !trial.policy.checklist.is_empty() {
                // An engine that does not wait for it turns it away, and is judged for that.
                let _may_be_over = trial.check(&handle, &World::lead(), "looked", true).await;
            }
            outcome = handle.drive().await.expect("nothing disturbs it");
        }
        let Outcome::Ended(end) = outcome else { panic!("it ends: {outcome:?}") };
        let records = super::judge::records(&trial, "production");
        Self {
            strangers,
            before,
            after: shape(&trial).await,
            end,
            took: trial.now().since(begun),
            calls: trial.provider.asked() - calls,
            steps: super::judge::steps(&records).get(&handle.id).copied().unwrap_or_default(),
            world,
        }
    }
}

/// Machines that are none of our business: one that deploys leave alone, and one that somebody else parked.
fn strangers(world: &World) -> Vec<UnitId> {
    let config = |unit: &mut Unit| {
        let target = world.component("production", "api", &World::digest(5));
        unit.digest = target.digest().cloned();
        unit.image = Some(target.image);
    };
    let place = World::place("production", "api");
    vec![
        world.provider.plant(&place, |unit| {
            config(unit);
            unit.managed = false;
        }),
        world.provider.plant(&place, |unit| {
            config(unit);
            unit.state = UnitState::Stopped;
            unit.labels.insert(label::PARKED_UNTIL.to_owned(), "2020-01-01T00:00:00Z".to_owned());
            unit.labels.insert(label::STORE.to_owned(), "store-9".to_owned());
        }),
    ]
}
