//! What is wrong with a file, said to a person: what, where, why, and what to do.

use std::fmt;

use serde::Serialize;

use crate::Code;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing has to change.
    Note,
    /// The file can be used, but somebody should look.
    Warning,
    /// The file cannot be used.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One problem at one place of one file.
///
/// `Display` quotes the line with a caret below it. Values that are, or may be, secrets are masked in the quote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The stable code; `docs/errors/<CODE>.md` explains it.
    pub code: Code,
    /// The file as the caller named it.
    pub file: String,
    /// The line, from 1; 0 when the problem is about the file as a whole.
    pub line: u32,
    /// The column in characters, from 1; 0 when the problem is about the file as a whole.
    pub column: u32,
    /// The key's path, for example `environments.staging.api.app`; empty at the top.
    pub key: String,
    /// What is wrong, a lower-case fragment.
    pub what: String,
    /// Why it is wrong; may be empty.
    pub why: String,
    /// What to do about it; may be absent.
    pub hint: Option<String>,
    /// The quoted line, secrets masked, and the width of the caret in characters.
    #[serde(skip)]
    pub(crate) quote: Option<(String, usize)>,
}

impl Problem {
    /// A problem about a file as a whole, for callers that read files: unreadable, missing, not UTF-8.
    pub fn about_file(severity: Severity, code: Code, file: &str, what: String) -> Self {
        Self {
            severity,
            code,
            file: file.to_owned(),
            line: 0,
            column: 0,
            key: String::new(),
            what,
            why: String::new(),
            hint: None,
            quote: None,
        }
    }

    /// The same with a reason.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    /// The same with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What and why on one line, for tables and JSON.
    pub fn message(&self) -> String {
        let mut text = self.what.clone();
        for part in [Some(&self.why).filter(|why| !why.is_empty()), self.hint.as_ref()].into_iter().flatten()
        {
            text.push_str("; ");
            text.push_str(part);
        }
        text
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]: {}", self.severity, self.code, self.what)?;
        let width = if self.line == 0 { 1 } else { self.line.to_string().len() };
        if self.line == 0 {
            write!(f, "\n{:width$}--> {}", "", self.file)?;
        } else {
            write!(f, "\n{:width$}--> {}:{}:{}", "", self.file, self.line, self.column)?;
        }
        if let Some((line, carets)) = &self.quote {
            let indent = usize::try_from(self.column).unwrap_or(1).saturating_sub(1);
            write!(f, "\n{:width$} |\n{} | {line}", "", self.line)?;
            write!(f, "\n{:width$} | {:indent$}{}", "", "", "^".repeat(*carets))?;
        }
        if !self.why.is_empty() {
            write!(f, "\n{:width$} = why: {}", "", self.why)?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n{:width$} = help: {hint}", "")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a file, all of it at once, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}", self.rendered())]
pub struct Problems {
    /// The file as the caller named it.
    pub file: String,
    /// At least one problem, ordered by line and column.
    pub list: Vec<Problem>,
}

impl Problems {
    fn rendered(&self) -> String {
        let mut text = String::new();
        for problem in &self.list {
            text.push_str(&format!("{problem}\n\n"));
        }
        let n = self.list.len();
        text.push_str(&format!("{n} {} in {}", if n == 1 { "problem" } else { "problems" }, self.file));
        text
    }
}

/// A value read from a file, and what should be said about the file although it can be used.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Parsed<T> {
    /// The value.
    pub value: T,
    /// Warnings and notes, in the order of the file.
    pub findings: Vec<Problem>,
}
