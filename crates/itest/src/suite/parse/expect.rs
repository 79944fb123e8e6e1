//! `expect`: what a step demands of the answer.

use http::StatusCode;
use regex::Regex;

use super::{
    reader::{Entry, Table},
    scope::Scope,
    step::{first_reason, header_name, json_path},
};
use crate::{
    duration,
    suite::assertion::{Assertion, Check, Expect, JsonType, Order, StatusMatch, Subject},
    template::Template,
    variables::Variables,
};

/// The assertions in the order of the file. A step that does not speak of the status expects a 2xx.
pub(super) fn expect(step: &Table<'_, '_>, scope: &Scope, step_line: usize) -> Option<Vec<Assertion>> {
    let implied = Assertion {
        line: step_line,
        expect: Expect::Status { any_of: vec![StatusMatch::Class(2)], implied: true },
    };
    let Some(entry) = step.get("expect") else { return Some(vec![implied]) };
    let table = entry.table()?;
    let mut assertions = Vec::new();
    match table.get("status") {
        Some(entry) => {
            assertions.extend(status(&entry).map(|expect| Assertion { line: entry.line(), expect }));
        }
        None => assertions.push(implied),
    }
    if let Some(entry) = table.get("duration") {
        assertions.extend(below(&entry).map(|expect| Assertion { line: entry.line(), expect }));
    }
    for entry in table.free("headers") {
        if let Some(name) = header_name(&entry) {
            assertions.extend(checks(&entry, scope, &Subject::Header(name)));
        }
    }
    for entry in table.free("json") {
        if let Some(path) = json_path(&entry, &entry.key) {
            assertions.extend(checks(&entry, scope, &Subject::Json(path)));
        }
    }
    if let Some(entry) = table.get("body") {
        assertions.extend(checks(&entry, scope, &Subject::Body));
    }
    table.finish();
    assertions.sort_by_key(|assertion| assertion.line);
    Some(assertions)
}

fn status(entry: &Entry<'_, '_>) -> Option<Expect> {
    let items = if entry.is_array() { entry.array()? } else { vec![entry.clone()] };
    let any_of: Vec<_> = items.iter().map(status_match).collect::<Option<_>>()?;
    if any_of.is_empty() {
        return entry.problem("`status` lists no status, so no answer could be right");
    }
    Some(Expect::Status { any_of, implied: false })
}

fn status_match(entry: &Entry<'_, '_>) -> Option<StatusMatch> {
    let shape = "a status is a number such as 200, a class such as \"2xx\", or a list of them";
    let found = if entry.is_string() {
        StatusMatch::parse(&entry.string()?)
    } else {
        let status = u16::try_from(entry.integer()?).ok().and_then(|n| StatusCode::from_u16(n).ok());
        status.map(StatusMatch::Exact)
    };
    found.or_else(|| entry.problem(shape))
}

fn below(entry: &Entry<'_, '_>) -> Option<Expect> {
    let text = entry.string()?;
    let limit = text.strip_prefix('<').and_then(|rest| duration::parse(rest.trim()));
    match limit {
        Some(limit) => Some(Expect::Below(limit)),
        None => entry
            .problem(format!("`duration` is a limit such as \"< 500ms\": a `<` and {}", duration::SPELLINGS)),
    }
}

/// The checks on one subject: a plain value means `equals`, a table holds operators.
fn checks(entry: &Entry<'_, '_>, scope: &Scope, subject: &Subject) -> Vec<Assertion> {
    let part = |entry: &Entry<'_, '_>, check: Check| Assertion {
        line: entry.line(),
        expect: Expect::Part { subject: subject.clone(), check },
    };
    if !entry.is_table() {
        return equals(entry, scope, subject, false).map(|check| part(entry, check)).into_iter().collect();
    }
    let Some(table) = entry.table() else { return Vec::new() };
    let mut found = Vec::new();
    let keys: &[&str] = match subject {
        Subject::Json(_) => &JSON_KEYS,
        Subject::Header(_) => &TEXT_KEYS,
        Subject::Body => &BODY_KEYS,
    };
    for key in keys {
        let Some(operator) = table.get(key) else { continue };
        if *key == "sha256" {
            let expect = sha256(&operator, scope);
            found.extend(expect.map(|expect| Assertion { line: operator.line(), expect }));
        } else if *key == "length" && operator.is_table() {
            let checks = length_limits(&operator, scope);
            found.extend(checks.into_iter().map(|check| part(&operator, check)));
        } else {
            found.extend(check(&operator, scope, subject).map(|check| part(&operator, check)));
        }
    }
    table.finish();
    if table.entries().is_empty() {
        entry.problem::<()>(format!("`{}` expects nothing: {}", entry.key, keys.join(", ")));
    }
    found
}

