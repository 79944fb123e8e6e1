//! The repository's own chores: `cargo xtask test | gen | tidy | bench | sabotage | simulate | torture`.
//!
//! A library, so that each chore is tested over small made-up repositories; the binary only parses and calls.

pub mod bench;
pub mod cargo;
pub mod libtest;
pub mod model;
pub mod pages;
pub mod process;
pub mod promises;
pub mod repo;
pub mod requirements;
pub mod sabotage;
pub mod simulate;
pub mod suite;
pub mod tidy;
pub mod torture;
