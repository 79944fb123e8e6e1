//! The small S3, asked by a client that signs by itself.

mod client;
mod conditions;
mod curl;
mod faults;
mod listing;
mod objects;
mod signing;
mod survival;
