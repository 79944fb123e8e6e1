//! The promises, each with tests named after it.

mod journey;
mod p4_alive;
