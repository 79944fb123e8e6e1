//! The journal's records, its chain, what it adds up to, and stores.

mod audit;
mod breaker;
mod chain;
mod closed;
mod drift;
mod evidence;
mod memory;
mod migrate;
mod moving;
mod receipt;
mod record;
mod recorded;
mod reported;
mod spelled;
#[cfg(feature = "sqlite")]
mod sqlite;
mod tried;
mod verbatim;
mod view;

pub use audit::{Audited, Fault, Finding, audit};
pub use breaker::BreakerState;
pub use chain::{decode, decode_beside, tip, tip_beside, verify};
pub use closed::ClosedBy;
pub use drift::{DriftEnd, DriftView};
pub use memory::Memory;
pub use migrate::{MigrateError, Move, Moved, compare, migrate};
pub(crate) use moving::Current;
pub use receipt::{Approved, Built, Checked, EndRecord, Receipt, ReceiptDiffers, Tested};
pub use record::{Draft, Entry, Intent, OneOffStep, Outcome, Record, ReportAbout};
pub use recorded::{Recorded, Spot};
pub use reported::Reported;
#[cfg(feature = "sqlite")]
pub use sqlite::Sqlite;
pub use verbatim::{Holding, Row};
pub use view::{EnvironmentView, OneOffView, OutboxItem, PromotionView};
