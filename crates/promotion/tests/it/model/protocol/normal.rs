//! One form for instants between which nobody can tell. It keeps the search small, and holds only while every rule does.
//!
//! Late calls are the only place where something is given up: one that would change its unit back where nothing is left
//! to change is dropped, although a call that comes even later could give it something to do. All that it could do then
//! is what the runner does anyway.

use super::call::{Call, Verb};
use super::provider::Fence;
use super::rules::Rules;
use super::world::{Protocol, World};

impl Protocol {
    pub(super) fn normalise(&self, world: &mut World) {
        if self.rules == Rules::ALL {
            for n in 0..world.late.len() {
                world.late[n] = self.inert(world, world.late[n]);
            }
            number_anew(world);
        }
        // Runners are alike, and so are calls for which nobody waits.
        world.runners.sort_unstable();
        if world.late.iter().any(|call| *call != Call::NONE) {
            world.late.sort_unstable_by_key(|call| call.bytes());
        }
    }

    /// A call on leased units with a number that is worth nothing any more is refused but where nobody holds them: while
    /// the lease passes from runner to runner, and in the end. Which step it changes does not matter then: the last one
    /// is undone first on the way back, so that one disturbs most. What has nothing left to change back is no call.
    fn inert(&self, world: &World, call: Call) -> Call {
        let is_worthless =
            call.nonce != world.store.epoch && world.provider.fence != Fence::Number(call.nonce);
        if call.verb == Verb::Unlease && is_worthless {
            // Numbers do not come again.
            return Call::NONE;
        }
        if call.epoch >= world.store.fenced {
            return call;
        }
        match call.verb {
            Verb::Set => Call { step: self.bounds.steps - 1, epoch: 0, nonce: 0, ..call },
            Verb::Clear if world.provider.set & (1 << call.step) != 0 => call,
            Verb::Destroy if world.provider.alive[usize::from(call.step)] & (1 << call.unit) != 0 => call,
            Verb::Clear | Verb::Destroy => Call::NONE,
            Verb::Create => Call { epoch: 0, nonce: 0, ..call },
            Verb::Lease => Call { epoch: 0, ..call },
            Verb::Unlease => call,
        }
    }
}

/// Epochs are compared and never counted: those that still stand somewhere are numbered anew, in their order.
fn number_anew(world: &mut World) {
    let mut there = 1_u32;
    each_epoch(world, &mut |epoch| there |= 1 << *epoch);
    each_epoch(world, &mut |epoch| {
        let below = there & ((1 << *epoch) - 1);
        *epoch = u8::try_from(below.count_ones()).unwrap_or(u8::MAX);
    });
}

fn each_epoch(world: &mut World, see: &mut impl FnMut(&mut u8)) {
    let store = &mut world.store;
    see(&mut store.epoch);
    see(&mut store.nonce);
    see(&mut store.fenced);
    if let Fence::Number(number) = &mut world.provider.fence {
        see(number);
    }
    world.runners.iter_mut().for_each(|runner| see(&mut runner.epoch));
    let theirs = world.runners.iter_mut().map(|runner| &mut runner.call);
    for call in theirs.chain(&mut world.late).chain(&mut store.open) {
        see(&mut call.epoch);
        see(&mut call.nonce);
    }
}
