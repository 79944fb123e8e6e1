//! The example service: a code runner with a web page.
//!
//! A library, so that a demonstration can carry the service in its own executable. It reads no process environment and
//! sets up no signal handler and no logging: [`Options`] come in, [`serve`] runs until its `shutdown` is over.

mod api;
mod bundle;
mod execute;
mod identity;
mod languages;
mod options;
mod server;
mod unprivileged;

pub use bundle::{Bundle, Release, bundle};
pub use options::{Options, OptionsError};
pub use server::{serve, serve_on};
