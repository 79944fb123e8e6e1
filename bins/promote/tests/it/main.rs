//! The real binary in processes of its own, against a stand-in with real machines.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod adopt;
mod audit;
mod bad_days;
mod bad_input;
mod before;
mod beside;
mod bootstrap;
mod bucket;
mod doctor;
mod drift;
mod environments;
mod fencing;
mod first_quarter;
mod gates;
mod help;
mod images;
mod kept;
mod laptop;
mod leaving;
mod looking;
mod own_tokens;
mod people;
mod receipts;
mod runner_key;
mod secrets;
mod shared_store;
mod store;
mod support;
mod torture;
mod tortured;
mod two_steps;
mod workflows;
