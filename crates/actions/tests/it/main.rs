//! Workflows, run.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod jobs;
mod steps;
