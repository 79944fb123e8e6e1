//! What the engine needs from the world. Every port is dyn-compatible, `#[async_trait]`, and has a conformance suite
//! (feature `conformance`).

mod anchors;
mod checks;
mod deployer;
mod error;
mod journal;
mod one_offs;
mod people;
mod registry;
mod secrets;
mod world;

pub use crate::model::Verdict;
pub use anchors::Anchors;
pub use checks::{Checks, SuiteReport};
pub use deployer::{Deployer, Key, Performed};
pub use error::{PortError, PortErrorKind};
pub use journal::{Grant, Import, Journal, JournalError, Verbatim};
pub use one_offs::OneOffs;
pub use people::{Approvals, Attestor, Notice, Notifier};
pub use registry::{Copied, ImageFacts, Moved, Registry, Survey, Watch};
pub use secrets::Secrets;
pub use world::{Clock, Ids, Randomness};

/// The ports stay usable as `dyn`: this fails to compile when one does not.
#[allow(clippy::too_many_arguments, dead_code, reason = "a compile-time check, never called")]
fn dyn_compatible(
    _: &dyn Deployer,
    _: &dyn Registry,
    _: &dyn Secrets,
    _: &dyn OneOffs,
    _: &dyn Checks,
    _: &dyn Approvals,
    _: &dyn Attestor,
    _: &dyn Notifier,
    _: &dyn Anchors,
    _: &dyn Journal,
    _: &dyn Import,
    _: &dyn Clock,
    _: &dyn Ids,
    _: &dyn Randomness,
) {
}
