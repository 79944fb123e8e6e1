//! YAML with positions. The only module that knows the crate behind it.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::tree::{self, Entry, Kind, Node, Parsed, Wrong};

/// The document's root. Booleans are only `true` and `false`, as in YAML 1.2: `on` and `off` are texts.
pub(super) fn parse(text: &str) -> Result<Parsed, Wrong> {
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    match serde_saphyr::from_str_with_options::<Spanned<Yaml>>(text, options) {
        Ok(root) => Ok(Parsed { root: node(text, root), twice: Vec::new() }),
        Err(error) => {
            let start = error.location().map_or(text.len(), |location| offset(text, &location));
            // What stands in quotes may be a value.
            let message = error.without_snippet().to_string();
            let message = message.lines().next().unwrap_or_default();
            // The place is said by whoever shows it.
            let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
            Err((tree::clip(text, start..start), unquoted(message)))
        }
    }
}

/// `message` without what it quotes.
fn unquoted(message: &str) -> String {
    let mut inside = None;
    let mut shown = String::new();
    for c in message.chars() {
        match inside {
            None => {
                shown.push(c);
                inside = ['"', '`', '\''].contains(&c).then_some(c);
            }
            Some(quote) if c == quote => {
                shown.push('…');
                shown.push(c);
                inside = None;
            }
            Some(_) => {}
        }
    }
    shown
}

#[derive(Debug)]
enum Yaml {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Self>>),
    Table(Vec<(Spanned<String>, Spanned<Self>)>),
}

/// The byte at which something stands; the end of the text when nobody knows.
fn offset(text: &str, location: &Location) -> usize {
    let bytes = location.span().byte_offset().and_then(|at| usize::try_from(at).ok());
    bytes.unwrap_or_else(|| {
        let nth = |n: u64| usize::try_from(n).unwrap_or(1).saturating_sub(1);
        let start: usize = text.split_inclusive('\n').take(nth(location.line())).map(str::len).sum();
        start + text[start..].chars().take(nth(location.column())).map(char::len_utf8).sum::<usize>()
    })
}

fn span(text: &str, location: &Location) -> tree::Span {
    let start = offset(text, location);
    let len = location.span().byte_len().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
    tree::clip(text, start..start.saturating_add(len))
}

fn node(text: &str, value: Spanned<Yaml>) -> Node {
    let span = span(text, &value.referenced);
    let kind = match value.value {
        Yaml::Null => Kind::Null,
        Yaml::Boolean(truth) => Kind::Boolean(truth),
        Yaml::Integer(number) => Kind::Integer(number),
        Yaml::Float(number) => Kind::Float(number),
        Yaml::Text(text) => Kind::Text(text),
        Yaml::List(list) => Kind::Array(list.into_iter().map(|value| node(text, value)).collect()),
        Yaml::Table(entries) => Kind::Table(
            entries
                .into_iter()
                .map(|(key, value)| Entry {
                    span: self::span(text, &key.referenced),
                    name: key.value,
                    node: node(text, value),
                })
                .collect(),
        ),
    };
    Node { span, kind }
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Yaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Yaml, E> {
        Ok(Yaml::Boolean(truth))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Yaml, E> {
        Ok(Yaml::Integer(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Yaml, E> {
        // Beyond 63 bits only the magnitude matters: every range that is checked is smaller.
        Ok(i64::try_from(number).map_or(Yaml::Float(number as f64), Yaml::Integer))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Yaml, E> {
        Ok(Yaml::Float(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Yaml, E> {
        Ok(Yaml::Text(text.to_owned()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Yaml, D::Error> {
        Yaml::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Yaml, D::Error> {
        Yaml::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Yaml, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = access.next_element()? {
            list.push(value);
        }
        Ok(Yaml::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Yaml, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Yaml::Table(entries))
    }
}
