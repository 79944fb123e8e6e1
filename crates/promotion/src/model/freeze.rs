//! Freezes: times in which nothing new comes into an environment, by the project file's calendar.

use std::fmt;

use jiff::civil;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use super::At;

/// Minutes of a week.
const WEEK: u32 = 7 * DAY;
const DAY: u32 = 24 * 60;
/// Windows that follow one another without a gap are walked through to the next opening, this many at most: more would
/// be a calendar without any opening.
const IN_A_ROW_MAX: usize = 64;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// When a window is closed, by the clocks of its zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "every", rename_all = "kebab-case")]
pub enum FreezeSpan {
    /// Every week.
    Week {
        /// Minutes since Monday, 00:00.
        from: u32,
        /// Minutes since Monday, 00:00; not later than `from` means in the week after.
        to: u32,
    },
    /// Once.
    Once {
        /// The first instant of it.
        from: civil::DateTime,
        /// The first instant after it.
        to: civil::DateTime,
    },
}

/// A window in which nothing new comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeWindow {
    /// When.
    pub span: FreezeSpan,
    /// By the clocks of which time zone, as the IANA names it.
    pub zone: String,
    /// Why.
    pub reason: String,
}

impl FreezeWindow {
    /// Until when the window is closed, where it is closed at `now`. Where clocks are put forward or back at one of its
    /// ends it is the longer span. Fails where nobody knows the zone.
    pub fn closed_until(&self, now: At) -> Result<Option<At>, String> {
        let unknown = || format!("nobody here knows the time zone `{}`", self.zone);
        let zone = TimeZoneDatabase::bundled().get(&self.zone).map_err(|_| unknown())?;
        match &self.span {
            FreezeSpan::Once { from, to } => Ok(within(&zone, now, *from, *to)),
            FreezeSpan::Week { from, to } => {
                let Ok(instant) = Timestamp::from_millisecond(now.0) else { return Ok(None) };
                let today = zone.to_datetime(instant).date();
                let length = if to > from { to - from } else { to + WEEK - from };
                // The one of this week, and the one of last week where it reaches into this one.
                let weeks = [0_i64, 7].into_iter().filter_map(|earlier| {
                    let back = i64::from(today.weekday().to_monday_zero_offset()) + earlier;
                    let monday = today.checked_sub(Span::new().try_days(back).ok()?).ok()?;
                    let begin = minutes_on(monday, *from)?;
                    within(&zone, now, begin, minutes_on(monday, from + length)?)
                });
                Ok(weeks.max())
            }
        }
    }
}

/// So many minutes after the beginning of `day`, by the clock on the wall.
fn minutes_on(day: civil::Date, minutes: u32) -> Option<civil::DateTime> {
    let at = day.at(0, 0, 0, 0).checked_add(Span::new().try_minutes(i64::from(minutes)).ok()?);
    at.ok()
}

fn within(zone: &TimeZone, now: At, from: civil::DateTime, to: civil::DateTime) -> Option<At> {
    let from = zone.to_ambiguous_timestamp(from).earlier().ok()?.as_millisecond();
    let to = zone.to_ambiguous_timestamp(to).later().ok()?.as_millisecond();
    (from <= now.0 && now.0 < to).then_some(At(to))
}

impl fmt::Display for FreezeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = |minutes: u32| {
            let day = DAYS[usize::try_from(minutes / DAY).unwrap_or_default() % DAYS.len()];
            format!("{day} {:02}:{:02}", minutes % DAY / 60, minutes % 60)
        };
        let (from, to) = match &self.span {
            FreezeSpan::Week { from, to } => (clock(*from), clock(*to)),
            FreezeSpan::Once { from, to } => (format!("{from:.0}"), format!("{to:.0}")),
        };
        write!(f, "{from} to {to} {}: {}", self.zone, self.reason)
    }
}

/// What is closed at an instant, and when all of it is open again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen<'w> {
    /// The window.
    pub window: &'w FreezeWindow,
    /// From when on no window is closed: the next opening.
    pub until: At,
}

