//! The provider: units, the lease on them, and what a call does when it lands.

use super::call::{Call, Verb};
use super::rules::{Rules, STEPS_MAX};

/// Who holds the units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fence {
    /// Nobody: everybody's calls are taken.
    Free,
    /// Whoever shows this number.
    Number(u8),
    /// A number that died with its runner, or with the answer that said it. It runs out (`FIRST_TTL`).
    Unknown,
}

/// What stands at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Provider {
    /// The lease on the units.
    pub(crate) fence: Fence,
    /// Which units are as the steps that change them say, a bit per step.
    pub(crate) set: u16,
    /// Which units were made for the steps that make them and still are, a bit per unit.
    pub(crate) alive: [u8; MAKING_MAX],
    /// How many were ever made for them.
    pub(crate) made: [u8; MAKING_MAX],
    /// Something took effect a second time.
    pub(crate) twice: bool,
}

/// Steps that make units, at the most.
const MAKING_MAX: usize = STEPS_MAX as usize / 4;

/// What became of a call that landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Landing {
    /// It was not refused.
    pub(crate) accepted: bool,
    /// Something is not as before.
    pub(crate) changed: bool,
}

impl Provider {
    pub(super) const fn new() -> Self {
        Self { fence: Fence::Free, set: 0, alive: [0; MAKING_MAX], made: [0; MAKING_MAX], twice: false }
    }

    /// `perform`, at the provider's side. `is_awaited`: somebody hears the answer.
    pub(super) fn land(&mut self, rules: Rules, call: Call, is_awaited: bool) -> Landing {
        let step = usize::from(call.step);
        let is_open = self.fence == Fence::Free || self.fence == Fence::Number(call.nonce) || !rules.fencing;
        let done = |changed| Landing { accepted: true, changed };
        match call.verb {
            Verb::Lease if self.fence == Fence::Free => {
                self.fence = if is_awaited { Fence::Number(call.epoch) } else { Fence::Unknown };
                done(false)
            }
            Verb::Create => {
                let (unit, more) = (1 << self.made[step], self.alive[step] != 0);
                self.alive[step] |= unit;
                self.made[step] += 1;
                self.twice |= more && !rules.keys;
                done(true)
            }
            Verb::Unlease if self.fence == Fence::Number(call.nonce) => {
                self.fence = Fence::Free;
                done(false)
            }
            Verb::Set if is_open => {
                let before = self.set;
                self.set |= 1 << call.step;
                self.twice |= before == self.set && !rules.keys;
                done(before != self.set)
            }
            Verb::Clear if is_open => {
                let before = self.set;
                self.set &= !(1 << call.step);
                done(before != self.set)
            }
            Verb::Destroy if is_open => {
                let before = self.alive[step];
                self.alive[step] &= !(1 << call.unit);
                done(before != self.alive[step])
            }
            Verb::Lease | Verb::Unlease | Verb::Set | Verb::Clear | Verb::Destroy => {
                Landing { accepted: false, changed: false }
            }
        }
    }

    /// Whether it is as it was found.
    pub(crate) fn is_as_found(&self) -> bool {
        self.set == 0 && self.alive == [0; MAKING_MAX]
    }

    /// Whether each of `steps` has exactly one result.
    pub(crate) fn is_as_wanted(&self, steps: u8) -> bool {
        (0..steps).all(|step| {
            if makes(steps, step) {
                self.alive[usize::from(step)].count_ones() == 1
            } else {
                self.set & (1 << step) != 0
            }
        })
    }

    pub(super) fn bytes(&self) -> [u8; 4 + 2 * MAKING_MAX] {
        let mut bytes = [0; 4 + 2 * MAKING_MAX];
        let [low, high] = self.set.to_le_bytes();
        let fence = match self.fence {
            Fence::Free => 0,
            Fence::Unknown => u8::MAX,
            Fence::Number(number) => number,
        };
        bytes[..4].copy_from_slice(&[fence, low, high, u8::from(self.twice)]);
        bytes[4..4 + MAKING_MAX].copy_from_slice(&self.alive);
        bytes[4 + MAKING_MAX..].copy_from_slice(&self.made);
        bytes
    }
}

/// Whether `step` of `steps` makes a unit: new units come up first, then traffic moves, then the old ones go.
pub(crate) const fn makes(steps: u8, step: u8) -> bool {
    step < steps / 4
}
