//! A value being read into something that cannot be wrong. Every method reports and answers `None` when it cannot.

use std::str::FromStr;

use super::{Kind, Node, Section, Sink, Span, section::nearest};
use crate::{Code, Malformed, Resolved};

/// A value of a table or list, with the path that leads to it.
#[derive(Debug)]
pub(crate) struct Value<'a> {
    pub(crate) sink: &'a Sink<'a>,
    pub(crate) path: String,
    pub(crate) key_span: Span,
    pub(crate) node: &'a Node,
}

impl<'a> Value<'a> {
    /// Where the value stands.
    pub(crate) fn span(&self) -> &Span {
        &self.node.span
    }

    /// Reports an error at the value.
    pub(crate) fn error(
        &self,
        code: Code,
        what: impl Into<String>,
        why: impl Into<String>,
        hint: Option<String>,
    ) {
        self.sink.error(code, self.span(), &self.path, what, why, hint);
    }

    /// Reports a value of the wrong type.
    pub(crate) fn wrong(&self, wanted: &str) {
        let what = format!("`{}` is {}, expected {wanted}", self.path, self.node.kind.called());
        self.error(Code::WrongType, what, "", None);
    }

    /// A text.
    pub(crate) fn text(&self) -> Option<&'a str> {
        match &self.node.kind {
            Kind::Text(text) => Some(text),
            _ => {
                self.wrong("a text");
                None
            }
        }
    }

    /// A text that is a `T`.
    pub(crate) fn parse<T: FromStr<Err = Malformed>>(&self) -> Option<T> {
        match self.text()?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.malformed(&error);
                None
            }
        }
    }

    /// A text that is a `T` with an error of its own: `expected` is what it should be, with an article.
    pub(crate) fn parse_as<T: FromStr<Err: std::fmt::Display>>(&self, expected: &'static str) -> Option<T> {
        let text = self.text()?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let said = error.to_string();
                let why = said.rsplit_once(": ").map_or(said.as_str(), |(_, rule)| rule);
                self.malformed(&Malformed::new(text, expected, why));
                None
            }
        }
    }

    /// A text that is a `T`, with its provenance.
    pub(crate) fn resolved<T: FromStr<Err = Malformed>>(&self) -> Option<Resolved<T>> {
        Some(self.found(self.parse()?))
    }

    /// `value` with this place as its provenance.
    pub(crate) fn found<T>(&self, value: T) -> Resolved<T> {
        self.sink.found(self.span(), value)
    }

    /// Reports a value that cannot be read.
    pub(crate) fn malformed(&self, error: &Malformed) {
        let code = if error.one_of.is_empty() { Code::Malformed } else { Code::UnknownWord };
        let near =
            nearest(&error.text, error.one_of.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        self.error(code, error.what_is_wrong(), error.why.clone(), near);
    }

    /// An integer within `range`.
    pub(crate) fn integer(&self, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        match &self.node.kind {
            Kind::Integer(number) if range.contains(number) => Some(*number),
            Kind::Integer(number) => {
                let why = format!("it must be between {} and {}", range.start(), range.end());
                self.error(Code::Malformed, format!("`{}` cannot be {number}", self.path), why, None);
                None
            }
            _ => {
                self.wrong("an integer");
                None
            }
        }
    }

    /// A count, from `least` up.
    pub(crate) fn count(&self, least: u32) -> Option<u32> {
        self.integer(i64::from(least)..=i64::from(u32::MAX)).and_then(|n| u32::try_from(n).ok())
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self) -> Option<bool> {
        match &self.node.kind {
            Kind::Boolean(truth) => Some(*truth),
            _ => {
                self.wrong("true or false");
                None
            }
        }
    }

    /// A table.
    pub(crate) fn section(&self) -> Option<Section<'a>> {
        match &self.node.kind {
            Kind::Table(entries) => {
                Some(Section::new(self.sink, self.path.clone(), self.span().clone(), entries))
            }
            _ => {
                self.wrong("a table");
                None
            }
        }
    }

    /// The values of a list.
    pub(crate) fn list(&self) -> Option<Vec<Self>> {
        match &self.node.kind {
            Kind::Array(list) => Some(self.items(list)),
            _ => {
                self.wrong("a list");
                None
            }
        }
    }

    /// The values of a list, or the one value that stands for a list of one.
    pub(crate) fn one_or_many(&self) -> Vec<Self> {
        match &self.node.kind {
            Kind::Array(list) => self.items(list),
            _ => vec![Self {
                sink: self.sink,
                path: self.path.clone(),
                key_span: self.key_span.clone(),
                node: self.node,
            }],
        }
    }

    /// A list of texts that are `T`s. `None` when it is no list; items that cannot be read are reported and left out.
    pub(crate) fn list_of<T: FromStr<Err = Malformed>>(&self) -> Option<Vec<T>> {
        Some(self.list()?.iter().filter_map(Value::parse).collect())
    }

    fn items(&self, list: &'a [Node]) -> Vec<Self> {
        let item = |(n, node): (usize, &'a Node)| Self {
            sink: self.sink,
            path: format!("{}[{n}]", self.path),
            key_span: self.key_span.clone(),
            node,
        };
        list.iter().enumerate().map(item).collect()
    }
}