/// The first of `windows` that is closed at `now`, with the next instant at which none is.
pub fn frozen(windows: &[FreezeWindow], now: At) -> Result<Option<Frozen<'_>>, String> {
    let closed = |at: At| -> Result<Option<(&FreezeWindow, At)>, String> {
        for window in windows {
            if let Some(until) = window.closed_until(at)? {
                return Ok(Some((window, until)));
            }
        }
        Ok(None)
    };
    let Some((window, mut until)) = closed(now)? else { return Ok(None) };
    for _ in 0..IN_A_ROW_MAX {
        match closed(until)? {
            Some((_, later)) => until = later,
            None => break,
        }
    }
    Ok(Some(Frozen { window, until }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> At {
        text.parse().unwrap()
    }

    fn weekend(zone: &str) -> FreezeWindow {
        let span = FreezeSpan::Week { from: 4 * DAY + 16 * 60, to: 8 * 60 };
        FreezeWindow { span, zone: zone.to_owned(), reason: "weekend".to_owned() }
    }

    /// 2026-11-20 is a Friday; Berlin is an hour ahead of UTC in winter (IANA, Europe/Berlin).
    #[test]
    fn a_week_has_its_window_by_the_clocks_of_its_zone() {
        let closed = |now: &str| weekend("Europe/Berlin").closed_until(at(now)).unwrap();
        assert_eq!(closed("2026-11-20T14:59:59.999Z"), None);
        assert_eq!(closed("2026-11-20T15:00:00Z"), Some(at("2026-11-23T07:00:00Z")));
        assert_eq!(closed("2026-11-23T06:59:59.999Z"), Some(at("2026-11-23T07:00:00Z")));
        assert_eq!(closed("2026-11-23T07:00:00Z"), None);
        assert_eq!(weekend("Europe/Berlin").to_string(), "Fri 16:00 to Mon 08:00 Europe/Berlin: weekend");
    }

    /// Berlin's clocks go back on 2026-10-25 and forward on 2026-03-29, both Sundays: the window ends at 08:00 on the
    /// wall, in winter 07:00 UTC and in summer 06:00 UTC.
    #[test]
    fn clocks_that_change_within_a_window_move_its_end() {
        let closed = |now: &str| weekend("Europe/Berlin").closed_until(at(now)).unwrap();
        assert_eq!(closed("2026-10-23T14:00:00Z"), Some(at("2026-10-26T07:00:00Z")));
        assert_eq!(closed("2026-10-23T13:59:59Z"), None, "16:00 of summer is 14:00 UTC");
        assert_eq!(closed("2026-03-27T15:00:00Z"), Some(at("2026-03-30T06:00:00Z")));
    }

    /// 02:30 of 2026-10-25 is there twice in Berlin, 00:30 UTC and 01:30 UTC; of 2026-03-29 it is not there at all.
    #[test]
    fn an_end_that_is_there_twice_or_not_at_all_makes_the_span_longer() {
        let once = |from: &str, to: &str| FreezeWindow {
            span: FreezeSpan::Once { from: from.parse().unwrap(), to: to.parse().unwrap() },
            zone: "Europe/Berlin".to_owned(),
            reason: "clocks".to_owned(),
        };
        let night = once("2026-10-25T02:30", "2026-10-25T02:45");
        assert_eq!(night.closed_until(at("2026-10-25T00:30:00Z")), Ok(Some(at("2026-10-25T01:45:00Z"))));
        assert_eq!(night.closed_until(at("2026-10-25T00:29:59Z")), Ok(None));
        let gap = once("2026-03-29T01:00", "2026-03-29T02:30");
        assert_eq!(gap.closed_until(at("2026-03-29T01:15:00Z")), Ok(Some(at("2026-03-29T01:30:00Z"))));
    }

    #[test]
    fn the_next_opening_is_when_no_window_is_closed() {
        let holiday = FreezeWindow {
            span: FreezeSpan::Once {
                from: "2026-12-24T00:00".parse().unwrap(),
                to: "2026-12-27T12:00".parse().unwrap(),
            },
            zone: "UTC".to_owned(),
            reason: "holidays".to_owned(),
        };
        // 2026-12-27 is a Sunday: the weekend goes on behind the holidays, until Monday 08:00.
        let windows = [holiday, weekend("UTC")];
        let found = frozen(&windows, at("2026-12-24T00:00:00Z")).unwrap().unwrap();
        assert_eq!((found.window.reason.as_str(), found.until), ("holidays", at("2026-12-28T08:00:00Z")));
        assert_eq!(frozen(&windows, at("2026-12-28T08:00:00Z")), Ok(None));
    }

    #[test]
    fn a_zone_that_nobody_knows_is_no_open_window() {
        let why = weekend("Europe/Atlantis").closed_until(At(0)).unwrap_err();
        assert!(why.contains("`Europe/Atlantis`"), "{why}");
    }
}
