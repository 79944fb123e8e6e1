//! `[env]`: variables. flyctl makes a text of everything, in the way of Go.

use std::collections::BTreeMap;

use crate::{
    Code, Severity,
    reading::{self, Entry, Kind, Node, Value},
};

/// The variables; what is no text becomes what Go's `%v` prints for it, and is reported. Values are never quoted.
pub(super) fn read(value: &Value<'_>) -> BTreeMap<String, String> {
    value.sink.hide_all(value.node);
    let Some(section) = value.section() else { return BTreeMap::new() };
    let mut variables = BTreeMap::new();
    for (entry, value) in section.all() {
        if !reading::is_variable_name(entry, &value) {
            continue;
        }
        let printed = printed(value.node, value.sink.is_json());
        if !matches!(value.node.kind, Kind::Text(_)) {
            report(entry, &value, &printed);
        }
        variables.insert(entry.name.clone(), printed);
    }
    variables
}

/// Where each variable stands.
pub(super) fn places(value: &Value<'_>) -> BTreeMap<String, (u32, u32)> {
    let Kind::Table(entries) = &value.node.kind else { return BTreeMap::new() };
    entries.iter().map(|entry| (entry.name.clone(), value.sink.position(entry.span.start))).collect()
}

fn report(entry: &Entry, value: &Value<'_>, printed: &str) {
    let kind = &value.node.kind;
    // Nothing has no place of its own.
    let span = if matches!(kind, Kind::Null) { &entry.span } else { value.span() };
    let what = format!("`{}` is {}, and variables are texts", value.path, kind.called());
    let is_scalar = matches!(kind, Kind::Integer(_) | Kind::Float(_) | Kind::Boolean(_));
    let (severity, why) = if !is_scalar {
        let why = "flyctl writes it as Go prints it, such as `map[a:b]`, `[a b]` or `<nil>`, which no program expects";
        (Severity::Warning, why)
    } else if value.sink.text_at(span) == printed {
        (Severity::Note, "flyctl writes it as a text")
    } else {
        let why =
            "flyctl writes it as another text: `3.10` becomes `3.1`, and a large number gets an exponent";
        (Severity::Warning, why)
    };
    let hint = match is_scalar {
        true => "write it in quotes",
        false => "write a text; what is secret goes into `fly secrets set`",
    };
    let hint = Some(hint.to_owned());
    value.sink.report(severity, Code::EnvNotText, span, &value.path, what, why, hint);
}

/// What Go's `%v` prints: maps sorted by key, lists with blanks. Every number of JSON is a fraction there.
fn printed(node: &Node, is_json: bool) -> String {
    let printed = |node| printed(node, is_json);
    match &node.kind {
        Kind::Null => "<nil>".to_owned(),
        Kind::Text(text) | Kind::Datetime(text) => text.clone(),
        Kind::Integer(number) if is_json => float(*number as f64),
        Kind::Integer(number) => number.to_string(),
        Kind::Float(number) => float(*number),
        Kind::Boolean(truth) => truth.to_string(),
        Kind::Array(list) => format!("[{}]", list.iter().map(printed).collect::<Vec<_>>().join(" ")),
        Kind::Table(entries) => {
            let entries: BTreeMap<&str, String> =
                entries.iter().map(|entry| (entry.name.as_str(), printed(&entry.node))).collect();
            let entries: Vec<String> =
                entries.into_iter().map(|(name, value)| format!("{name}:{value}")).collect();
            format!("map[{}]", entries.join(" "))
        }
    }
}

/// The shortest digits that read back; with an exponent of at least two digits below 1e-4 and from 1e6 on.
fn float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    if number == 0.0 || (1e-4..1e6).contains(&number.abs()) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Go, package fmt, "%v for floating point is %g", and strconv: with the shortest digits, %e is used when the exponent
    /// is below -4 or at least 6; the exponent has at least two digits.
    #[test]
    fn fractions_are_printed_as_go_does() {
        for (number, text) in [
            (1.0, "1"),
            (1.5, "1.5"),
            (-0.25, "-0.25"),
            (100_000.0, "100000"),
            (999_999.5, "999999.5"),
            (1_000_000.0, "1e+06"),
            (-123_456_789.0, "-1.23456789e+08"),
            (1e21, "1e+21"),
            (2.5e-7, "2.5e-07"),
            (0.0001, "0.0001"),
            (1e100, "1e+100"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(float(number), text);
        }
    }
}
