//! A call to the provider, as small as it can be told.

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Verb {
    /// Give the lease on all units back.
    Unlease,
    /// Take the lease on all units.
    Lease,
    /// Make the unit of a step. No lease fences it.
    Create,
    /// Change a unit as a step says.
    Set,
    /// Change it back.
    Clear,
    /// End a unit that was made.
    Destroy,
}

/// A call. `Key` and `UnitCall` in the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Call {
    /// What.
    pub(crate) verb: Verb,
    /// Which step.
    pub(crate) step: u8,
    /// Which of the units that were made for it.
    pub(crate) unit: u8,
    /// The epoch of the runner that makes it.
    pub(crate) epoch: u8,
    /// The number that it shows.
    pub(crate) nonce: u8,
}

impl Call {
    /// Nothing is called.
    pub(crate) const NONE: Self = Self { verb: Verb::Unlease, step: 0, unit: 0, epoch: 0, nonce: 0 };

    /// Whether it changes units, and not only who may.
    pub(crate) const fn mutates(self) -> bool {
        !matches!(self.verb, Verb::Unlease | Verb::Lease)
    }

    /// As a bit among kinds of calls.
    pub(crate) const fn kind(self) -> u8 {
        1 << self.verb as u8
    }

    pub(super) const fn bytes(self) -> [u8; 5] {
        [self.verb as u8, self.step, self.unit, self.epoch, self.nonce]
    }
}
