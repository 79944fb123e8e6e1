//! Durations as the Machines API writes them: Go strings (`15s`, `1m30s`); a bare integer is nanoseconds.

use std::time::Duration;

use serde_json::Value;

/// Reads a Go duration string such as `1h2m3.5s`, `500ms`, `0`.
pub(crate) fn parse_go(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut total) = (text, 0f64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total += number * unit;
        rest = &rest[end..];
    }
    Duration::try_from_secs_f64(total).ok()
}

/// Reads the API's convention: a string is a Go duration, an integer nanoseconds; `null` and `""` are unset.
pub(crate) fn from_json(value: Option<&Value>) -> Result<Option<Duration>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(s)) if s.is_empty() => Ok(None),
        Some(Value::String(s)) => {
            parse_go(s).map(Some).ok_or_else(|| format!("`{s}` is no duration; write it like \"15s\""))
        }
        Some(Value::Number(n)) => n
            .as_u64()
            .map(|ns| Some(Duration::from_nanos(ns)))
            .ok_or_else(|| format!("{n} is no duration; an integer is nanoseconds")),
        Some(other) => Err(format!("{other} is no duration; write it like \"15s\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_strings() {
        for (text, ms) in [("15s", 15_000), ("1m30s", 90_000), ("500ms", 500), ("1.5s", 1500), ("0", 0)] {
            assert_eq!(parse_go(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "15", "s", "1x", "-1s"] {
            assert_eq!(parse_go(text), None, "{text}");
        }
    }

    #[test]
    fn a_bare_integer_is_nanoseconds() {
        assert_eq!(from_json(Some(&Value::from(2_000_000_000u64))), Ok(Some(Duration::from_secs(2))));
    }
}
