//! Machines: their record, what their configuration means, and the task that keeps each as it should be.

pub(crate) mod checks;
pub(crate) mod keeper;
pub(crate) mod launch;
pub(crate) mod model;
pub(crate) mod restart;
pub(crate) mod routing;
pub(crate) mod spec;
pub(crate) mod view;
