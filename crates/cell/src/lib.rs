//! Runs an OCI image as a tree of local processes: runtimes, image building and unpacking.

pub mod image;
pub mod runtime;
