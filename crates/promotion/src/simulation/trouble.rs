//! What disturbs a play: runners that die or stop for a while, answers that get lost, people who change their minds.

use super::dice::Dice;
use super::plot::Base;
use crate::model::Millis;
use crate::testing::Fault;

/// When a runner is stopped.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stop {
    /// So long after it came.
    At(Millis),
    /// Right after its n-th append or call, if that is an append.
    After(u64),
}

/// How a runner lives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    /// It comes so late.
    pub(super) comes: Millis,
    /// It is killed so long after it came.
    pub(super) dies: Option<Millis>,
    /// When it is stopped, and for how long.
    pub(super) stops: Option<(Stop, Millis)>,
    /// Its clock is so many milliseconds ahead, and from then on so many.
    pub(super) ahead: i64,
    pub(super) set: Option<(Millis, i64)>,
}

/// What the lead does when asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// Agrees.
    Agrees,
    /// Refuses.
    Refuses,
    /// Says nothing.
    Silent,
    /// Agrees, and wants it ended so long after the beginning.
    Repents(Millis),
}

/// What the store suffers from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Illness {
    /// It reads, and writes nothing.
    Full,
    /// What is written is there, and whoever wrote it hears of an error.
    Deaf,
    /// Writes break off: by turns they are there and are not, and whoever wrote hears of an error either way.
    Torn,
}

/// Everything that disturbs one play.
#[derive(Debug)]
pub(super) struct Trouble {
    /// Runners of the promotion; the first one asked for it.
    pub(super) runners: Vec<Life>,
    /// Rescuers that are killed, so long after they came.
    pub(super) rescuers: Vec<Option<Millis>>,
    pub(super) mood: Mood,
    /// How long people think.
    pub(super) thinks: Millis,
    /// The n-th call from now on goes wrong.
    pub(super) faults: Vec<(u64, Fault)>,
    /// What becomes of the first unit that is made: answers that are lost there are the ones that leave something twice.
    pub(super) of_create: Option<Fault>,
    /// From when on the provider is away or turns everybody down (429, 503), and for how long.
    pub(super) away: Option<(Millis, Millis)>,
    pub(super) list_lag: Millis,
    /// The longest way of a call or an answer.
    pub(super) road: Millis,
    /// Somebody asks for the same again, so long after the beginning.
    pub(super) rival: Option<Life>,
    /// Somebody with another store wants the same machines.
    pub(super) stranger: Option<Life>,
    /// From when on the store is ill, for how long, and how.
    pub(super) illness: Option<(Millis, Millis, Illness)>,
    /// So long after they agreed the lead takes that back: the approval, or the check of the last item.
    pub(super) withdraws: Option<Millis>,
    /// When somebody breaks the lease on a unit and holds it, for how long.
    pub(super) thief: Option<(Millis, Millis)>,
}

impl Trouble {
    pub(super) fn drawn(dice: &Dice, base: &Base) -> Self {
        let took = base.took;
        let n_runners = if dice.is(30) { 2 } else { 1 };
        let n_faults = dice.of(&[0, 0, 1, 1, 2, 3]);
        let timeout = base.world.limits.client_timeout;
        let mut trouble = Self {
            runners: (0..n_runners).map(|_| Life::drawn(dice, took, 60)).collect(),
            rescuers: (0..4).map(|_| dice.is(40).then(|| dice.time(took))).collect(),
            mood: match dice.below(100) {
                0..5 => Mood::Refuses,
                5..8 => Mood::Silent,
                8..25 => Mood::Repents(dice.time(Millis(took.0 * 2))),
                _ => Mood::Agrees,
            },
            thinks: dice.of(&[Millis(300), Millis(2_000), Millis(10_000)]),
            faults: (0..n_faults)
                .map(|_| (dice.below(base.calls + base.calls / 2), fault(dice, timeout)))
                .collect(),
            away: dice.is(15).then(|| (dice.time(took), dice.time(Millis::secs(60)))),
            list_lag: if dice.is(30) { dice.time(base.world.limits.list_lag) } else { Millis::ZERO },
            road: dice.of(&[Millis(0), Millis(5), Millis(40), Millis(150)]),
            rival: dice.is(15).then(|| Life::drawn(dice, took, 40)),
            stranger: dice.is(10).then(|| Life::drawn(dice, took, 0)),
            illness: dice.is(15).then(|| Illness::drawn(dice, took)),
            withdraws: dice.is(10).then(|| dice.time(Millis::secs(2))),
            thief: dice.is(8).then(|| (dice.time(took), dice.time(Millis::secs(60)))),
            of_create: None,
        };
        if dice.is(6) {
            trouble.illness = Some((dice.time(took), dice.time(Millis::secs(5)), Illness::Torn));
        }
        if dice.is(8) {
            trouble.aims_at_creates(dice, timeout);
        }
        trouble
    }

