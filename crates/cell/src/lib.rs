//! Runs an OCI image as a tree of local processes: runtimes, image building and unpacking.
//!
//! - [`image`] makes images and unpacks them.
//! - [`runtime`] is the port and its two implementations, and [`runtime::choose`] takes the best one that works here.
//! - [`shim`] is the small process that stands between a cell and the rest of the machine. A binary that launches
//!   cells calls [`shim::intercept`] first thing in `main`.

pub mod image;
pub mod runtime;
pub mod shim;

mod clock;
mod procfs;
mod record;
mod sys;
