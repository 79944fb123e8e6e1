//! The rules. Each one says what goes wrong, not what is unusual.

mod always;
mod outputs;
mod pinned;
mod rebuild;
mod runner;
mod scripts;
pub(super) mod token;

use super::{Places, model::Workflow};
use crate::reading::Sink;

/// Everything that one file tells.
pub(super) fn all(sink: &Sink<'_>, workflow: &Workflow, places: &Places) {
    pinned::check(sink, workflow);
    outputs::check(sink, workflow);
    always::check(sink, workflow);
    rebuild::check(sink, workflow, places);
    runner::check(sink, workflow, places);
    scripts::check(sink, workflow);
    token::check(sink, workflow, places);
}
