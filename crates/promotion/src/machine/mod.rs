//! The upper level: which phase follows. One constant table, one pure function.

mod check;
mod event;
mod phase;
mod render;
mod state;
mod step;
mod table;
#[cfg(test)]
mod tests;

pub use event::{Event, Failure, Stamped, Work};
pub use phase::{EffectName, Guard, Phase, Signal};
pub use render::render;
pub use state::{Facts, State};
pub use step::{Rejected, Step, step};
pub(crate) use step::{apply, decide};
pub use table::{Row, Rule, TABLE};
