//! Reading typed values out of a TOML document while collecting every problem.

use std::{cell::RefCell, collections::BTreeSet, ops::Range, time::Duration};

use serde_json::Value;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::super::problem::Problem;
use crate::{duration, variables::is_name};

/// A place in the file, as byte offsets.
pub(super) type Span = Range<usize>;

/// The file and what was found wrong with it so far.
pub(super) struct Source<'t> {
    text: &'t str,
    problems: RefCell<Vec<Problem>>,
    /// A syntax error makes every complaint about something missing doubtful.
    broken: bool,
}

impl<'t> Source<'t> {
    pub(super) fn new(text: &'t str, broken: bool) -> Self {
        Self { text, problems: RefCell::default(), broken }
    }

    /// Line and column from 1, the column in characters.
    pub(super) fn position(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at.min(self.text.len())).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (line, before[start..].chars().count() + 1)
    }

    pub(super) fn line(&self, span: &Span) -> usize {
        self.position(span.start).0
    }

    pub(super) fn problem(&self, span: &Span, message: impl Into<String>) {
        self.problem_with_help(span, message, None);
    }

    pub(super) fn problem_with_help(&self, span: &Span, message: impl Into<String>, help: Option<String>) {
        let (line, column) = self.position(span.start);
        self.problems.borrow_mut().push(Problem { line, column, message: message.into(), help });
    }

    /// Something should stand inside `span` and does not.
    pub(super) fn missing(&self, span: &Span, message: impl Into<String>) {
        if !self.broken {
            self.problem(span, message);
        }
    }

    /// All problems in the order of the file.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems.dedup();
        problems
    }
}

/// `nearest is `x`` if a known word is close enough to be meant.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    known
        .into_iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(word, candidate), candidate))
        .filter(|(likeness, candidate)| {
            *likeness >= 0.5 || candidate.starts_with(word) || word.starts_with(candidate)
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| format!("the nearest is `{candidate}`"))
}

/// One table; [`Table::finish`] complains of each key that nobody asked for.
pub(super) struct Table<'a, 'i> {
    source: &'a Source<'i>,
    pub(super) span: Span,
    table: &'a DeTable<'i>,
    asked: RefCell<BTreeSet<&'static str>>,
}

/// One key and its value.
#[derive(Clone)]
pub(super) struct Entry<'a, 'i> {
    source: &'a Source<'i>,
    pub(super) key: String,
    /// Where the key stands, or the element of an array.
    pub(super) span: Span,
    value: &'a Spanned<DeValue<'i>>,
}

impl<'a, 'i> Table<'a, 'i> {
    pub(super) fn new(source: &'a Source<'i>, span: Span, table: &'a DeTable<'i>) -> Self {
        Self { source, span, table, asked: RefCell::default() }
    }

    pub(super) fn line(&self) -> usize {
        self.source.line(&self.span)
    }

    pub(super) fn get(&self, key: &'static str) -> Option<Entry<'a, 'i>> {
        self.asked.borrow_mut().insert(key);
        let (found, value) = self.table.get_key_value(key)?;
        Some(Entry { source: self.source, key: key.to_owned(), span: found.span(), value })
    }

    /// Every entry, in the order of the file; for tables whose keys are free.
    pub(super) fn entries(&self) -> Vec<Entry<'a, 'i>> {
        let mut entries: Vec<_> = self
            .table
            .iter()
            .map(|(key, value)| Entry {
                source: self.source,
                key: key.get_ref().to_string(),
                span: key.span(),
                value,
            })
            .collect();
        entries.sort_by_key(|entry| entry.span.start);
        entries
    }

    pub(super) fn string(&self, key: &'static str) -> Option<String> {
        self.get(key)?.string()
    }

    pub(super) fn boolean(&self, key: &'static str) -> Option<bool> {
        self.get(key)?.boolean()
    }

    pub(super) fn duration(&self, key: &'static str) -> Option<Duration> {
        self.get(key)?.duration()
    }

    /// A list of strings; absent is empty.
    pub(super) fn strings(&self, key: &'static str) -> Vec<Entry<'a, 'i>> {
        self.get(key).and_then(|entry| entry.array()).unwrap_or_default()
    }

    /// A table with free keys; absent is empty.
    pub(super) fn free(&self, key: &'static str) -> Vec<Entry<'a, 'i>> {
        self.get(key).and_then(|entry| entry.table()).map(|table| table.entries()).unwrap_or_default()
    }

