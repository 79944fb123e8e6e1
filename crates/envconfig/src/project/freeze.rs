//! `[environments.NAME] freeze`: windows in which nothing new comes.

use std::{fmt, str::FromStr};

use jiff::{
    civil::{DateTime, Time, Weekday},
    tz::TimeZoneDatabase,
};

use crate::{
    Code, Malformed, Resolved,
    reading::{Section, Value, suggest},
};

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];
const MINUTES_OF_A_DAY: u32 = 24 * 60;

/// An end of a window, by the clocks of its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    Weekly { weekday: Weekday, time: Time },
    Once(DateTime),
}

/// When a window is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreezeSpan {
    /// Every week; in minutes since Monday, 00:00. Where `to` is not later than `from` it is in the week after.
    Week {
        /// The first minute of it.
        from: u32,
        /// The first minute after it.
        to: u32,
    },
    /// Once.
    Once {
        /// The first instant of it.
        from: DateTime,
        /// The first instant after it.
        to: DateTime,
    },
}

/// A window in which nothing new comes into an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Freeze {
    /// When.
    pub span: FreezeSpan,
    /// By the clocks of which time zone, as the IANA names it.
    pub zone: String,
    /// Why.
    pub reason: String,
}

impl FromStr for Edge {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            let why = "it is a weekday with a time, such as `Fri 16:00`, or a date with a time, such as `2026-12-20T00:00`";
            Malformed::new(text, "an end of a freeze", why)
        };
        let (head, tail) = text.split_once([' ', 'T']).ok_or_else(wrong)?;
        let is_time = tail.len() == 5 && tail.as_bytes()[2] == b':';
        let time = tail.parse::<Time>().ok().filter(|_| is_time).ok_or_else(wrong)?;
        if let Some((_, weekday)) = WEEKDAYS.iter().find(|(name, _)| *name == head && text.contains(' ')) {
            return Ok(Self::Weekly { weekday: *weekday, time });
        }
        let date = head.parse::<jiff::civil::Date>().map_err(|_| wrong())?;
        if head.len() == 10 && text.contains('T') {
            Ok(Self::Once(date.to_datetime(time)))
        } else {
            Err(wrong())
        }
    }
}

fn minute_of_week(weekday: Weekday, time: Time) -> u32 {
    let day = u32::from(weekday.to_monday_zero_offset().unsigned_abs());
    let (hour, minute) = (u32::from(time.hour().unsigned_abs()), u32::from(time.minute().unsigned_abs()));
    day * MINUTES_OF_A_DAY + hour * 60 + minute
}

fn clock(minutes: u32) -> String {
    let day = usize::try_from(minutes / MINUTES_OF_A_DAY).unwrap_or_default() % WEEKDAYS.len();
    format!("{} {:02}:{:02}", WEEKDAYS[day].0, minutes % MINUTES_OF_A_DAY / 60, minutes % 60)
}

impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = match self.span {
            FreezeSpan::Week { from, to } => (clock(from), clock(to)),
            FreezeSpan::Once { from, to } => {
                (from.strftime("%Y-%m-%dT%H:%M").to_string(), to.strftime("%Y-%m-%dT%H:%M").to_string())
            }
        };
        write!(f, "{from} to {to} {} ({})", self.zone, self.reason)
    }
}

/// The windows of an environment; nothing where the key is not there.
pub(super) fn read(value: Option<Value<'_>>) -> Resolved<Vec<Freeze>> {
    let Some(value) = value else {
        return Resolved::default_of(Vec::new(), "nobody asked for a pause");
    };
    let windows = value.list().unwrap_or_default();
    value.found(windows.iter().filter_map(window).collect())
}

fn window(value: &Value<'_>) -> Option<Freeze> {
    let section = value.section()?;
    let edge = |key: &str, why: &str| section.require(key, why).and_then(|value| value.parse::<Edge>());
    let from = edge("from", "it says when the freeze begins");
    let to = edge("to", "it says when the freeze ends");
    let zone = zone(&section);
    let reason = section.require("reason", "whoever is stopped by it reads it");
    let reason = reason.and_then(|value| Some(value.text()?.to_owned()));
    section.finish();
    let span = span(value, from?, to?)?;
    Some(Freeze { span, zone: zone?, reason: reason? })
}

fn zone(section: &Section<'_>) -> Option<String> {
    let value = section.require("zone", "a time on the wall is another instant in each time zone")?;
    let text = value.text()?;
    let zones = TimeZoneDatabase::bundled();
    if zones.get(text).is_ok() {
        return Some(text.to_owned());
    }
    let names: Vec<String> = zones.available().map(|name| name.as_str().to_owned()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let near = suggest(text, &names).filter(|hint| hint.starts_with("did you mean"));
    let hint =
        near.unwrap_or_else(|| "write it as the IANA does, such as `Europe/Berlin` or `UTC`".to_owned());
    let error = Malformed::new(text, "a time zone", "the IANA's list of time zones has no such name");
    value.error(Code::Malformed, error.what_is_wrong(), error.why, Some(hint));
    None
}

fn span(value: &Value<'_>, from: Edge, to: Edge) -> Option<FreezeSpan> {
    let wrong = |what: String, why: &str, hint: &str| {
        value.error(Code::FreezeSpan, what, why, Some(hint.to_owned()));
        None
    };
    match (from, to) {
        (Edge::Once(from), Edge::Once(to)) if from < to => Some(FreezeSpan::Once { from, to }),
        (Edge::Once(_), Edge::Once(_)) => {
            let what = format!("`{}` ends before it begins", value.path);
            wrong(what, "it would never be closed", "exchange `from` and `to`")
        }
        (Edge::Weekly { weekday, time }, Edge::Weekly { weekday: last, time: end }) => {
            let (from, to) = (minute_of_week(weekday, time), minute_of_week(last, end));
            if from != to {
                return Some(FreezeSpan::Week { from, to });
            }
            let what = format!("`{}` begins when it ends", value.path);
            let hint = "give it an end; what is to be closed until somebody says otherwise is locked: `promote lock`";
            wrong(what, "it would be closed for ever, or never", hint)
        }
        (Edge::Weekly { .. }, Edge::Once(_)) | (Edge::Once(_), Edge::Weekly { .. }) => {
            let what = format!("`{}` has a weekday at one end and a date at the other", value.path);
            wrong(what, "it comes every week or once", "write both ends as weekdays, or both as dates")
        }
    }
}
