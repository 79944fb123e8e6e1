//! The engine through its public face, in a world in memory.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the helpers of tests fail as tests do, and sweeps show where they have been"
)]

mod corpus;
mod day;
mod images;
mod model;
mod port;
mod promise;
mod simulated;
mod story;
