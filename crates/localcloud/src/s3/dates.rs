//! Instants as S3 writes and reads them, all in whole seconds.

use jiff::{Timestamp, civil::DateTime, fmt::rfc2822, tz::TimeZone};

fn timestamp(s: u64) -> Timestamp {
    i64::try_from(s).ok().and_then(|s| Timestamp::from_second(s).ok()).unwrap_or(Timestamp::MAX)
}

/// `Fri, 24 May 2013 00:00:00 GMT` (RFC 9110, 5.6.7), for `Date` and `Last-Modified`.
pub(super) fn http(s: u64) -> String {
    rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&timestamp(s)).unwrap_or_default()
}

/// Reads what [`http`] writes.
pub(super) fn read_http(text: &str) -> Option<u64> {
    u64::try_from(rfc2822::parse(text).ok()?.timestamp().as_second()).ok()
}

/// `2013-05-24T00:00:00.000Z`, for lists.
pub(super) fn listed(s: u64) -> String {
    format!("{:.3}", timestamp(s))
}

/// Reads `20130524T000000Z`, the form of `x-amz-date`.
pub(super) fn read_signed(text: &str) -> Option<u64> {
    let is_whole = text.len() == "20130524T000000Z".len();
    let time = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok().filter(|_| is_whole)?;
    u64::try_from(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The instant of the examples in the API Reference, 1 369 353 600 s after 1970.
    #[test]
    fn one_instant_in_all_forms() {
        const AT: u64 = 1_369_353_600;
        assert_eq!(http(AT), "Fri, 24 May 2013 00:00:00 GMT");
        assert_eq!(read_http(&http(AT)), Some(AT));
        assert_eq!(listed(AT), "2013-05-24T00:00:00.000Z");
        assert_eq!(read_signed("20130524T000000Z"), Some(AT));
        for bad in
            ["", "20130524", "20130524T000000", "20130524T000000Zx", "20131324T000000Z", "19690524T000000Z"]
        {
            assert_eq!(read_signed(bad), None, "{bad}");
        }
    }
}
