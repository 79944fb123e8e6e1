//! The public face of the environment model.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod fly;
mod fly_files;
mod fly_forms;
mod full;
mod pages;
mod pipeline;
mod problems;
mod properties;
mod workflows;
mod write_over;
