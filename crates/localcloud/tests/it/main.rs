//! Tests of the whole crate through its public face.

mod edge;
mod faults;
mod leases;
mod machines;
mod registry;
mod secrets;
mod sites;
mod support;
mod survival;
