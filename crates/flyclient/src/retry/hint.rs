//! `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.

use std::time::Duration;

use http::{HeaderMap, header};
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};

/// What the server asked for. A date is measured against the response's own `Date`, so that no clock of ours has to agree with
/// the server's; without one, and when unreadable, it is as if nothing had been asked.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| -> Option<Timestamp> {
        DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text.trim()).ok()
    };
    let until = date(text)?;
    let now = date(headers.get(header::DATE)?.to_str().ok()?)?;
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(retry_after_value: &str, date: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, retry_after_value.parse().unwrap());
        if let Some(date) = date {
            headers.insert(header::DATE, date.parse().unwrap());
        }
        retry_after(&headers)
    }

    #[test]
    fn seconds_and_dates_are_read() {
        let now = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(hint("120", None), Some(Duration::from_secs(120)));
        assert_eq!(hint("0", None), Some(Duration::ZERO));
        assert_eq!(hint("Sun, 06 Nov 1994 08:49:40 GMT", now), Some(Duration::from_secs(3)));
        assert_eq!(hint("Sun, 06 Nov 1994 08:49:30 GMT", now), Some(Duration::ZERO));
        assert_eq!(hint("Sun, 06 Nov 1994 08:49:40 GMT", None), None);
        assert_eq!(hint("soon", now), None);
        assert_eq!(hint("-1", now), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
