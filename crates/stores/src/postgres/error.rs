//! Why a store in PostgreSQL cannot be opened, and what to do about it.

use std::error::Error as _;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::server::BUSY_MAX;

/// Why a store cannot be opened. Says where; never with a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Nobody answers there.
    #[error("{place} cannot be reached: {why}")]
    Unreachable {
        /// Where.
        place: String,
        /// What was seen.
        why: String,
        /// Somebody is there, and lets nobody in for the moment.
        is_busy: bool,
    },
    /// Whoever answers does not prove to be the server, or has no TLS.
    #[error("{place} cannot be trusted: {why}")]
    Tls {
        /// Where.
        place: String,
        /// What was seen.
        why: String,
    },
    /// The server lets us in not at all, or not into that database.
    #[error("{place} does not let us in: {why}")]
    Login {
        /// Where.
        place: String,
        /// What it said.
        why: String,
    },
    /// We are in, and may not do what we must.
    #[error("{place} refused {step}: {why}")]
    Refused {
        /// Where.
        place: String,
        /// What was being done.
        step: &'static str,
        /// What it said.
        why: String,
    },
    /// A later version of us has been here.
    #[error("{place} holds journals in format {found}, and this version knows format {known}")]
    Newer {
        /// Where.
        place: String,
        /// Its format.
        found: String,
        /// Ours.
        known: &'static str,
    },
    /// The schema has tables of somebody else, under our names. Nothing was written.
    #[error("{place} holds tables that are not ours: {why}")]
    Foreign {
        /// Where.
        place: String,
        /// How they differ.
        why: String,
    },
}

impl OpenError {
    /// What somebody can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable { is_busy: false, .. } => {
                "look at the host and port in the address, and whether this machine may connect to them"
            }
            Self::Unreachable { is_busy: true, .. } => {
                "try again when the server is up and has a connection free (`max_connections`, a role's or a pooler's \
                 limit); a pooler may say the same of a wrong user, password or database"
            }
            Self::Tls { .. } => {
                "give the server's root certificate with ?sslrootcert=FILE; sslmode=require encrypts and believes anybody"
            }
            Self::Login { .. } => "look at user, password and database in the address",
            Self::Refused { .. } => {
                "the role needs CREATE on the database the first time, then USAGE on the schema and SELECT, INSERT, \
                 UPDATE on its tables; and the address must be the primary's"
            }
            Self::Newer { .. } => "use the version that wrote it, or a later one",
            Self::Foreign { .. } => {
                "name another schema in the address, ?schema=NAME: one that is not there is made"
            }
        }
    }

    /// What a failure to connect means.
    pub(super) fn connecting(place: String, error: &Error) -> Self {
        let why = told(error);
        match Wrong::of(error) {
            Wrong::Login => Self::Login { place, why },
            Wrong::Tls => Self::Tls { place, why },
            Wrong::Busy => {
                let why = format!("{why}; it was asked for {} s", BUSY_MAX.as_secs());
                Self::Unreachable { place, why, is_busy: true }
            }
            Wrong::Network => Self::Unreachable { place, why, is_busy: false },
        }
    }
}

/// What kind of thing is wrong.
enum Wrong {
    Login,
    Tls,
    Busy,
    Network,
}

impl Wrong {
    /// The client keeps its kinds to itself; what it shows begins with them.
    fn of(error: &Error) -> Self {
        let shown = error.to_string();
        if is_busy(error) {
            Self::Busy
        } else if error.code().is_some()
            || shown.starts_with("authentication")
            || shown.starts_with("invalid config")
        {
            Self::Login
        } else if shown.contains("TLS") {
            Self::Tls
        } else {
            Self::Network
        }
    }
}

/// All that an error says, along its sources, once.
pub(super) fn told(error: &Error) -> String {
    if let Some(said) = error.as_db_error() {
        let mut text = format!("{} ({})", said.message(), said.code().code());
        for more in [said.detail(), said.hint()].into_iter().flatten() {
            text.push_str(&format!("; {more}"));
        }
        return text;
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(next) = source {
        let next_text = next.to_string();
        if !text.contains(&next_text) {
            text.push_str(&format!(": {next_text}"));
        }
        source = next.source();
    }
    text
}

/// Somebody answers a call for a connection, and has none for anybody right now: the server starts up or shuts down, all
/// connections are taken, or a pooler does not reach it (PostgreSQL documentation, appendix A: 57P03, 53300, class 08).
pub(super) fn is_busy(error: &Error) -> bool {
    error.code().is_some_and(|code| {
        code.code().starts_with("08")
            || [SqlState::CANNOT_CONNECT_NOW, SqlState::TOO_MANY_CONNECTIONS].contains(code)
    })
}

/// The connection is gone, or the server behind a pooler; whether the statement was done is not known.
pub(super) fn is_lost(error: &Error) -> bool {
    match error.code() {
        None => error.is_closed() || error.source().is_some_and(|source| source.is::<std::io::Error>()),
        Some(code) => {
            code.code().starts_with("08")
                || [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::IDLE_SESSION_TIMEOUT]
                    .contains(code)
        }
    }
}

/// Nothing was done, and the same again may go through: somebody else was quicker.
pub(super) fn is_beaten(error: &Error) -> bool {
    let codes =
        [SqlState::UNIQUE_VIOLATION, SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
    error.code().is_some_and(|code| codes.contains(code))
}
