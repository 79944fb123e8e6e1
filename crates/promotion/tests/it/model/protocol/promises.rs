//! What must hold always, and what must be seen to happen.

use promotion::machine::Phase;
use stateright::{Model as _, Property};

use super::call::{Call, Verb};
use super::provider::Fence;
use super::store::Lease;
use super::world::{Protocol, World};

/// P1: nothing is changed that the person did not agree to.
pub(crate) const APPROVED: &str = "P1: nothing is changed without an approval in force";
/// P2: a dead or late runner changes no leased unit.
pub(crate) const FENCED: &str = "P2: after a takeover nothing of the earlier runner lands on a leased unit";
/// P3: exactly one result each.
pub(crate) const ONCE: &str = "P3: at rest each effect has exactly one result, or none after a way back";
/// P4: it ends.
pub(crate) const ENDS: &str = "P4: where nothing can happen any more it has ended, and nothing is held";
/// P8: the chain explains itself.
pub(crate) const REPLAYS: &str = "P8: the journal replays";
/// Takeovers occur.
pub(crate) const TAKEN_OVER: &str = "a successor leases what an earlier runner had leased";
/// Late calls occur, and the fence is needed.
pub(crate) const REFUSED: &str = "a late call of an earlier runner comes to units that its successor leased";
/// Late calls occur where no lease is.
pub(crate) const LANDED: &str = "a late create of an earlier runner takes effect after the takeover";
/// It can succeed.
pub(crate) const SUCCEEDS: &str = "a promotion succeeds after a takeover";
/// It can go back.
pub(crate) const GOES_BACK: &str = "a promotion is rolled back after a takeover";
/// People can withdraw.
pub(crate) const WITHDRAWN: &str = "an approval is withdrawn after the lock";

/// It comes to its end.
pub(crate) const DONE: &str = "a promotion succeeds, and nothing is left to do";

/// All of what must be seen.
pub(crate) const SEEN: [&str; 7] = [TAKEN_OVER, REFUSED, LANDED, SUCCEEDS, GOES_BACK, WITHDRAWN, DONE];

/// Whether such a call of an earlier runner is on its way.
fn is_late(world: &World, is_such: impl Fn(&Call) -> bool) -> bool {
    world.late.iter().any(|call| call.mutates() && call.epoch < world.store.fenced && is_such(call))
}

impl Protocol {
    pub(super) fn promises() -> Vec<Property<Self>> {
        vec![
            Property::always(APPROVED, |_, world: &World| !world.is_unapproved),
            Property::always(FENCED, |_, world: &World| !world.is_stale),
            Property::always(ONCE, Self::is_once),
            Property::always(ENDS, |protocol, world| protocol.is_at_rest(world) || protocol.goes_on(world)),
            Property::always(REPLAYS, |protocol, world: &World| {
                !world.store.damaged && protocol.phases.is_whole(world.store.at)
            }),
            Property::sometimes(TAKEN_OVER, |_, world: &World| world.store.nonce > 1),
            Property::sometimes(REFUSED, |_, world: &World| {
                is_late(world, |call| matches!(call.verb, Verb::Set | Verb::Clear | Verb::Destroy))
                    && world.provider.fence == Fence::Number(world.store.fenced)
            }),
            Property::sometimes(LANDED, |_, world: &World| is_late(world, |call| call.verb == Verb::Create)),
            Property::sometimes(SUCCEEDS, |protocol, world: &World| {
                world.store.fenced > 1 && protocol.phase(world) == Phase::Succeeded
            }),
            Property::sometimes(GOES_BACK, |protocol, world: &World| {
                world.store.fenced > 1 && protocol.phase(world) == Phase::RolledBack
            }),
            Property::sometimes(DONE, |protocol, world: &World| {
                protocol.phase(world) == Phase::Succeeded && protocol.is_at_rest(world)
            }),
            Property::sometimes(WITHDRAWN, |protocol, world: &World| {
                world.store.fenced > 0 && protocol.phase(world) == Phase::Rejected
            }),
        ]
    }

    fn is_once(&self, world: &World) -> bool {
        let is_right = match self.phase(world) {
            Phase::Succeeded => world.provider.is_as_wanted(self.bounds.steps),
            phase if phase.is_final() => world.provider.is_as_found(),
            _ => true,
        };
        is_right && !world.provider.twice
    }

    /// Ended, told, and everything given back; or it is a person's turn, and nothing is held.
    fn is_at_rest(&self, world: &World) -> bool {
        let phase = self.phase(world);
        (phase.is_final() || phase.is_human_wait())
            && world.store.owed == 0
            && world.store.lease != Lease::Held
            && world.provider.fence == Fence::Free
    }

    /// Something can happen that is neither a fault nor a person's word.
    fn goes_on(&self, world: &World) -> bool {
        let mut actions = Vec::new();
        self.actions(world, &mut actions);
        actions.iter().any(|action| !action.is_chance())
    }
}
