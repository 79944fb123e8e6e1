//! One file for each verb.

pub(crate) mod list;
pub(crate) mod run;
