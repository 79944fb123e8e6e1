//! Machines that run one command and go.

use std::fmt::Debug;

use async_trait::async_trait;

use super::PortError;
use crate::model::{OneOffRun, OneOffSpec, OneOffState, Place, UnitId};

/// Runs commands, each on a machine of its own.
///
/// Making a machine and letting it run are two calls, so that the second can be once for all: whoever makes a machine
/// twice has one that rests too many, and nothing ran twice. Any call may be cancelled at any await: it may then have
/// happened, exactly as when its answer is lost.
#[async_trait]
pub trait OneOffs: Debug + Send + Sync + 'static {
    /// The machines of ours at the place, sorted by id; ended ones as far as the provider still shows them. Reads only.
    async fn observe_runs(&self, place: &Place) -> Result<Vec<OneOffRun>, PortError>;

    /// Makes a machine for the command that does not run yet. Not idempotent: look for its key first.
    async fn prepare(&self, place: &Place, spec: &OneOffSpec) -> Result<UnitId, PortError>;

    /// Lets it run. A machine runs once in its life: one that runs, ran or is gone stays as it is.
    async fn start(&self, place: &Place, run: &UnitId) -> Result<(), PortError>;

    /// How it stands. Reads only.
    async fn observe_run(&self, place: &Place, run: &UnitId) -> Result<OneOffState, PortError>;

    /// The last lines that it wrote, oldest first, without what looks like a secret. Lines may arrive late. Reads only.
    async fn observe_log(&self, place: &Place, run: &UnitId) -> Result<Vec<String>, PortError>;

    /// Ends it, whatever it does, and takes it away; a gone one is no error.
    async fn remove(&self, place: &Place, run: &UnitId) -> Result<(), PortError>;
}
