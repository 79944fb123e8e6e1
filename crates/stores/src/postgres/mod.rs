//! A journal in PostgreSQL, in a schema of its own.
//!
//! Whatever must happen at once is one statement, and nothing outlives a statement: no named prepared statement, no
//! setting of a session, no advisory lock, no LISTEN. So the address may be that of a pooler that hands every
//! transaction to another server process.
//!
//! ```text
//!   Address (the URL, read)  ->  Server (one connection, made anew when it is lost)  ->  Postgres (the journal)
//! ```

mod address;
mod error;
mod journal;
mod row;
mod schema;
mod server;
mod shape;
mod tls;
mod value;
mod verifier;

pub use address::{Address, AddressError, TlsMode};
pub use error::OpenError;
pub use journal::Postgres;
