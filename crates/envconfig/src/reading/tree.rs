//! A plain tree of a document: one kind of table, one kind of array, and a span on everything. This file also reads TOML.

use std::ops::Range;

use toml_edit::{Document, Item, TableLike, Value as Edit};

/// A range of bytes in the file's text.
pub(crate) type Span = Range<usize>;

/// A value and where it stands.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

/// Where a file breaks off, and why.
pub(super) type Wrong = (Span, String);

/// A document.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) root: Node,
    /// Keys that stand twice in one table, where the format allows it.
    pub(super) twice: Vec<(Span, String)>,
}

/// The kinds of values.
#[derive(Debug)]
pub(crate) enum Kind {
    /// `null`: TOML has none.
    Null,
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// As it is written.
    Datetime(String),
    Array(Vec<Node>),
    Table(Vec<Entry>),
}

impl Node {
    /// Whether it is a table with this key.
    pub(crate) fn has_key(&self, name: &str) -> bool {
        matches!(&self.kind, Kind::Table(entries) if entries.iter().any(|entry| entry.name == name))
    }
}

/// A key of a table, in the order of the file.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) node: Node,
}

impl Kind {
    /// What a person calls it, with an article.
    pub(crate) fn called(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Text(_) => "a text",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a fraction",
            Self::Boolean(_) => "true or false",
            Self::Datetime(_) => "a date",
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// The document's root table, or where and why it is no TOML.
pub(super) fn parse(text: &str) -> Result<Parsed, Wrong> {
    match Document::parse(text) {
        Ok(document) => {
            let table = document.as_table();
            let root = Node { span: 0..0, kind: Kind::Table(entries(table, &(0..0))) };
            Ok(Parsed { root, twice: Vec::new() })
        }
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            Err((clip(text, span), error.message().lines().collect::<Vec<_>>().join(", ")))
        }
    }
}

/// A span that surely lies in `text`, on character boundaries.
pub(super) fn clip(text: &str, span: Span) -> Span {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

fn entries(table: &dyn TableLike, parent: &Span) -> Vec<Entry> {
    table
        .iter()
        .filter_map(|(name, _)| table.get_key_value(name))
        .map(|(key, item)| {
            let span = key.span().unwrap_or_else(|| parent.clone());
            Entry { name: key.get().to_owned(), node: node(item, &span), span }
        })
        .collect()
}

fn node(item: &Item, parent: &Span) -> Node {
    match item {
        Item::None => Node { span: parent.clone(), kind: Kind::Table(Vec::new()) },
        Item::Value(value) => from_value(value, parent),
        Item::Table(table) => {
            let span = table.span().unwrap_or_else(|| parent.clone());
            Node { kind: Kind::Table(entries(table, &span)), span: parent.clone() }
        }
        Item::ArrayOfTables(tables) => {
            let list = tables
                .iter()
                .map(|table| {
                    let span = table.span().unwrap_or_else(|| parent.clone());
                    Node { kind: Kind::Table(entries(table, &span)), span }
                })
                .collect();
            Node { span: parent.clone(), kind: Kind::Array(list) }
        }
    }
}

fn from_value(value: &Edit, parent: &Span) -> Node {
    let span = value.span().unwrap_or_else(|| parent.clone());
    let kind = match value {
        Edit::String(text) => Kind::Text(text.value().clone()),
        Edit::Integer(number) => Kind::Integer(*number.value()),
        Edit::Float(number) => Kind::Float(*number.value()),
        Edit::Boolean(truth) => Kind::Boolean(*truth.value()),
        Edit::Datetime(date) => Kind::Datetime(date.value().to_string()),
        Edit::Array(array) => Kind::Array(array.iter().map(|value| from_value(value, &span)).collect()),
        Edit::InlineTable(table) => Kind::Table(entries(table, &span)),
    };
    Node { span, kind }
}
