//! Durations as people write them: a whole number and a unit, `250ms`, `10s`, `5m`, `1h`.

use std::time::Duration;

/// The spellings that are understood, for messages.
pub(crate) const SPELLINGS: &str = "a whole number with ms, s, m or h, such as \"250ms\" or \"5m\"";

/// Reads one duration; `None` if the text is none.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(millis)?))
}

/// The shortest spelling that [`parse`] reads back, at a resolution of one millisecond.
pub(crate) fn show(duration: Duration) -> String {
    let millis = millis(duration);
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    match units.iter().find(|(size, _)| millis > 0 && millis.is_multiple_of(*size)) {
        Some((size, unit)) => format!("{}{unit}", millis / size),
        None => format!("{millis}ms"),
    }
}

/// Whole milliseconds, saturating.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_number_and_a_unit_and_nothing_else() {
        let cases = [("0ms", 0), ("250ms", 250), ("10s", 10_000), ("5m", 300_000), ("1h", 3_600_000)];
        for (text, millis) in cases {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "5", "s", "1.5s", "-1s", "1 s", "1d", "99999999999999999999s", "18446744073709551615h"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn shows_what_it_reads() {
        for text in ["0ms", "250ms", "1s", "1500ms", "5m", "2h"] {
            assert_eq!(parse(text).map(show).as_deref(), Some(text));
        }
    }
}
