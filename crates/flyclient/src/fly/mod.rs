//! The Machines API of Fly.io.
//!
//! ```no_run
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use flyclient::{Base, fly::{Client, wire::ListMachines}, transport::{Options, ReqwestService}};
//! let transport = Arc::new(ReqwestService::new(&Options::default())?);
//! let client = Client::new(Base::fly(), "FlyV1 fm2_…".parse()?, transport);
//! for machine in client.app(&"runner".parse()?).machines().list(&ListMachines::default()).await? {
//!     let _ = (machine.id, machine.state);
//! }
//! # Ok(()) }
//! ```
//!
//! Reads are repeated within the [`crate::retry::RetryPolicy`]. A change is repeated only when it certainly had no effect;
//! otherwise the error says so by [`Error::delivery`], and the caller observes.

mod apps;
mod client;
mod decode;
mod error;
mod leases;
mod logs;
mod machines;
mod metadata;
mod secrets;
pub mod wire;

pub use apps::Apps;
pub use client::{AppHandle, Client};
pub use error::{Error, ErrorKind};
pub use leases::Leases;
pub use logs::Logs;
pub use machines::{Machines, Wait};
pub use metadata::Metadata;
pub use secrets::Secrets;

#[cfg(test)]
mod tests;
