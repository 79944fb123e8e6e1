//! The promises, each with tests named after it.

mod journey;
