//! Plays made up by chance: the real engine over a provider, a store, clocks, runners and people in memory, disturbed in
//! every way that the seed says. What the promises say is judged from the provider's books and the journal's records.
//!
//! One seed is one play, to the letter: [`Play::trace`] is the same each time. Whoever finds a seed that breaks a promise
//! plays it again with [`Plays::tell`].

mod ailing;
mod cast;
mod dice;
mod judge;
mod many;
mod plot;
mod stage;
mod trouble;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

pub use judge::Violation;
pub use many::Season;

use crate::journal::Record;
use crate::machine::Phase;
use crate::model::{At, Hash, Millis, canonical};
use crate::testing::{Roads, VirtualClock};
use ailing::Ailing;
use cast::Cast;
use dice::Dice;
use judge::Scene;
use plot::{Bases, Plot, now};
use stage::Stage;
use trouble::Trouble;

/// No play is longer, by its own clock.
const LASTS_MOST: Millis = Millis::secs(4 * 3600);

/// One play, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Play {
    /// Which.
    pub seed: u64,
    /// What was asked for, and what disturbed it.
    pub story: String,
    /// How the promotions ended.
    pub ends: Vec<Phase>,
    /// Runners and rescuers that were killed at work.
    pub deaths: u64,
    /// Promises that were not kept.
    pub violations: Vec<Violation>,
    /// Everything that took effect, and every record, in the order of time; for people.
    pub told: Vec<String>,
    /// A hash over what took effect and over the records: the same for the same seed.
    pub trace: Hash,
}

/// Plays plays. What many of them begin with is made once.
#[derive(Default)]
pub struct Plays(Bases);

impl std::fmt::Debug for Plays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Plays")
    }
}

impl Plays {
    /// The play of this seed. The same seed gives the same play, whatever was played before. [`Play::told`] is empty.
    pub fn play(&mut self, seed: u64) -> Play {
        self.played(seed, |_| Vec::new())
    }

    /// The same with [`Play::told`].
    pub fn tell(&mut self, seed: u64) -> Play {
        self.played(seed, told)
    }

    fn played(&mut self, seed: u64, told: impl FnOnce(&Scene<'_>) -> Vec<String>) -> Play {
        let dice = Dice::new(seed);
        let plot = Plot::drawn(&dice);
        let base = self.0.of(plot);
        let trouble = Trouble::drawn(&dice, base);
        let clock = Arc::new(VirtualClock::shared(base.world.now()));
        let begun = base.world.now();
        let world = now(base.world.fork_by(clock.clone()));
        let mut world =
            world.far(Roads::new(clock.clone(), dice.seed(), trouble.road, base.world.limits.client_timeout));
        if let Some((from, time, illness)) = trouble.illness {
            let (store, from) = (world.journal.clone(), begun.plus(from));
            let until = from.plus(time);
            let n = AtomicU64::new(0);
            world.journal = Arc::new(Ailing { store, clock: clock.clone(), illness, from, until, n });
        }
        let mut other = world.beside("store-2", 9_000);
        (other.policy.evidence, other.policy.approvals) = (None, None);
        other.policy.checklist.clear();
        world.provider.change(|manners| manners.list_lag = trouble.list_lag);
        let first = world.provider.asked();
        trouble.faults.iter().for_each(|(n, fault)| world.provider.fail(first + n, *fault));
        trouble.of_create.iter().for_each(|fault| world.provider.fail_create(*fault));
        let cast = Cast {
            world: &world,
            trouble: &trouble,
            release: Plot::releases().1,
            begun,
            until: begun.plus(LASTS_MOST),
            agreed: RefCell::default(),
            looked: RefCell::default(),
            unheard: RefCell::default(),
            n_deaths: Cell::new(0),
            is_quiet: Cell::new(false),
        };
        let mut stage = Stage::new(clock, dice.seed());
        for (n, life) in trouble.runners.iter().enumerate() {
            if n == 0 { stage.enter(cast.asks(*life)) } else { stage.enter(cast.helps(*life)) }
        }
        if let Some(life) = trouble.rival {
            stage.enter(cast.asks(life));
        }
        if let Some(life) = trouble.stranger {
            stage.enter(cast.intrudes(life, &other));
        }
        if let Some(away) = trouble.away {
            stage.enter(cast.clouds(away));
        }
        if let Some(thief) = trouble.thief {
            stage.enter(cast.steals(thief));
        }
        stage.enter(cast.people());
        stage.enter(cast.rescues());
        let played = stage.play(cast.until);
        judge::settle(&world);
        let _what_came_late = now(world.fleet("production", "api"));
        let landed = world.provider.landed(base.world.provider.calls().len());
        let scene = Scene { plot, base, cast: &cast, played, landed };
        let (violations, ends) = scene.judged();
        let told = told(&scene);
        let story = format!("{plot:?} {trouble:?}");
        let trace = trace(&scene);
        Play { seed, story, ends, deaths: cast.n_deaths.get(), violations, told, trace }
    }
}

fn chains(scene: &Scene<'_>) -> impl Iterator<Item = Record> {
    ["staging", "production"].map(|name| judge::records(scene.cast.world, name)).into_iter().flatten()
}

/// Everything that took effect, and every record.
fn trace(scene: &Scene<'_>) -> Hash {
    let landed = scene.landed.iter();
    let landed = landed.map(|it| format!("{} {} {} {}", it.at, it.place.name, it.call.title(), it.key));
    let hashes = chains(scene).map(|record| record.hash.to_string());
    canonical::hash("simulated play", &landed.chain(hashes).collect::<Vec<_>>())
}

/// The same for people, in the order of time.
fn told(scene: &Scene<'_>) -> Vec<String> {
    let landed = scene.landed.iter();
    let landed = landed.map(|it| (it.at, format!("{} {} {}", it.place.name, it.call.title(), it.key)));
    let records = chains(scene).filter(|it| it.at >= scene.cast.begun).map(|it| {
        let by = it.promotion.as_ref().map_or("-", |id| id.as_str());
        let epoch = it.epoch.map_or_else(String::new, |epoch| format!(" under {epoch}"));
        (it.at, format!("{} record {} of {by}{epoch}: {:?}", it.environment, it.seq, it.entry))
    });
    let mut told: Vec<(At, String)> = landed.chain(records).collect();
    told.sort_by_key(|(at, _)| *at);
    told.into_iter().map(|(at, what)| format!("{at} {what}")).collect()
}
