//! The behaviour of a binary as a process, shown on the sample program of this crate.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod endings;
mod shipped;
mod signals;
mod steps;
