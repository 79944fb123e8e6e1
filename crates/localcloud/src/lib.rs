//! A local stand-in for the clouds: real processes, real registry, real proxy.
//!
//! ```text
//! Options → Localcloud::start → Handle
//! api/       the Machines API under /v1, own calls under /localcloud/v1; one routing table
//! machine/   the record of a machine and the task that keeps it: processes, checks, restarts
//! registry/  an OCI registry; images and static bundles
//! s3/        a small S3; buckets and objects with conditional writes
//! edge/      one proxy per region with a late view of its own; it stops what is idle and starts what is asked for
//! sites      static sites
//! faults     what goes wrong on purpose       audit   the provider's truth, JSON lines
//! flyctl/    what `fly deploy` calls, in its order, for tests (feature `flyctl`)
//! ```
//!
//! Requests are decoded here by themselves, without the clients' types, so that one misreading cannot fool both sides.

mod api;
mod artifact;
pub mod audit;
mod clock;
mod cloud;
mod crew;
mod disk;
mod duration;
mod edge;
mod error;
pub mod faults;
#[cfg(feature = "flyctl")]
pub mod flyctl;
mod http_io;
mod ids;
mod limits;
mod machine;
mod options;
mod orgs;
mod past;
mod query;
mod quirks;
mod range;
mod registry;
mod s3;
mod server;
mod sites;
mod world;

pub use error::StartError;
pub use options::{EdgeLag, Options};
pub use orgs::{Orgs, Right, Scope};
pub use quirks::Quirks;
pub use s3::bucket_of;
pub use server::{Handle, Localcloud};