const TEXT_KEYS: [&str; 7] =
    ["equals", "not-equals", "contains", "not-contains", "matches", "not-matches", "exists"];
const BODY_KEYS: [&str; 7] =
    ["equals", "not-equals", "contains", "not-contains", "matches", "not-matches", "sha256"];
const JSON_KEYS: [&str; 13] = [
    "equals",
    "not-equals",
    "contains",
    "not-contains",
    "matches",
    "not-matches",
    "exists",
    "type",
    "length",
    "less-than",
    "at-most",
    "at-least",
    "greater-than",
];

fn check(operator: &Entry<'_, '_>, scope: &Scope, subject: &Subject) -> Option<Check> {
    match operator.key.as_str() {
        "equals" => equals(operator, scope, subject, false),
        "not-equals" => equals(operator, scope, subject, true),
        "contains" => contains(operator, scope, subject, false),
        "not-contains" => contains(operator, scope, subject, true),
        "matches" => matches(operator, scope, false),
        "not-matches" => matches(operator, scope, true),
        "exists" => operator.boolean().map(Check::Exists),
        "type" => json_type(operator),
        "length" => limit(operator, scope).map(|limit| Check::Length { order: Order::Equal, limit }),
        key => {
            let order = order(key)?;
            limit(operator, scope).map(|limit| Check::Compare { order, limit })
        }
    }
}

fn order(key: &str) -> Option<Order> {
    match key {
        "less-than" => Some(Order::LessThan),
        "at-most" => Some(Order::AtMost),
        "at-least" => Some(Order::AtLeast),
        "greater-than" => Some(Order::GreaterThan),
        _ => None,
    }
}

fn value(
    operator: &Entry<'_, '_>,
    scope: &Scope,
    subject: &Subject,
) -> Option<crate::template::JsonTemplate> {
    if !matches!(subject, Subject::Json(_)) {
        // Headers and bodies are text: `0` would never equal "0".
        operator.string()?;
    }
    scope.json(operator)
}

fn equals(operator: &Entry<'_, '_>, scope: &Scope, subject: &Subject, negated: bool) -> Option<Check> {
    Some(Check::Equals { value: value(operator, scope, subject)?, negated })
}

fn contains(operator: &Entry<'_, '_>, scope: &Scope, subject: &Subject, negated: bool) -> Option<Check> {
    Some(Check::Contains { value: value(operator, scope, subject)?, negated })
}

/// Values that are filled in stand for themselves, so the pattern can be tried with any text.
fn matches(operator: &Entry<'_, '_>, scope: &Scope, negated: bool) -> Option<Check> {
    let pattern = scope.template(operator)?;
    let sample: Variables = pattern.names().map(|name| (name.to_owned(), "x")).collect();
    match Regex::new(&pattern.fill(&sample).unwrap_or_default()) {
        Ok(_) => Some(Check::Matches { pattern, negated }),
        Err(error) => operator.problem(format!("not a regular expression: {}", first_reason(&error))),
    }
}

fn json_type(operator: &Entry<'_, '_>) -> Option<Check> {
    let name = operator.string()?;
    let found = JsonType::ALL.iter().find(|(known, _)| *known == name);
    match found {
        Some((_, kind)) => Some(Check::Type(*kind)),
        None => {
            let names: Vec<_> = JsonType::ALL.iter().map(|(name, _)| *name).collect();
            operator.problem(format!("`{name}` is no JSON type: one of {}", names.join(", ")))
        }
    }
}

/// A number, or one placeholder that becomes a number.
fn limit(operator: &Entry<'_, '_>, scope: &Scope) -> Option<crate::template::JsonTemplate> {
    let value = operator.json()?;
    let placeholder = value.as_str().is_some_and(|text| Template::parse(text).names().count() == 1);
    if value.is_number() || placeholder {
        scope.json(operator)
    } else {
        operator.problem(format!("`{}` must be a number", operator.key))
    }
}

fn length_limits(entry: &Entry<'_, '_>, scope: &Scope) -> Vec<Check> {
    let Some(table) = entry.table() else { return Vec::new() };
    let found = ["less-than", "at-most", "at-least", "greater-than"]
        .into_iter()
        .filter_map(|key| {
            let limit = limit(&table.get(key)?, scope)?;
            Some(Check::Length { order: order(key)?, limit })
        })
        .collect();
    table.finish();
    found
}

fn sha256(operator: &Entry<'_, '_>, scope: &Scope) -> Option<Expect> {
    let template = scope.template(operator)?;
    let text = operator.string()?;
    let is_hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if is_hex || template.names().next().is_some() {
        Some(Expect::BodySha256(template))
    } else {
        operator.problem("`sha256` is 64 lower-case hex digits")
    }
}
