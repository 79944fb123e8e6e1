//! Instants and durations as they are recorded: milliseconds, so that a record reads back as it was written.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// A duration in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From whole seconds.
    pub const fn secs(secs: u64) -> Self {
        Self(secs * 1000)
    }

    /// As a standard duration.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ms if ms % 3_600_000 == 0 && ms > 0 => write!(f, "{}h", ms / 3_600_000),
            ms if ms % 60_000 == 0 && ms > 0 => write!(f, "{}m", ms / 60_000),
            ms if ms % 1000 == 0 => write!(f, "{}s", ms / 1000),
            ms => write!(f, "{ms}ms"),
        }
    }
}

/// An instant: milliseconds since the Unix epoch, printed as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct At(pub i64);

impl At {
    /// This instant plus `duration`; saturates.
    #[must_use]
    pub const fn plus(self, duration: Millis) -> Self {
        Self(self.0.saturating_add_unsigned(duration.0))
    }

    /// The time from `earlier` to this instant; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Millis {
        let ms = self.0.saturating_sub(earlier.0);
        Millis(if ms < 0 { 0 } else { ms.unsigned_abs() })
    }
}

/// Why a text is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no instant: it is a date and a time with the distance to UTC, such as 2026-12-27T08:00+01:00, or with a \
     time zone, such as 2026-12-27T08:00[Europe/Berlin]"
)]
pub struct NoInstant {
    /// What was read.
    pub text: String,
}

impl std::str::FromStr for At {
    type Err = NoInstant;

    /// Reads RFC 3339, and RFC 9557 for a time zone by name; a time without either names no instant.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parser = jiff::fmt::temporal::DateTimeParser::new();
        let zoned = || {
            let zones = jiff::tz::TimeZoneDatabase::bundled();
            parser.parse_zoned_with(&zones, text).map(|zoned| zoned.timestamp())
        };
        let found = if text.contains('[') { zoned() } else { parser.parse_timestamp(text) };
        let wrong = |_| NoInstant { text: text.to_owned() };
        found.map(|instant| Self(instant.as_millisecond())).map_err(wrong)
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3339, and RFC 9557 for the name of a zone; Berlin is an hour ahead of UTC in December (IANA).
    #[test]
    fn an_instant_says_how_far_it_is_from_utc() {
        for text in ["2026-12-27T07:00:00Z", "2026-12-27T08:00+01:00", "2026-12-27T08:00[Europe/Berlin]"] {
            let at: At = text.parse().unwrap();
            assert_eq!(at.to_string(), "2026-12-27T07:00:00.000Z", "{text}");
        }
        for text in ["2026-12-27T08:00", "2026-12-27", "tomorrow", "", "2026-12-27T08:00[Europe/Atlantis]"] {
            let why = text.parse::<At>().unwrap_err().to_string();
            assert!(why.contains("2026-12-27T08:00+01:00"), "{why}");
        }
    }
}
