//! Values with their provenance.

use std::fmt;

use serde::Serialize;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "from")]
pub enum Source {
    /// The project file.
    File {
        /// From 1.
        line: u32,
        /// From 1, in characters.
        column: u32,
    },
    /// Nobody said anything.
    Default {
        /// Why the default is what it is.
        why: String,
    },
    /// A flag on the command line.
    Flag {
        /// With its dashes.
        name: String,
    },
    /// A variable of the environment.
    Variable {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { line, column } => write!(f, "project file, line {line}, column {column}"),
            Self::Default { why } => write!(f, "default: {why}"),
            Self::Flag { name } => write!(f, "flag {name}"),
            Self::Variable { name } => write!(f, "variable {name}"),
        }
    }
}

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resolved<T> {
    /// The value.
    pub value: T,
    /// Its provenance.
    pub source: Source,
}

impl<T> Resolved<T> {
    /// A default, and why it is what it is.
    pub fn default_of(value: T, why: impl Into<String>) -> Self {
        Self { value, source: Source::Default { why: why.into() } }
    }

    /// The flag's value if the flag was given, else this one: flags win over everything.
    #[must_use]
    pub fn or_flag(self, name: &str, given: Option<T>) -> Self {
        match given {
            Some(value) => Self { value, source: Source::Flag { name: name.to_owned() } },
            None => self,
        }
    }

    /// The variable's value if it is set, else this one. Apply it before [`Self::or_flag`].
    #[must_use]
    pub fn or_variable(self, name: &str, set: Option<T>) -> Self {
        match set {
            Some(value) => Self { value, source: Source::Variable { name: name.to_owned() } },
            None => self,
        }
    }

    /// Another value of the same provenance.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Resolved<U> {
        Resolved { value: f(self.value), source: self.source }
    }

    /// Whether nobody said anything.
    pub fn is_default(&self) -> bool {
        matches!(self.source, Source::Default { .. })
    }
}
