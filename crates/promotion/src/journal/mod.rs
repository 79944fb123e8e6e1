//! The journal's records, its chain, what it adds up to, and stores.

mod chain;
mod drift;
mod memory;
mod migrate;
mod record;
mod recorded;
#[cfg(feature = "sqlite")]
mod sqlite;
mod view;

pub use chain::{decode, tip, verify};
pub use drift::{DriftEnd, DriftView};
pub use memory::Memory;
pub use migrate::{MOVED, MigrateError, Moved, compare, migrate};
pub use record::{Draft, Entry, Intent, OneOffStep, Outcome, Record};
pub use recorded::{Recorded, Spot};
#[cfg(feature = "sqlite")]
pub use sqlite::Sqlite;
pub use view::{BreakerState, EnvironmentView, OneOffView, OutboxItem, PromotionView};
