//! Tests of the whole crate through its public face.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod edge;
mod faults;
mod faults_calls;
mod faults_machines;
mod flyctl;
mod idle;
mod leases;
mod machines;
mod one_offs;
mod quirks;
mod registry;
mod s3;
mod secrets;
mod sites;
mod support;
mod survival;
