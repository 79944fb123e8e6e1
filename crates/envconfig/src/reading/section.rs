//! A table being read. The keys that were asked for are the known ones; the rest is reported at the end.

use std::cell::RefCell;

use super::{Entry, Kind, Sink, Span, Value};
use crate::Code;

/// A table, and which of its keys were asked for.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    pub(crate) sink: &'a Sink<'a>,
    pub(crate) path: String,
    pub(crate) span: Span,
    entries: &'a [Entry],
    known: RefCell<Vec<String>>,
}

impl<'a> Section<'a> {
    pub(crate) fn new(sink: &'a Sink<'a>, path: String, span: Span, entries: &'a [Entry]) -> Self {
        Self { sink, path, span, entries, known: RefCell::default() }
    }

    /// The value of `name`, which is known from now on. `null` is no value.
    pub(crate) fn get(&self, name: &str) -> Option<Value<'a>> {
        self.known.borrow_mut().push(name.to_owned());
        let entry = self.entries.iter().find(|entry| entry.name == name)?;
        (!matches!(entry.node.kind, Kind::Null)).then(|| self.value(entry))
    }

    /// The first of several spellings of one key.
    pub(crate) fn get_any(&self, names: &[&str]) -> Option<Value<'a>> {
        names.iter().filter_map(|name| self.get(name)).next_back()
    }

    /// The value of `name`, reported when it is missing.
    pub(crate) fn require(&self, name: &str, why: &str) -> Option<Value<'a>> {
        let value = self.get(name);
        if value.is_none() {
            let what = match self.path.as_str() {
                "" => format!("`{name}` is missing"),
                path => format!("`{path}` has no `{name}`"),
            };
            self.sink.error(Code::Missing, &self.span, &self.join(name), what, why, None);
        }
        value
    }

    /// Every key with its value: for tables whose keys are names. All of them become known.
    pub(crate) fn all(&self) -> Vec<(&'a Entry, Value<'a>)> {
        self.known.borrow_mut().extend(self.entries.iter().map(|entry| entry.name.clone()));
        self.entries.iter().map(|entry| (entry, self.value(entry))).collect()
    }

    /// The keys nobody has asked for yet.
    pub(crate) fn rest(&self) -> Vec<(&'a Entry, Value<'a>)> {
        let known = self.known.borrow();
        let unknown = self.entries.iter().filter(|entry| !known.contains(&entry.name));
        unknown.map(|entry| (entry, self.value(entry))).collect()
    }

    /// Reports every key nobody has asked for.
    pub(crate) fn finish(&self) {
        for (entry, _) in self.rest() {
            self.unknown(entry);
        }
    }

    /// Reports one key as unknown, with the nearest known one. Its value is never quoted: it may be a misspelt secret.
    pub(crate) fn unknown(&self, entry: &Entry) {
        self.sink.hide_all(&entry.node);
        let known = self.known.borrow();
        let why = match self.path.as_str() {
            "" => "the file has no such section or key".to_owned(),
            path => format!("`{path}` has no such key"),
        };
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let hint = suggest(&entry.name, &known);
        let what = format!("unknown key `{}`", entry.name.escape_debug());
        let severity = self.sink.unknown_severity();
        self.sink.report(severity, Code::UnknownKey, &entry.span, &self.join(&entry.name), what, why, hint);
    }

    /// The path of a key of this table.
    pub(crate) fn join(&self, name: &str) -> String {
        let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        let name = if bare { name.to_owned() } else { format!("\"{}\"", name.escape_debug()) };
        match self.path.as_str() {
            "" => name,
            path => format!("{path}.{name}"),
        }
    }

    fn value(&self, entry: &'a Entry) -> Value<'a> {
        Value {
            sink: self.sink,
            path: self.join(&entry.name),
            key_span: entry.span.clone(),
            node: &entry.node,
        }
    }
}

/// The word nearest to `word`, when one is near enough to be a slip of the fingers.
pub(crate) fn nearest<'n>(word: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // `_` for `-` and capitals are the commonest slips, so they cost nothing.
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let word = plain(word);
    let limit = (word.chars().count() / 3).max(1) + 1;
    // Words in another order are one slip, whatever their letters.
    let sorted = |text: &str| {
        let mut words: Vec<&str> = text.split('-').collect();
        words.sort_unstable();
        words.join("-")
    };
    let distance = |name: &str| {
        let name = plain(name);
        let moved = 1 + strsim::damerau_levenshtein(&sorted(&word), &sorted(&name));
        strsim::damerau_levenshtein(&word, &name).min(moved)
    };
    known
        .map(|name| (distance(name), name))
        .filter(|(distance, name)| *distance <= limit && *distance < name.chars().count())
        .min()
        .map(|(_, name)| name)
}

/// What to say to somebody who wrote `word` where only `known` ones are possible.
pub(crate) fn suggest(word: &str, known: &[&str]) -> Option<String> {
    if let Some(near) = nearest(word, known.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let mut names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    names.sort();
    names.dedup();
    (!names.is_empty()).then(|| format!("known here: {}", names.join(", ")))
}
