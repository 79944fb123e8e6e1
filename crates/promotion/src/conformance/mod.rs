//! One suite per port: what the port's documentation promises, as a function that whoever implements it calls in a
//! test. A suite panics with what was expected and what was seen.
//!
//! Suites wait by the given clock, so they run in virtual time against memory and in real time against a provider.

mod anchors;
mod deployer;
mod journal;
mod one_offs;
mod people;
mod registry;
mod secrets;
mod world;

pub use anchors::anchors;
pub use deployer::{DeployerFixture, deployer};
pub use journal::{JournalFixture, journal, journal_shared, journal_store};
pub use one_offs::{OneOffFixture, one_offs};
pub use people::{approvals, attestor, checks, notifier, words};
pub use registry::{RegistryFixture, registry};
pub use secrets::secrets;
pub use world::{clock, ids, randomness};
