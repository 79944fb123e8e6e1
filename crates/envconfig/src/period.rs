//! Lengths of time as people write them: `24h`, `1h30m`, `500ms`.

use std::{fmt, str::FromStr, time::Duration};

use crate::{Malformed, text_value::serde_as_text};

/// A length of time in whole milliseconds, at most 366 days.
///
/// Read from parts of a number and a unit (`d`, `h`, `m`, `s`, `ms`), the larger unit first, each once. `0` needs
/// no unit.
///
/// ```
/// use envconfig::Period;
/// let period: Period = "1h30m".parse()?;
/// assert_eq!(period.as_duration(), std::time::Duration::from_secs(5400));
/// assert_eq!(period.to_string(), "1h30m");
/// assert!("90".parse::<Period>().is_err());
/// # Ok::<(), envconfig::Malformed>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Period {
    millis: u64,
}

const MS: u64 = 1;
const SECOND: u64 = 1000 * MS;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Nothing in a project waits for more than a leap year.
const LONGEST: u64 = 366 * DAY;
/// Units, the larger first; `ms` is tried before `m` and `s` by the reader.
const UNITS: [(&str, u64); 5] = [("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", MS)];

impl Period {
    /// No time at all.
    pub const ZERO: Self = Self { millis: 0 };

    /// So many seconds, cut at 366 days.
    pub const fn from_secs(seconds: u64) -> Self {
        let millis = seconds.saturating_mul(SECOND);
        Self { millis: if millis > LONGEST { LONGEST } else { millis } }
    }

    /// So many milliseconds, cut at 366 days.
    pub const fn from_millis(millis: u64) -> Self {
        Self { millis: if millis > LONGEST { LONGEST } else { millis } }
    }

    /// In milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.millis
    }

    /// In whole seconds, rounded up.
    pub const fn as_secs_ceil(self) -> u64 {
        self.millis.div_ceil(SECOND)
    }

    /// For the standard library.
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.millis)
    }
}

impl From<Period> for Duration {
    fn from(period: Period) -> Self {
        period.as_duration()
    }
}

impl FromStr for Period {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |why: &str| Malformed::new(text, "a length of time", why);
        if text == "0" {
            return Ok(Self::ZERO);
        }
        let shape =
            "it has numbers with the units `d`, `h`, `m`, `s`, `ms`, such as `24h`, `1h30m` or `500ms`";
        let mut rest = text;
        let mut millis: u64 = 0;
        let mut smaller_than = u64::MAX;
        while !rest.is_empty() || smaller_than == u64::MAX {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
            let (number, unit) = (&rest[..digits], &rest[digits..digits + letters]);
            let unit = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, size)| *size);
            let (Some(unit), false) = (unit, number.is_empty()) else { return Err(wrong(shape)) };
            if unit >= smaller_than {
                return Err(wrong("the larger unit comes first, and each unit once"));
            }
            let part = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
            millis = part
                .and_then(|part| millis.checked_add(part))
                .filter(|millis| *millis <= LONGEST)
                .ok_or_else(|| wrong("it is longer than 366 days"))?;
            smaller_than = unit;
            rest = &rest[digits + letters..];
        }
        Ok(Self { millis })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.millis == 0 {
            return f.pad("0s");
        }
        let mut rest = self.millis;
        let mut text = String::new();
        // Days are read but not written: `24h` is what people say of an expiry.
        for (name, size) in &UNITS[1..] {
            if rest / size > 0 {
                text.push_str(&format!("{}{name}", rest / size));
                rest %= size;
            }
        }
        f.pad(&text)
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_as_text!(Period);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_mean_what_people_mean() {
        let table = [
            ("24h", 86_400_000, "24h"),
            ("5m", 300_000, "5m"),
            ("30s", 30_000, "30s"),
            ("1h30m", 5_400_000, "1h30m"),
            ("500ms", 500, "500ms"),
            ("1s500ms", 1_500, "1s500ms"),
            ("5m0s", 300_000, "5m"),
            ("2d", 172_800_000, "48h"),
            ("90s", 90_000, "1m30s"),
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
        ];
        for (text, millis, shown) in table {
            let period: Period = text.parse().unwrap();
            assert_eq!((period.as_millis(), period.to_string().as_str()), (millis, shown), "{text}");
        }
    }

    #[test]
    fn what_is_no_period_is_refused() {
        for text in [
            "",
            "5",
            "m",
            "5 m",
            "30m1h",
            "1h1h",
            "1y",
            "-5s",
            "1.5h",
            "367d",
            "99999999999999999999s",
            "5ms1s",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }
}
