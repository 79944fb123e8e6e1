//! The lower level: which unit calls follow. Strategies live here, never in adapters.
//!
//! Every strategy is the same walk with other sets: units that change in place, units that come in, units that go.
//! Blue-green has only incoming and outgoing ones; rolling, canary and immediate change in place, and the way back
//! revives what was parked, changes back what was changed, and ends what was made. With waves the walk is gone through
//! once for each, with the units of its regions.

mod call;
mod fill;
mod health;
mod in_place;
mod next;
mod pool;
mod progress;
mod proof;
mod remarks;
mod rest;
mod role;
mod seen;
mod sets;
#[cfg(test)]
mod tests;
mod told;
mod watch;
mod waves;

pub use call::{Decision, Direction, EdgeAnswer, Job, Observed, Stamp, UnitCall, Verdict};
pub use health::{Expected, Health, Running, health};
pub use next::{FIRST, next};
pub use progress::{LateCall, Mark, Progress, Stage, Turn};
pub use proof::{Amiss, arrived, restored, unproven};
pub use remarks::{is_second_fleet, remarks};
pub use told::{Told, Visible};
pub use watch::Watched;
