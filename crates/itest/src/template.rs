//! Texts and JSON values with `{{name}}` in them.
//!
//! A placeholder is `{{`, a variable's name (blanks around it are allowed) and `}}`. Anything else in double
//! braces stays as it is, so that posted source code passes untouched; `\{{name}}` is a literal `{{name}}`.

use serde_json::{Map, Value};

use crate::variables::{Variables, as_text, is_name};

/// A text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(String),
}

/// The variable that a placeholder names has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the variable `{0}` has no value")]
pub(crate) struct Undefined(pub(crate) String);

impl Template {
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(open) = rest.find("{{") {
            let (before, from) = rest.split_at(open);
            let name = from.find("}}").map(|close| (from[2..close].trim(), close + 2));
            match name.filter(|(name, _)| is_name(name)) {
                Some((_, end)) if before.ends_with('\\') => {
                    literal.push_str(&before[..before.len() - 1]);
                    literal.push_str(&from[..end]);
                    rest = &from[end..];
                }
                Some((name, end)) => {
                    literal.push_str(before);
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Name(name.to_owned()));
                    rest = &from[end..];
                }
                None => {
                    literal.push_str(before);
                    literal.push('{');
                    rest = &from[1..];
                }
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Self(parts)
    }

    /// The variables that the text needs.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Name(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The variable that is the whole text, if it is just one placeholder.
    fn whole(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Name(name)] => Some(name),
            _ => None,
        }
    }

    /// The text with every placeholder replaced by what `fill` makes of its value.
    pub(crate) fn fill_with(
        &self,
        variables: &Variables,
        fill: impl Fn(&Value) -> String,
    ) -> Result<String, Undefined> {
        self.0.iter().try_fold(String::new(), |mut text, part| {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Name(name) => {
                    text.push_str(&fill(variables.get(name).ok_or_else(|| Undefined(name.clone()))?));
                }
            }
            Ok(text)
        })
    }

    pub(crate) fn fill(&self, variables: &Variables) -> Result<String, Undefined> {
        self.fill_with(variables, as_text)
    }
}

/// A JSON value with placeholders in its strings. A string that is one placeholder and nothing else becomes
/// the variable's value with its type; object keys are literal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum JsonTemplate {
    Literal(Value),
    Text(Template),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl JsonTemplate {
    pub(crate) fn parse(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::Text(Template::parse(text)),
            Value::Array(items) => Self::Array(items.iter().map(Self::parse).collect()),
            Value::Object(members) => {
                Self::Object(members.iter().map(|(key, value)| (key.clone(), Self::parse(value))).collect())
            }
            literal => Self::Literal(literal.clone()),
        }
    }

    /// The variables that the value needs.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Self::Literal(_) => Vec::new(),
            Self::Text(text) => text.names().collect(),
            Self::Array(items) => items.iter().flat_map(Self::names).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, value)| value.names()).collect(),
        }
    }

    pub(crate) fn fill(&self, variables: &Variables) -> Result<Value, Undefined> {
        Ok(match self {
            Self::Literal(value) => value.clone(),
            Self::Text(text) => match text.whole() {
                Some(name) => variables.get(name).cloned().ok_or_else(|| Undefined(name.to_owned()))?,
                None => Value::String(text.fill(variables)?),
            },
            Self::Array(items) => {
                Value::Array(items.iter().map(|item| item.fill(variables)).collect::<Result<_, _>>()?)
            }
            Self::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), value.fill(variables)?)))
                    .collect::<Result<Map<_, _>, _>>()?,
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn variables() -> Variables {
        [("id", json!(7)), ("name", json!("Ada")), ("list", json!([1, 2]))].into_iter().collect()
    }

    #[test]
    fn fills_names_and_leaves_other_braces_alone() {
        let cases = [
            ("/items/{{id}}", "/items/7"),
            ("{{ name }} has {{id}}", "Ada has 7"),
            ("format!(\"{{}}\", {{ x: 1 }})", "format!(\"{{}}\", {{ x: 1 }})"),
            (r"\{{name}} is {{name}}", "{{name}} is Ada"),
            ("{{{name}}}", "{Ada}"),
            ("{{name", "{{name"),
            ("{{list}}", "[1,2]"),
        ];
        for (text, expected) in cases {
            assert_eq!(Template::parse(text).fill(&variables()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_name_without_a_value_is_an_error_that_names_it() {
        let error = Template::parse("{{nmae}}").fill(&variables()).unwrap_err();
        assert_eq!(error.to_string(), "the variable `nmae` has no value");
    }

    #[test]
    fn a_lone_placeholder_keeps_its_type() {
        let value = json!({"id": "{{id}}", "text": "n{{id}}", "all": ["{{list}}"]});
        let filled = JsonTemplate::parse(&value).fill(&variables()).unwrap();
        assert_eq!(filled, json!({"id": 7, "text": "n7", "all": [[1, 2]]}));
    }
}
