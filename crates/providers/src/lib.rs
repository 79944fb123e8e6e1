//! Adapters: the engine's ports over the API clients, `itest`, signatures and the terminal.
//!
//! Calls only: what follows from what is decided in `promotion`. Nothing here reads the process environment; whoever
//! wires an engine reads files and variables and hands values over.

mod anchors;
mod answering;
mod chain;
mod checks;
mod dispatch;
pub mod fly;
mod freezes;
mod registry;
pub mod site;
pub mod ssh;
mod targets;
mod terminal;
mod world;

pub use anchors::DirectoryAnchors;
pub use answering::{Answering, who_answers};
pub use checks::{Grounds, ItestChecks, SuiteFile};
pub use dispatch::Dispatch;
pub use freezes::freezes;
pub use registry::Registries;
pub use targets::{TargetError, Targets, policy};
pub use terminal::TerminalNotices;
pub use world::{OsRandomness, SystemClock, UuidIds, random_u128};