    /// Complains of every key that nobody asked for, with the nearest of those that were.
    pub(super) fn finish(&self) {
        let asked = self.asked.borrow();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if asked.contains(name) {
                continue;
            }
            let help = nearest(name, asked.iter().copied()).or_else(|| {
                Some(format!("known here: {}", asked.iter().copied().collect::<Vec<_>>().join(", ")))
            });
            self.source.problem_with_help(&key.span(), format!("unknown key `{name}`"), help);
        }
    }
}

impl<'a, 'i> Entry<'a, 'i> {
    pub(super) fn line(&self) -> usize {
        self.source.line(&self.span)
    }

    fn wanted<T>(&self, wanted: &str) -> Option<T> {
        let found = self.value.get_ref().type_str();
        self.source.problem(&self.value.span(), format!("`{}` must be {wanted}, not {found}", self.key));
        None
    }

    /// A problem with the value.
    pub(super) fn problem<T>(&self, message: impl Into<String>) -> Option<T> {
        self.source.problem(&self.value.span(), message);
        None
    }

    /// A problem with the value, and what to do.
    pub(super) fn problem_with_help<T>(&self, message: impl Into<String>, help: Option<String>) -> Option<T> {
        self.source.problem_with_help(&self.value.span(), message, help);
        None
    }

    pub(super) fn is_string(&self) -> bool {
        self.value.get_ref().is_str()
    }

    pub(super) fn is_table(&self) -> bool {
        self.value.get_ref().is_table()
    }

    pub(super) fn is_array(&self) -> bool {
        self.value.get_ref().is_array()
    }

    pub(super) fn string(&self) -> Option<String> {
        match self.value.get_ref().as_str() {
            Some(text) => Some(text.to_owned()),
            None => self.wanted("a string"),
        }
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        self.value.get_ref().as_bool().or_else(|| self.wanted("true or false"))
    }

    pub(super) fn integer(&self) -> Option<i64> {
        let integer = self.value.get_ref().as_integer().map(|n| i64::from_str_radix(n.as_str(), n.radix()));
        match integer {
            Some(Ok(n)) => Some(n),
            _ => self.wanted("a whole number"),
        }
    }

    pub(super) fn duration(&self) -> Option<Duration> {
        let text = self.string()?;
        duration::parse(&text)
            .or_else(|| self.problem(format!("`{text}` is no duration: write {}", duration::SPELLINGS)))
    }

    /// A name that `{{…}}` can use.
    pub(super) fn name(&self) -> Option<String> {
        let name = self.string()?;
        if is_name(&name) { Some(name) } else { self.problem(bad_name(&name)) }
    }

    /// The entry's key as a name that `{{…}}` can use.
    pub(super) fn key_name(&self) -> Option<String> {
        if is_name(&self.key) {
            return Some(self.key.clone());
        }
        self.source.problem(&self.span, bad_name(&self.key));
        None
    }

    pub(super) fn table(&self) -> Option<Table<'a, 'i>> {
        match self.value.get_ref().as_table() {
            Some(table) => Some(Table::new(self.source, self.span.clone(), table)),
            None => self.wanted("a table"),
        }
    }

    pub(super) fn array(&self) -> Option<Vec<Self>> {
        match self.value.get_ref().as_array() {
            Some(items) => Some(items.iter().map(|value| self.item(value)).collect()),
            None => self.wanted("an array"),
        }
    }

    fn item(&self, value: &'a Spanned<DeValue<'i>>) -> Self {
        Entry { source: self.source, key: self.key.clone(), span: value.span(), value }
    }

    /// The value as JSON. A date or time has no place in JSON and is a problem.
    pub(super) fn json(&self) -> Option<Value> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(Value::String(text.to_string())),
            DeValue::Boolean(flag) => Some(Value::Bool(*flag)),
            DeValue::Integer(_) => self.integer().map(Value::from),
            DeValue::Float(float) => {
                let number = float.as_str().parse().ok().and_then(serde_json::Number::from_f64);
                number.map(Value::Number).or_else(|| self.wanted("a finite number"))
            }
            DeValue::Datetime(_) => self.wanted("a value that JSON has; write dates as strings"),
            DeValue::Array(_) => {
                self.array()?.iter().map(Entry::json).collect::<Option<Vec<_>>>().map(Value::Array)
            }
            DeValue::Table(_) => {
                let members = self.table()?.entries();
                members
                    .iter()
                    .map(|member| Some((member.key.clone(), member.json()?)))
                    .collect::<Option<serde_json::Map<_, _>>>()
                    .map(Value::Object)
            }
        }
    }
}

fn bad_name(name: &str) -> String {
    format!(
        "`{name}` cannot be used as {{{{{name}}}}}: a name is a letter or `_`, then letters, digits, `_`, `-`"
    )
}
