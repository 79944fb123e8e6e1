//! The example service on loopback: real requests, real programs.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests stop at what they did not expect, and print"
)]

mod api;
mod program;
mod support;
