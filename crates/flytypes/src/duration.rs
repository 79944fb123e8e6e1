//! Durations as the Machines API writes them.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A duration in the API's convention: on the wire a Go duration (`"15s"`, `"1m30s"`) or an integer of
/// **nanoseconds**; written in Go's canonical style. Range: 0 to 2^63−1 ns, about 292 years, as in Go.
///
/// Other places of Fly count otherwise and do not use this type: integers of service checks in `fly.toml` are
/// milliseconds, `kill_timeout` is in seconds, and the query fields of wait and lease are seconds.
///
/// ```
/// use flytypes::GoDuration;
/// let parsed: GoDuration = "90s".parse()?;
/// assert_eq!(parsed.to_string(), "1m30s");
/// assert_eq!(serde_json::from_str::<GoDuration>("15000000000").unwrap().to_string(), "15s");
/// # Ok::<(), flytypes::DurationError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GoDuration(u64);

/// Why a text or a number is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not in Go's syntax.
    #[error("`{text}` is no duration: expected numbers with units such as `15s`, `1m30s` or `500ms`")]
    Syntax {
        /// What was read.
        text: String,
    },
    /// A number without a unit.
    #[error("`{text}` is no duration: the unit is missing; write `{text}s` for seconds or `{text}ms`")]
    NoUnit {
        /// What was read.
        text: String,
    },
    /// Below zero, or more than about 292 years.
    #[error("`{text}` is out of range: a duration is at least 0 and at most 2562047h")]
    Range {
        /// What was read.
        text: String,
    },
}

const MAX: u64 = i64::MAX as u64;
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000), // U+00B5, the micro sign
    ("μs", 1_000), // U+03BC, the Greek letter
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl GoDuration {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// From nanoseconds, at most 2^63−1.
    pub fn from_nanos(nanos: u64) -> Result<Self, DurationError> {
        if nanos > MAX { Err(DurationError::Range { text: nanos.to_string() }) } else { Ok(Self(nanos)) }
    }

    /// From whole seconds; any 32-bit number is in range.
    pub fn from_secs(seconds: u32) -> Self {
        Self(u64::from(seconds) * 1_000_000_000)
    }

    /// From whole milliseconds; any 32-bit number is in range.
    pub fn from_millis(millis: u32) -> Self {
        Self(u64::from(millis) * 1_000_000)
    }

    /// In nanoseconds.
    pub fn as_nanos(self) -> u64 {
        self.0
    }
}

impl From<GoDuration> for Duration {
    fn from(duration: GoDuration) -> Self {
        Self::from_nanos(duration.0)
    }
}

impl TryFrom<Duration> for GoDuration {
    type Error = DurationError;

    fn try_from(duration: Duration) -> Result<Self, Self::Error> {
        u64::try_from(duration.as_nanos())
            .ok()
            .and_then(|nanos| Self::from_nanos(nanos).ok())
            .ok_or_else(|| DurationError::Range { text: format!("{}s", duration.as_secs()) })
    }
}

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let syntax = || DurationError::Syntax { text: text.to_owned() };
        let range = || DurationError::Range { text: text.to_owned() };
        let unsigned = text.strip_prefix('+').unwrap_or(text);
        if unsigned == "0" || unsigned == "-0" {
            return Ok(Self::ZERO);
        }
        if unsigned.is_empty() {
            return Err(syntax());
        }
        if unsigned.bytes().all(|b| b.is_ascii_digit()) {
            return Err(DurationError::NoUnit { text: text.to_owned() });
        }
        if let Some(positive) = unsigned.strip_prefix('-') {
            // A negative duration in good syntax deserves the better message.
            return Err(if positive.parse::<Self>().is_ok() { range() } else { syntax() });
        }
        let mut rest = unsigned;
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (nanos, tail) = term(rest).ok_or_else(syntax)?.ok_or_else(range)?;
            total = total.checked_add(nanos).filter(|&sum| sum <= MAX).ok_or_else(range)?;
            rest = tail;
        }
        Ok(Self(total))
    }
}

/// One `number unit` at the start of `text`: outer `None` is bad syntax, inner `None` is out of range.
fn term(text: &str) -> Option<Option<(u64, &str)>> {
    let number = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (digits, tail) = text.split_at(number);
    let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
    let (unit, rest) = tail.split_at(unit_end);
    let scale = UNITS.iter().find(|(name, _)| *name == unit)?.1;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole = if whole.is_empty() { Some(0) } else { whole.parse::<u64>().ok() };
    // Digits beyond a nanosecond are cut, as in Go; 18 digits times the largest unit fit into 128 bits.
    let fraction = &fraction[..fraction.len().min(18)];
    let part = match fraction.len() {
        0 => 0,
        len => fraction.parse::<u128>().ok()? * u128::from(scale) / 10u128.pow(u32::try_from(len).ok()?),
    };
    let nanos = whole
        .and_then(|whole| whole.checked_mul(scale))
        .and_then(|nanos| nanos.checked_add(u64::try_from(part).ok()?))
        .filter(|&nanos| nanos <= MAX);
    Some(nanos.map(|nanos| (nanos, rest)))
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0;
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => write!(f, "{}µs", decimal(nanos, 1_000)),
            1_000_000..1_000_000_000 => write!(f, "{}ms", decimal(nanos, 1_000_000)),
            _ => {
                let minutes = nanos / 60_000_000_000;
                if minutes >= 60 {
                    write!(f, "{}h", minutes / 60)?;
                }
                if minutes > 0 {
                    write!(f, "{}m", minutes % 60)?;
                }
                write!(f, "{}s", decimal(nanos % 60_000_000_000, 1_000_000_000))
            }
        }
    }
}

/// `nanos` in units of `scale`, with as many decimals as it needs.
fn decimal(nanos: u64, scale: u64) -> String {
    let width = scale.ilog10() as usize;
    let text = format!("{}.{:0width$}", nanos / scale, nanos % scale);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl fmt::Debug for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = GoDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"15s\", or an integer of nanoseconds")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, nanos: u64) -> Result<Self::Value, E> {
        GoDuration::from_nanos(nanos).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, nanos: i64) -> Result<Self::Value, E> {
        u64::try_from(nanos)
            .map(GoDuration)
            .map_err(|_| E::custom(DurationError::Range { text: nanos.to_string() }))
    }
}

#[cfg(test)]
mod tests;
