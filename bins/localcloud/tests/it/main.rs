//! The program as its users start it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod http;
mod image;
mod server;
mod survival;
mod usage;
mod verbs;
