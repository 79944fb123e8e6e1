//! Stores of journals that several machines share. One file on one machine is `promotion`'s own.
//!
//! A store takes no clock: leases run by the time of the server that keeps them, so that runners whose clocks disagree
//! do not disagree about who holds an environment.

pub mod bucket;
pub mod postgres;
mod roots;
#[cfg(feature = "testing")]
pub mod testing;
