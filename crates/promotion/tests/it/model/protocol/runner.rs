//! A runner: where it stands between two steps that nobody can come between. `engine::session::Session`.

use super::call::Call;
use super::phases::Sign;

/// What a runner does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Next {
    /// Not there: it was never started, it died, or it had nothing to do.
    Away,
    /// To look, at the head of its loop.
    Look,
    /// To append a step of the machine, decided on this state.
    Emit(Sign, u8),
    /// To send it, if it still has the environment.
    Send,
    /// To send it without asking the store: the lease is taken right after the earlier runner's was given back.
    SendOn,
    /// To hear what became of it.
    Hear,
    /// To hear that it was done.
    HearDone,
    /// To hear that it was refused.
    HearRefused,
}

/// One runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Runner {
    /// What it does next.
    pub(crate) next: Next,
    /// The epoch of its lease; 0 is none.
    pub(crate) epoch: u8,
    /// Somebody appended since it last read.
    pub(crate) is_behind: bool,
    /// The call it is about.
    pub(crate) call: Call,
}

impl Runner {
    /// Not there.
    pub(crate) const AWAY: Self = Self { next: Next::Away, epoch: 0, is_behind: false, call: Call::NONE };

    /// At the head of its loop.
    pub(crate) const fn looking(epoch: u8) -> Self {
        Self { next: Next::Look, epoch, ..Self::AWAY }
    }

    /// The same runner, about `call`.
    pub(crate) const fn about(self, call: Call) -> Self {
        Self { call, ..self }
    }

    /// Whether its call is on its way.
    pub(crate) fn is_calling(&self) -> bool {
        self.next == Next::Hear
    }

    pub(super) const fn bytes(&self) -> [u8; 10] {
        let (next, sign, from) = match self.next {
            Next::Away => (0, 0, 0),
            Next::Look => (1, 0, 0),
            Next::Emit(sign, from) => (2, sign as u8, from),
            Next::Send => (3, 0, 0),
            Next::SendOn => (4, 0, 0),
            Next::Hear => (5, 0, 0),
            Next::HearDone => (6, 0, 0),
            Next::HearRefused => (7, 0, 0),
        };
        let [a, b, c, d, e] = self.call.bytes();
        [next, sign, from, self.epoch, self.is_behind as u8, a, b, c, d, e]
    }
}
