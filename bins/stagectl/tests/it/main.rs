//! The binary as a process.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod check;
mod doctor;
mod eject;
mod init;
mod probe;
mod render;
mod workflows;
