//! What is wrong with a suite file, all of it at once.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Line from 1; 0 if it is about the file as a whole.
    pub line: usize,
    /// Column from 1, in characters; 0 if it is about the file as a whole.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it, such as the nearest known key.
    pub help: Option<String>,
}

/// Everything that keeps one file from being run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems {
    /// The file's name as the caller gave it.
    pub file: String,
    /// Never empty; in the order of the file.
    pub problems: Vec<Problem>,
}

impl Problem {
    /// A problem of the file as a whole.
    pub fn whole(message: impl Into<String>) -> Self {
        Self { line: 0, column: 0, message: message.into(), help: None }
    }
}

impl Problems {
    /// A file that could not even be opened or decoded.
    pub fn unreadable(file: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { file: file.into(), problems: vec![Problem::whole(format!("cannot be read: {why}"))] }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// One line for each problem: `file:line:column: message; help`.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            let newline = if n == 0 { "" } else { "\n" };
            match problem.line {
                0 => write!(f, "{newline}{}: {problem}", self.file)?,
                line => write!(f, "{newline}{}:{line}:{}: {problem}", self.file, problem.column)?,
            }
        }
        Ok(())
    }
}
