//! Workflows, run.

mod jobs;
mod steps;
