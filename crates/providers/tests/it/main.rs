//! The adapters against a real localcloud, real signatures of `ssh-keygen`, and real suites.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, and one that cannot run says so"
)]

mod anchors;
mod asleep;
mod checks;
mod conformance;
mod faulted;
mod fly;
mod fly_bad_days;
mod one_offs;
mod registry;
mod secrets;
mod site;
mod ssh;
mod support;
mod targets;
mod terminal;
