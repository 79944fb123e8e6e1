//! Health checks, of services and of the app.

use flytypes::{
    GoDuration,
    machine::{Check, CheckHeader},
};

use super::tolerant::{self, Outside, Unit};
use crate::{
    Code, Malformed, Severity,
    reading::{self, Kind, Section, Value},
};

/// Which rules a check follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kinded {
    /// `http_checks`, or `checks` of a service with a type of their own.
    ServiceHttp,
    /// `tcp_checks`.
    ServiceTcp,
    /// `[checks.NAME]`.
    Top,
}

const SECOND: fn(u32) -> GoDuration = GoDuration::from_secs;

/// Reads a check's keys; the caller finishes the section.
pub(super) fn read(section: &Section<'_>, kinded: Kinded) -> Check {
    let default_type = if kinded == Kinded::ServiceTcp { "tcp" } else { "http" };
    // flyctl has no default for checks of the app.
    let given = match kinded {
        Kinded::Top => section.require("type", "it is `http` or `tcp`, and flyctl has no default"),
        Kinded::ServiceHttp | Kinded::ServiceTcp => section.get("type"),
    };
    let check_type = given.and_then(|value| check_type(&value));
    let mut check = Check {
        check_type: check_type.unwrap_or_else(|| default_type.to_owned()),
        interval: None,
        ..Check::default()
    };
    times(section, kinded, &mut check);
    // Only apps on Fly's first platform had it; flyctl still reads it.
    section.get("restart_limit");
    if check.check_type == "http" {
        http(section, &mut check);
    }
    check
}

fn check_type(value: &Value<'_>) -> Option<String> {
    const WORDS: &[&str] = &["http", "tcp"];
    let text = value.text()?.to_ascii_lowercase();
    if !WORDS.contains(&text.as_str()) {
        value.malformed(&Malformed::none_of(&text, "a type of checks", WORDS));
        return None;
    }
    Some(text)
}

/// Service checks: clamped to 1 s to 1 min, a grace period may be 0. Checks of the app: an interval below 2 s and a
/// timeout above 60 s are refused.
fn times(section: &Section<'_>, kinded: Kinded, check: &mut Check) {
    let (interval, timeout) = match kinded {
        Kinded::ServiceHttp | Kinded::ServiceTcp => (SECOND(1)..=SECOND(60), SECOND(1)..=SECOND(60)),
        Kinded::Top => (SECOND(2)..=SECOND(u32::MAX), GoDuration::ZERO..=SECOND(60)),
    };
    let grace = match kinded {
        Kinded::ServiceHttp | Kinded::ServiceTcp => SECOND(1)..=SECOND(60),
        Kinded::Top => GoDuration::ZERO..=SECOND(u32::MAX),
    };
    let outside = if kinded == Kinded::Top { Outside::Refused } else { Outside::Clamped };
    let get = |key: &str, range, zero_is_fine| {
        let value = section.get(key)?;
        tolerant::clamped(&value, Unit::Milliseconds, range, zero_is_fine, outside)
    };
    check.interval = get("interval", interval, false);
    check.timeout = get("timeout", timeout, false);
    check.grace_period = get("grace_period", grace, true);
}

fn http(section: &Section<'_>, check: &mut Check) {
    let text = |key: &str| section.get(key).and_then(|value| value.text().map(str::to_owned));
    check.method = text("method").map(|method| method.to_ascii_uppercase());
    check.path = text("path");
    if let Some(value) = section.get("path")
        && check.path.as_ref().is_some_and(|path| !path.is_empty() && !path.starts_with('/'))
    {
        let what = format!("`{}` does not begin with `/`", value.path);
        let why = "a request asks for an absolute path (RFC 9112, 3.2.1)";
        let hint = Some(format!("write `\"/{}\"`", check.path.as_deref().unwrap_or_default()));
        let (span, path) = (value.span(), &value.path);
        value.sink.report(Severity::Warning, Code::CheckPath, span, path, what, why, hint);
    }
    check.protocol = text("protocol");
    check.tls_server_name = text("tls_server_name");
    check.tls_skip_verify = section.get("tls_skip_verify").and_then(|value| value.boolean());
    check.headers = section.get("headers").map(|value| headers(&value)).unwrap_or_default();
}

/// Headers: a table, or a list of tables with `name` and `value`. In the order of the file.
fn headers(value: &Value<'_>) -> Vec<CheckHeader> {
    value.sink.hide_all(value.node);
    let header = |name: String, text: String| CheckHeader { name, values: vec![text] };
    if matches!(value.node.kind, Kind::Table(_)) {
        let Some(section) = value.section() else { return Vec::new() };
        let all = section.all();
        let read = all.iter().filter_map(|(entry, v)| Some(header(entry.name.clone(), reading::scalar(v)?)));
        return read.collect();
    }
    let mut list = Vec::new();
    for section in value.one_or_many().iter().filter_map(Value::section) {
        let name = section.require("name", "a header has a name").and_then(|v| reading::scalar(&v));
        let text = section.get("value").and_then(|v| reading::scalar(&v)).unwrap_or_default();
        section.finish();
        list.extend(name.map(|name| header(name, text)));
    }
    list
}
