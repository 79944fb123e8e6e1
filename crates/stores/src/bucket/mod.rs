//! A journal in object storage with conditional writes: S3, R2, Tigris.
//!
//! ```text
//!   PREFIX/store                          who we are
//!   PREFIX/journal/ENVIRONMENT/SLOT       one append, or one grant; written once, never changed
//!   PREFIX/lease/ENVIRONMENT              who holds it until when; changed under its ETag
//! ```
//!
//! Slots are counted 1, 2, 3, …; each is written only if nobody has written it. A grant takes a slot as appends do:
//! whoever appends knows all slots before the one it writes, and so every grant before it. That is what fences: under
//! an earlier epoch the slot is taken already. The lease's object alone could not, since nothing writes two objects at
//! once.

mod anchors;
mod error;
mod http;
mod journal;
mod lease;
mod log;
mod place;
mod s3;
mod slot;
mod verbatim;

pub use anchors::BucketAnchors;
pub use error::OpenError;
pub use journal::Bucket;
pub use place::{Place, ServerTime};
pub use s3::{Credentials, S3Address, S3Error};
