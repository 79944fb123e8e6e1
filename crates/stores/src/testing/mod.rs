//! Real servers for tests, private to whoever starts them: on loopback, in a directory of their own, gone with the
//! test, also when that is killed.
//!
//! Whatever is missing on the machine is a failure that names the command which installs it.

mod child;
mod cluster;
mod pooler;
mod programs;

pub use cluster::{Cluster, ClusterTls};
pub use pooler::Pooler;

/// Whose store it is: the owner of every cluster.
pub(crate) const USER: &str = "understudy";

/// Needs quoting in a URL, on purpose.
pub(crate) const PASSWORD: &str = "pass word/%";