    /// Whether somebody's clock is not everybody's.
    pub(super) fn is_out_of_time(&self) -> bool {
        self.runners.iter().chain(&self.rival).any(|life| life.ahead != 0 || life.set.is_some())
    }

    /// What becomes of the first unit that is made is all that goes wrong, but for runners that die or stop.
    fn aims_at_creates(&mut self, dice: &Dice, timeout: Millis) {
        self.of_create = Some(match dice.below(4) {
            0 => Fault::LostAnswer,
            1 => Fault::Twice,
            _ => Fault::Late(dice.time(timeout)),
        });
        (self.mood, self.withdraws) = (Mood::Agrees, None);
        (self.rival, self.stranger, self.thief) = (None, None, None);
        (self.illness, self.away) = (None, None);
        self.faults.clear();
        for life in &mut self.runners {
            (life.ahead, life.set) = (0, None);
        }
    }

    /// Whether calls and answers, runners that die or stop, and looks that lag are all that goes wrong.
    pub(super) fn is_of_answers_only(&self) -> bool {
        let is_alone = self.rival.is_none() && self.stranger.is_none() && self.thief.is_none();
        let is_well = self.illness.is_none() && self.away.is_none() && !self.refuses();
        is_alone && is_well && !self.is_out_of_time() && self.mood == Mood::Agrees && self.withdraws.is_none()
    }

    /// Whether the provider refuses a call for good.
    pub(super) fn refuses(&self) -> bool {
        self.faults.iter().any(|(_, fault)| *fault == Fault::Refused)
    }
}

impl Illness {
    fn drawn(dice: &Dice, took: Millis) -> (Millis, Millis, Self) {
        match dice.below(2) {
            0 => (dice.time(took), dice.time(Millis::secs(60)), Self::Full),
            _ => (dice.time(took), dice.time(Millis::secs(2)), Self::Deaf),
        }
    }
}

impl Life {
    fn drawn(dice: &Dice, took: Millis, dies: u64) -> Self {
        let has_clock = dice.is(20);
        let ahead = |dice: &Dice| i64::try_from(dice.below(60_000)).unwrap_or_default() - 30_000;
        Self {
            comes: dice.time(Millis(took.0 / 2)),
            dies: dice.is(dies).then(|| dice.time(Millis(took.0 + took.0 / 4))),
            stops: dice.is(30).then(|| (Stop::drawn(dice, took), dice.time(Millis::secs(120)))),
            ahead: if has_clock { ahead(dice) } else { 0 },
            set: (has_clock && dice.is(50)).then(|| (dice.time(took), ahead(dice))),
        }
    }
}

/// No promotion here has more appends and calls.
const MOMENTS_MOST: u64 = 80;

impl Stop {
    fn drawn(dice: &Dice, took: Millis) -> Self {
        if dice.is(50) { Self::At(dice.time(took)) } else { Self::After(dice.below(MOMENTS_MOST)) }
    }
}

fn fault(dice: &Dice, timeout: Millis) -> Fault {
    match dice.below(6) {
        0 => Fault::NotSent,
        1 => Fault::Refused,
        2 => Fault::LostAnswer,
        3 => Fault::LostCall,
        4 => Fault::Late(dice.time(timeout)),
        _ => Fault::Twice,
    }
}
