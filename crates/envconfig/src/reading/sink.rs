//! Where problems are collected while a file is read.

use std::{cell::RefCell, fmt};

use super::{Format, Kind, Node, Span, mask};
use crate::{Code, Problem, Resolved, Severity, Source};

/// Reads a file that the text names, by its path from there; or why it cannot be read.
pub(crate) type Beside<'t> = &'t dyn Fn(&str) -> Result<Vec<u8>, String>;

/// Collects problems, and remembers which parts of the text must not be quoted.
pub(crate) struct Sink<'t> {
    file: &'t str,
    text: &'t str,
    lenient: bool,
    beside: Option<Beside<'t>>,
    problems: RefCell<Vec<(Problem, Span)>>,
    hidden: RefCell<Vec<Span>>,
}

impl fmt::Debug for Sink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink")
            .field("file", &self.file)
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

impl<'t> Sink<'t> {
    /// For one file. In a lenient file an unknown key is a warning, else an error.
    pub(super) fn new(file: &'t str, text: &'t str, lenient: bool) -> Self {
        Self { file, text, lenient, beside: None, problems: RefCell::default(), hidden: RefCell::default() }
    }

    /// The same where files that it names can be read.
    pub(super) fn with_files(self, beside: Option<Beside<'t>>) -> Self {
        Self { beside, ..self }
    }

    /// The content of a file that this one names; none where nobody can read any.
    pub(crate) fn beside(&self, path: &str) -> Option<Result<Vec<u8>, String>> {
        self.beside.map(|read| read(path))
    }

    /// How bad an unknown key is in this file.
    pub(crate) fn unknown_severity(&self) -> Severity {
        if self.lenient { Severity::Warning } else { Severity::Error }
    }

    /// Whether an error was reported.
    pub(crate) fn has_errors(&self) -> bool {
        self.problems.borrow().iter().any(|(problem, _)| problem.severity == Severity::Error)
    }

    /// What stands at `span`. For comparisons: it may be a secret.
    pub(crate) fn text_at(&self, span: &Span) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// Whether the file is JSON.
    pub(crate) fn is_json(&self) -> bool {
        Format::of_name(self.file) == Format::Json
    }

    /// Line and column of a byte, both from 1, the column in characters.
    pub(crate) fn position(&self, at: usize) -> (u32, u32) {
        let before = &self.text[..at];
        let start = before.rfind('\n').map_or(0, |n| n + 1);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let column = before[start..].chars().count() + 1;
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }

    /// The provenance of something that stands at `span`.
    pub(crate) fn source(&self, span: &Span) -> Source {
        let (line, column) = self.position(span.start);
        Source::File { line, column }
    }

    /// The place that a provenance names: the rest of the value that begins there. Empty for other provenances.
    pub(crate) fn span_of(&self, source: &Source) -> Span {
        let Source::File { line, column } = source else { return 0..0 };
        let nth = |n: u32| usize::try_from(n).unwrap_or(1).saturating_sub(1);
        let start: usize = self.text.split_inclusive('\n').take(nth(*line)).map(str::len).sum();
        let skipped: usize = self.text[start..].chars().take(nth(*column)).map(char::len_utf8).sum();
        let start = start + skipped;
        let rest = &self.text[start..];
        let len = match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => rest[1..].find(quote).map_or(1, |n| n + 2),
            _ => rest.find(|c: char| c.is_whitespace() || "=,]}#".contains(c)).unwrap_or(rest.len()),
        };
        start..start + len
    }

    /// A value that stands at `span`.
    pub(crate) fn found<T>(&self, span: &Span, value: T) -> Resolved<T> {
        Resolved { value, source: self.source(span) }
    }

    /// Never quote what stands at `span`.
    pub(crate) fn hide(&self, span: &Span) {
        self.hidden.borrow_mut().push(span.clone());
    }

    /// Never quote the texts and numbers inside `node`.
    pub(crate) fn hide_all(&self, node: &Node) {
        match &node.kind {
            Kind::Table(entries) => entries.iter().for_each(|entry| self.hide_all(&entry.node)),
            Kind::Array(list) => list.iter().for_each(|node| self.hide_all(node)),
            Kind::Null
            | Kind::Text(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Boolean(_)
            | Kind::Datetime(_) => {
                self.hide(&node.span);
            }
        }
    }

    /// A problem at `span`, not reported yet.
    pub(crate) fn problem(
        &self,
        code: Code,
        severity: Severity,
        span: Span,
        key: &str,
        what: impl Into<String>,
    ) -> Problem {
        let (line, column) = self.position(span.start);
        Problem {
            line,
            column,
            key: key.to_owned(),
            ..Problem::about_file(severity, code, self.file, what.into())
        }
    }

    /// Reports an error at `span` of `key`.
    pub(crate) fn error(
        &self,
        code: Code,
        span: &Span,
        key: &str,
        what: impl Into<String>,
        why: impl Into<String>,
        hint: Option<String>,
    ) {
        self.report(Severity::Error, code, span, key, what, why, hint);
    }

    /// Reports anything.
    #[expect(
        clippy::too_many_arguments,
        reason = "a problem has this many parts; callers read like sentences"
    )]
    pub(crate) fn report(
        &self,
        severity: Severity,
        code: Code,
        span: &Span,
        key: &str,
        what: impl Into<String>,
        why: impl Into<String>,
        hint: Option<String>,
    ) {
        let mut problem = self.problem(code, severity, span.clone(), key, what).because(why);
        problem.hint = hint;
        self.problems.borrow_mut().push((problem, span.clone()));
    }

    /// The line of `span` with `hidden` masked, and how wide the caret is.
    pub(super) fn quote(&self, span: &Span, hidden: &[Span]) -> Option<(String, usize)> {
        if self.text.is_empty() {
            return None;
        }
        let start = self.text[..span.start].rfind('\n').map_or(0, |n| n + 1);
        let end = self.text[span.start..].find('\n').map_or(self.text.len(), |n| span.start + n);
        let stop = span.end.clamp(span.start, end);
        let carets = self.text[span.start..stop].chars().count().max(1);
        let line = mask::masked(self.text, start..end, hidden);
        Some((line.trim_end().to_owned(), carets))
    }

    /// Everything reported, in the order of the file, quotes filled in.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let hidden = self.hidden.borrow();
        let mut list: Vec<Problem> = self
            .problems
            .borrow()
            .iter()
            .map(|(problem, span)| Problem { quote: self.quote(span, &hidden), ..problem.clone() })
            .collect();
        list.sort_by(|a, b| (a.line, a.column, a.code, &a.what).cmp(&(b.line, b.column, b.code, &b.what)));
        list.dedup();
        list
    }
}
