//! Fly.io as a deployer: calls only. What follows from what is decided in `promotion::rollout`.

mod alike;
mod deployer;
mod error;
mod labels;
mod nap;
mod one_offs;
mod secrets;
mod seen;
mod shape;
mod unit;

pub use deployer::FlyDeployer;
pub use labels::is_marked;
pub use one_offs::FlyOneOffs;
pub use secrets::FlySecrets;
pub use shape::{expected_checks, unit_config};
