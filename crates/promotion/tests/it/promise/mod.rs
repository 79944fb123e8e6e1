//! The promises, each with tests named after it.

mod journey;
mod p3_once;
mod p4_alive;
