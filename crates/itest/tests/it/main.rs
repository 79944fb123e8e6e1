//! Suites against real sockets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_days;
mod deadlines;
mod flaky;
mod hosts;
mod identity;
mod matrix;
mod parallel;
mod requests;
mod secrets;
mod selection;
mod server;
mod support;
mod terminal;
