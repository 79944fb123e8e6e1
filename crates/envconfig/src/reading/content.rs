//! Content that goes to the app: variables and JSON. It may hold secrets by mistake, so it is never quoted.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Entry, Kind, Node, Value};
use crate::Code;

/// Environment variables; numbers and booleans become texts, as flyctl does.
pub(crate) fn variables(value: &Value<'_>) -> BTreeMap<String, String> {
    value.sink.hide_all(value.node);
    let Some(section) = value.section() else { return BTreeMap::new() };
    let mut variables = BTreeMap::new();
    for (entry, value) in section.all() {
        if is_variable_name(entry, &value)
            && let Some(text) = scalar(&value)
        {
            variables.insert(entry.name.clone(), text);
        }
    }
    variables
}

/// Whether the key can be a variable's name; reported when it cannot.
pub(crate) fn is_variable_name(entry: &Entry, value: &Value<'_>) -> bool {
    let bad = |c: char| c == '=' || c.is_whitespace() || c.is_control();
    let is_name = !entry.name.is_empty() && !entry.name.contains(bad);
    if !is_name {
        let what = format!("`{}` is not a variable's name", entry.name.escape_debug());
        let why = "it is not empty and has no space and no `=`";
        value.sink.error(Code::Malformed, &entry.span, &value.path, what, why, None);
    }
    is_name
}

/// A text, or a number or boolean as a text.
pub(crate) fn scalar(value: &Value<'_>) -> Option<String> {
    match &value.node.kind {
        Kind::Text(text) => Some(text.clone()),
        Kind::Integer(number) => Some(number.to_string()),
        Kind::Float(number) => Some(number.to_string()),
        Kind::Boolean(truth) => Some(truth.to_string()),
        Kind::Null | Kind::Datetime(_) | Kind::Array(_) | Kind::Table(_) => {
            value.wrong("a text, a number, true or false");
            None
        }
    }
}

/// Any value as JSON; dates are refused because JSON has none.
pub(crate) fn json(value: &Value<'_>) -> Option<Json> {
    value.sink.hide_all(value.node);
    let json = node_to_json(value.node);
    if json.is_none() {
        let why = "it holds a date or a number that JSON does not have";
        value.error(Code::WrongType, format!("`{}` cannot be written as JSON", value.path), why, None);
    }
    json
}

pub(super) fn node_to_json(node: &Node) -> Option<Json> {
    Some(match &node.kind {
        Kind::Null => Json::Null,
        Kind::Text(text) => Json::from(text.as_str()),
        Kind::Integer(number) => Json::from(*number),
        Kind::Float(number) => Json::Number(serde_json::Number::from_f64(*number)?),
        Kind::Boolean(truth) => Json::from(*truth),
        Kind::Datetime(_) => return None,
        Kind::Array(list) => Json::Array(list.iter().map(node_to_json).collect::<Option<_>>()?),
        Kind::Table(entries) => Json::Object(
            entries
                .iter()
                .map(|entry| Some((entry.name.clone(), node_to_json(&entry.node)?)))
                .collect::<Option<_>>()?,
        ),
    })
}
