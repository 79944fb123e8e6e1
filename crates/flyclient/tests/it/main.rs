//! The clients over real sockets, on loopback.
#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod fake_registry;
mod fly;
mod redirects;
mod registry;
mod support;
