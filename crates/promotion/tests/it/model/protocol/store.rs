//! The store: the lease on the environment, and what the chain adds up to. `journal::Memory` and `EnvironmentView`.

use super::call::Call;

/// The lease on the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Lease {
    /// Nobody's, or a dead runner's that has run out.
    Free,
    /// That of the runner with the store's epoch.
    Held,
}

/// What the store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Store {
    /// `PromotionView::state`, by its number among [`Phases`](super::Phases).
    pub(crate) at: u8,
    /// `PromotionView::outbox`, a bit per effect.
    pub(crate) owed: u8,
    /// How often the lease was granted.
    pub(crate) epoch: u8,
    /// The lease.
    pub(crate) lease: Lease,
    /// `PromotionView::nonces`: the epoch that took the number that is written down; 0 is none.
    pub(crate) nonce: u8,
    /// The latest epoch under which a number was ever written down, whether it was given back since or not.
    pub(crate) fenced: u8,
    /// `PromotionView::open`: a call without an outcome.
    pub(crate) open: Option<Call>,
    /// `Progress::lost`, `lost_create` and `late`: the kinds of calls whose answers were lost and that may still land.
    pub(crate) known: u8,
    /// Calls with an outcome: what a protocol without keys would go by.
    pub(crate) outcomes: u8,
    /// A record that the rules do not explain.
    pub(crate) damaged: bool,
}

impl Store {
    pub(super) const fn new() -> Self {
        Self {
            at: 0,
            owed: 0,
            epoch: 0,
            lease: Lease::Free,
            nonce: 0,
            fenced: 0,
            open: None,
            known: 0,
            outcomes: 0,
            damaged: false,
        }
    }

    /// Whether somebody may take the lease.
    pub(crate) fn is_free(&self) -> bool {
        self.lease != Lease::Held
    }

    pub(super) fn bytes(&self) -> [u8; 15] {
        let [a, b, c, d, e] = self.open.unwrap_or(Call::NONE).bytes();
        let open = u8::from(self.open.is_some());
        let (lease, damaged) = (self.lease as u8, u8::from(self.damaged));
        let ours = [self.at, self.owed, self.epoch, lease, self.nonce, self.fenced, open, a, b, c, d, e];
        let mut bytes = [0; 15];
        bytes[..12].copy_from_slice(&ours);
        bytes[12..].copy_from_slice(&[self.known, self.outcomes, damaged]);
        bytes
    }
}
