//! The chores over small made-up repositories.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod bench;
mod process;
mod sabotage;
mod suite;
mod tidy;
mod torture;
mod world;
