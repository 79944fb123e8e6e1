//! The promotion engine: pure phases and rollouts, ports, journal, runner.
//!
//! ```text
//!   Options -> Engine -> Handle            events() for whoever watches
//!                |
//!      journal --+-- machine::step          which phase follows (pure)
//!                +-- rollout::next          which unit calls follow (pure)
//!                +-- ports                  Deployer, Registry, Checks, Approvals, Attestor, Notifier, Clock, ...
//! ```
//!
//! The crate knows no HTTP and no provider, reads no environment, starts no runtime, installs no handler. Time, ids
//! and randomness come through ports, so that a seed replays a run exactly.

pub mod machine;
pub mod model;
pub mod rollout;

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod engine;
pub mod journal;
pub mod plain;
pub mod ports;
#[cfg(any(test, feature = "conformance"))]
pub mod simulation;
#[cfg(any(test, feature = "conformance"))]
pub mod testing;
