//! The one place that reads the wall clock.

use std::time::UNIX_EPOCH;

/// Microseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "the stand-in is the edge of the world: it owns the clock")]
pub(crate) fn now_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Seconds since the Unix epoch, as leases count them.
pub(crate) fn now_s() -> u64 {
    now_us() / 1_000_000
}

/// `2026-11-21T07:00:00.123456Z`.
pub(crate) fn rfc3339(us: u64) -> String {
    let us = i64::try_from(us).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(us).map_or_else(|_| String::from("invalid"), |t| format!("{t:.6}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn renders_rfc3339_with_fixed_width() {
        assert_eq!(super::rfc3339(1_000_000), "1970-01-01T00:00:01.000000Z");
    }
}
