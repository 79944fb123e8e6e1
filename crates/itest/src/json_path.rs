//! A small part of JSONPath (RFC 9535): names, indices and wildcards from the root.
//!
//! | written | meaning | RFC 9535 |
//! |---|---|---|
//! | `$` | the whole document | 2.2 |
//! | `.name` | a member; letters, digits and `_`, not first a digit | 2.5.1, shorthand |
//! | `['name']`, `["name"]` | a member of any name; `\'`, `\"` and `\\` are escapes | 2.3.1 |
//! | `[0]`, `[-1]` | an element, counted from the end when negative | 2.3.3 |
//! | `[*]`, `.*` | every element or every member value | 2.3.2 |
//!
//! Slices, filters, unions and `..` are refused, never silently ignored.

use std::{fmt, str::FromStr};

use serde_json::Value;

/// A path into a JSON document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonPath {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Name(String),
    Index(i64),
    Any,
}

/// Why a text is no path that is understood here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no JSON path: {why} at character {at}")]
pub(crate) struct JsonPathError {
    text: String,
    why: &'static str,
    at: usize,
}

impl JsonPath {
    /// The nodes that the path selects in `document`, in document order.
    pub(crate) fn select<'v>(&self, document: &'v Value) -> Vec<&'v Value> {
        self.segments.iter().fold(vec![document], |nodes, segment| {
            nodes.into_iter().flat_map(|n| segment.children(n)).collect()
        })
    }

    /// Whether the path can select at most one node (RFC 9535, 2.3.5.1, "singular query").
    pub(crate) fn is_singular(&self) -> bool {
        !self.segments.contains(&Segment::Any)
    }
}

impl Segment {
    fn children<'v>(&self, node: &'v Value) -> Vec<&'v Value> {
        match (self, node) {
            (Self::Name(name), Value::Object(members)) => members.get(name).into_iter().collect(),
            (Self::Index(index), Value::Array(items)) => {
                let at = if *index < 0 {
                    usize::try_from(index.unsigned_abs()).ok().and_then(|back| items.len().checked_sub(back))
                } else {
                    usize::try_from(*index).ok()
                };
                at.and_then(|at| items.get(at)).into_iter().collect()
            }
            (Self::Any, Value::Array(items)) => items.iter().collect(),
            (Self::Any, Value::Object(members)) => members.values().collect(),
            _ => Vec::new(),
        }
    }
}

impl FromStr for JsonPath {
    type Err = JsonPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut reader = Reader { chars: text.chars().collect(), at: 0 };
        match reader.path() {
            Ok(segments) => Ok(Self { text: text.to_owned(), segments }),
            Err(why) => Err(JsonPathError { text: text.to_owned(), why, at: reader.at + 1 }),
        }
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn path(&mut self) -> Result<Vec<Segment>, &'static str> {
        if !self.eat('$') {
            return Err("a path begins with `$`");
        }
        let mut segments = Vec::new();
        while self.peek().is_some() {
            segments.push(self.segment()?);
        }
        Ok(segments)
    }

    fn segment(&mut self) -> Result<Segment, &'static str> {
        if self.eat('.') {
            return if self.eat('*') { Ok(Segment::Any) } else { self.shorthand() };
        }
        if !self.eat('[') {
            return Err("expected `.`, `[` or the end");
        }
        let segment = match self.peek() {
            Some('*') => {
                self.at += 1;
                Segment::Any
            }
            Some(quote @ ('\'' | '"')) => self.quoted(quote)?,
            Some('-' | '0'..='9') => self.index()?,
            Some('?') => return Err("filters are not supported"),
            _ => return Err("expected a quoted name, an index or `*`"),
        };
        match self.peek() {
            Some(']') => {
                self.at += 1;
                Ok(segment)
            }
            Some(':') => Err("slices are not supported"),
            Some(',') => Err("lists of selectors are not supported"),
            _ => Err("expected `]`"),
        }
    }

    fn shorthand(&mut self) -> Result<Segment, &'static str> {
        let start = self.at;
        // RFC 9535, 2.5.1.1: name-first = ALPHA / "_" / non-ASCII; name-char adds DIGIT.
        while self.peek().is_some_and(|c| {
            c.is_ascii_alphabetic() || c == '_' || !c.is_ascii() || (self.at > start && c.is_ascii_digit())
        }) {
            self.at += 1;
        }
        match self.peek() {
            Some('.') if self.at == start => Err("`..` is not supported"),
            _ if self.at == start => Err("expected a name"),
            Some('-') => Err("a name with `-` is written ['like-this']"),
            _ => Ok(Segment::Name(self.chars[start..self.at].iter().collect())),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Segment, &'static str> {
        self.at += 1;
        let mut name = String::new();
        loop {
            let c = self.peek().ok_or("the quote is never closed")?;
            self.at += 1;
            match c {
                '\\' => match self.peek() {
                    Some(c @ ('\\' | '\'' | '"')) => {
                        self.at += 1;
                        name.push(c);
                    }
                    _ => return Err("only a backslash or a quote can follow a backslash"),
                },
                c if c == quote => return Ok(Segment::Name(name)),
                c => name.push(c),
            }
        }
    }

    fn index(&mut self) -> Result<Segment, &'static str> {
        let start = self.at;
        self.eat('-');
        let digits = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        let text: String = self.chars[start..self.at].iter().collect();
        // RFC 9535, 2.3.3.1: int = "0" / (["-"] DIGIT1 *DIGIT), so neither "-0" nor "01".
        let leading_zero = self.chars.get(digits) == Some(&'0') && text != "0";
        match text.parse() {
            Ok(index) if !leading_zero => Ok(Segment::Index(index)),
            _ => Err("expected an index without leading zeros"),
        }
    }
}

#[cfg(test)]
mod tests;
