//! Static bundles as units: one site is one unit that switches atomically by itself.

mod client;
mod deployer;

pub use client::{Site, SiteClient, SiteError};
pub use deployer::SiteDeployer;
