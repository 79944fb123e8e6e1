//! Wire values of the Fly Machines API and OCI, shared by every layer. Values only: no IO, no async.
//!
//! * [`machine`]: what a machine shall be, [`machine::MachineConfig`] and its parts;
//! * [`wire`]: what the API answers, [`wire::Machine`] and its neighbours;
//! * [`GoDuration`]: the API's way to write durations;
//! * [`AppName`], [`MachineId`], [`InstanceId`], [`Region`]: names that have been checked once;
//! * [`ImageRef`], [`Digest`]: what an image is called and what it is.

mod digest;
mod duration;
mod image;
pub mod machine;
mod names;
mod tolerant;
pub mod wire;

pub use digest::{Digest, DigestError};
pub use duration::{DurationError, GoDuration};
pub use image::{ImageRef, ImageRefError};
pub use names::{AppName, InstanceId, MachineId, NameError, Region};
