//! The protocol of a promotion between runners, store, provider and a person, small enough to try every order in which
//! things can happen.
//!
//! What is real here is the machine: phases are those of `promotion::machine::step`, met once each ([`Phases`]). The rest
//! stands for code that cannot be asked for its states, and each action names the function it stands for ([`Action`]).
//!
//! What is left out, and why that hides nothing:
//! - Time. What only time ends may end at any moment: a lease of a living runner (a fault, counted), the lease of a dead
//!   one, a provider's lease whose number nobody knows. Waiting for calls whose answers were lost is waiting until they
//!   landed or are gone. A runner that still has the environment when it sends (`keep_lease`) sends at once.
//! - Units, as far as they are alike: the leases on them are taken together and are one here, and calls that do not depend
//!   on each other are made in a row.
//! - Tries that change nothing: whoever could only find the environment held, or a lease that must run out, waits.
//! - Crashes of a runner that holds nothing, and of one whose epoch is over: its calls in flight land or are lost anyway.

mod act;
mod call;
mod look;
mod normal;
mod phases;
pub(crate) mod promises;
mod provider;
mod rules;
mod runner;
mod store;
mod world;

pub(crate) use rules::{Bounds, RUNNERS, Rules};
pub(crate) use world::Protocol;
