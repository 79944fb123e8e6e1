//! Values in the several forms that real files have.

use flytypes::{GoDuration, machine::Autostop};
use serde::de::DeserializeOwned;

use super::{shell, size};
use crate::{
    Code, Malformed, Severity,
    reading::{self, Kind, Value},
};

/// What an integer counts when it stands for a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// `kill_timeout`.
    Seconds,
    /// Checks.
    Milliseconds,
    /// What flyctl hands to the API without looking: the timeouts of `[deploy]` and of machine checks.
    Nanoseconds,
}

/// A port, as an integer or a text.
pub(super) fn port(value: &Value<'_>) -> Option<u16> {
    match &value.node.kind {
        Kind::Text(text) => match text.parse::<u16>() {
            Ok(port) if port > 0 => Some(port),
            _ => {
                value.malformed(&Malformed::new(text, "a port", "it is a number from 1 to 65535"));
                None
            }
        },
        _ => value.integer(1..=65535).and_then(|port| u16::try_from(port).ok()),
    }
}

/// A duration: a Go duration, or an integer in `unit`. An empty text is no duration.
pub(super) fn duration(value: &Value<'_>, unit: Unit) -> Option<GoDuration> {
    match &value.node.kind {
        Kind::Text(text) if text.is_empty() => None,
        Kind::Text(_) => value.parse_as("a duration"),
        // flyctl cuts a fraction before it multiplies.
        Kind::Float(number) if (0.0..=f64::from(u32::MAX)).contains(number) => {
            whole(number.trunc() as i64, unit)
        }
        Kind::Integer(_) => whole(value.integer(0..=i64::from(u32::MAX))?, unit),
        _ => {
            value.wrong("a duration such as \"10s\"");
            None
        }
    }
}

fn whole(number: i64, unit: Unit) -> Option<GoDuration> {
    let number = u32::try_from(number).ok()?;
    match unit {
        Unit::Seconds => Some(GoDuration::from_secs(number)),
        Unit::Milliseconds => Some(GoDuration::from_millis(number)),
        Unit::Nanoseconds => GoDuration::from_nanos(u64::from(number)).ok(),
    }
}

/// What happens to a duration that Fly does not accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outside {
    /// The nearest bound is taken.
    Clamped,
    /// flyctl refuses the file.
    Refused,
}

/// A duration within `range`; outside of it the nearest bound is taken and said.
pub(super) fn clamped(
    value: &Value<'_>,
    unit: Unit,
    range: std::ops::RangeInclusive<GoDuration>,
    zero_is_fine: bool,
    outside: Outside,
) -> Option<GoDuration> {
    let duration = duration(value, unit)?;
    if range.contains(&duration) || (zero_is_fine && duration == GoDuration::ZERO) {
        return Some(duration);
    }
    if outside == Outside::Refused {
        let what = format!("`{}` is {duration}, which Fly does not accept", value.path);
        let why = match range.start() {
            &GoDuration::ZERO => format!("it is at most {}", range.end()),
            start => format!("it is at least {start}"),
        };
        value.error(Code::Clamped, what, why, None);
        return None;
    }
    let bound = duration.clamp(*range.start(), *range.end());
    let what = format!("`{}` is {duration}, and Fly takes {bound} instead", value.path);
    let why = format!("it accepts {} to {}", range.start(), range.end());
    value.sink.report(Severity::Warning, Code::Clamped, value.span(), &value.path, what, why, None);
    Some(bound)
}

/// A size: a text with a unit, or a number in the unit that is meant.
pub(super) fn size(value: &Value<'_>, base: size::Base) -> Option<u32> {
    let text = match &value.node.kind {
        Kind::Text(text) => text.clone(),
        Kind::Integer(number) => number.to_string(),
        _ => {
            value.wrong("a size such as \"1gb\"");
            return None;
        }
    };
    let size = size::parse(&text, base).filter(|size| *size > 0);
    if size.is_none() {
        value.malformed(&Malformed::new(
            &text,
            "a size",
            "it is a number with a unit, such as `512mb` or `1gb`",
        ));
    }
    size
}

/// `auto_stop_machines`: a boolean or a word.
pub(super) fn autostop(value: &Value<'_>) -> Option<Autostop> {
    const WORDS: &[&str] = &["off", "stop", "suspend"];
    match &value.node.kind {
        Kind::Boolean(true) => Some(Autostop::Stop),
        Kind::Boolean(false) => Some(Autostop::Off),
        Kind::Text(text) => match text.as_str() {
            "off" | "false" => Some(Autostop::Off),
            "stop" | "true" => Some(Autostop::Stop),
            "suspend" => Some(Autostop::Suspend),
            _ => {
                value.malformed(&Malformed::none_of(text, "a value of auto_stop_machines", WORDS));
                None
            }
        },
        _ => {
            value.wrong("true, false, \"off\", \"stop\" or \"suspend\"");
            None
        }
    }
}

/// A list of texts, or one text that is the list's only item.
pub(super) fn texts(value: &Value<'_>) -> Vec<String> {
    value.one_or_many().iter().filter_map(|item| item.text().map(str::to_owned)).collect()
}

/// A command: a list of words, or a text that is split like in a shell.
pub(super) fn command(value: &Value<'_>) -> Vec<String> {
    let Kind::Text(text) = &value.node.kind else { return texts(value) };
    shell::split(text).unwrap_or_else(|error| {
        let what = format!("the command of `{}` cannot be split into words", value.path);
        value.error(Code::Malformed, what, error.to_string(), None);
        Vec::new()
    })
}

/// A table that the API takes as it is. What it does not know comes back in `other` and is reported.
pub(super) fn passed<T: DeserializeOwned>(
    value: &Value<'_>,
    other: impl Fn(&T) -> &flytypes::machine::Other,
) -> Option<T> {
    let section = value.section()?;
    let json = reading::json(value)?;
    let Ok(read) = serde_json::from_value::<T>(json) else {
        // serde's own message would quote the value.
        let what = format!("`{}` has a value of the wrong type", value.path);
        value.error(Code::WrongType, what, "Fly could not read it", None);
        return None;
    };
    for (entry, _) in section.rest() {
        if !other(&read).contains_key(&entry.name) {
            section.get(&entry.name);
        }
    }
    section.finish();
    Some(read)
}
