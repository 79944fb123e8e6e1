//! The binary as a process: streams and exit codes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod exits;
mod streams;
mod support;
