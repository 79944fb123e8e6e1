//! From the project file and the process environment to an engine, for the binaries that have one.
//!
//! `wire` reads the files and opens store and clients; `keys` knows who somebody is; `preflight` looks at every place before
//! anything is asked for, `doctor` at everything there is, one by one; `moving` opens two stores, of which one continues the
//! other; `audit` looks at one as it stands; `receipts` checks a receipt that somebody kept; `rehearsal` runs suites where
//! nobody can sign; `find` finds a promotion by what was typed; `given` makes commands that can be pasted.

pub mod audit;
mod base_data;
mod closed;
pub mod doctor;
pub mod find;
pub mod given;
pub mod keys;
pub mod moving;
pub mod preflight;
pub mod receipts;
pub mod rehearsal;
mod signing;
mod store;
pub mod wire;

pub use store::Absent;
