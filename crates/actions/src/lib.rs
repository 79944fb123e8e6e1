//! Runs workflows of GitHub Actions as processes of this machine: as much of them as the workflows that we write use.
//!
//! * [`Workflow`]: a file, read; what this crate cannot run is an error and is never passed over, but for `permissions`, since
//!   there is no token, and `concurrency`, since one run goes after the other;
//! * [`Event`]: what starts one, and whether it does: [`Workflow::is_started_by`];
//! * [`Runner`]: runs the jobs in their order, each in a directory of its own, with the secrets of its environment of GitHub and
//!   nothing else of this process but what it was given;
//! * [`Run`]: what became of every job and step, and what they printed, with secrets masked.
//!
//! Actions are not fetched: [`Runner::provide`] says what stands for each. Facts: GitHub's "Workflow syntax for GitHub
//! Actions", "Contexts reference", "Evaluate expressions in workflows and actions", "Workflow commands for GitHub Actions".
//! What it is not: a sandbox. Scripts run as the user who calls.

mod environment;
mod event;
mod expression;
mod files;
mod job;
mod provided;
mod report;
mod runner;
mod step;
mod workflow;

pub use event::Event;
pub use expression::ExpressionError;
pub use provided::Provided;
pub use report::{JobRun, Outcome, Run, StepRun};
pub use runner::{RunError, Runner};
pub use workflow::{Workflow, WorkflowError};
