//! Wire values of the Fly Machines API and OCI, shared by every layer. Values only: no IO, no async.

mod digest;
mod image;

pub use digest::{Digest, DigestError};
pub use image::{ImageRef, ImageRefError};
