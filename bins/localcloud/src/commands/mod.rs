//! One file per verb.

pub(crate) mod audit;
pub(crate) mod down;
pub(crate) mod env;
pub(crate) mod faults;
pub(crate) mod image;
pub(crate) mod status;
pub(crate) mod up;
