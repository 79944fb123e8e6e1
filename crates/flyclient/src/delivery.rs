//! The question that an engine lives on: did the request have an effect?

use std::fmt;

/// What is known about the effect of a request that ended with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Delivery {
    /// It never reached the server: no connection, no name, no TLS.
    NotSent,
    /// The server declined it: nothing changed.
    Refused,
    /// The server did it; only its answer could not be used.
    Applied,
    /// Nobody knows: observe before repeating.
    Unknown,
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSent => "it was not sent",
            Self::Refused => "nothing was changed",
            Self::Applied => "it took effect",
            Self::Unknown => "whether it took effect is unknown",
        })
    }
}
