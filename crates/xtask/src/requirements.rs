//! `docs/requirements.toml`: what was asked for, and what proves it.

use crate::repo::Repo;
use clikit::{Exit, Failure, FailureExt};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Where the file stands.
pub const PATH: &str = "docs/requirements.toml";

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirements {
    /// The promises of the engine.
    pub promises: Promises,
    /// The rows, in the order of their ids.
    #[serde(rename = "row")]
    pub rows: Vec<Row>,
}

/// The promises and those that are not kept by a test yet.
#[derive(Clone, Debug, Deserialize)]
pub struct Promises {
    /// Promise → reason why it has no test or no sabotage yet.
    #[serde(default)]
    pub later: BTreeMap<String, String>,
    /// Promise → what is promised.
    #[serde(flatten)]
    pub texts: BTreeMap<String, String>,
}

/// One requirement.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// 1, 2, 3, … without a gap.
    pub id: u32,
    /// The plan it comes from, one letter.
    pub seed: String,
    /// What is asked for.
    pub text: String,
    /// The package that answers for it.
    pub area: String,
    /// Tests that prove it, as `package::path::name`.
    pub tests: Vec<String>,
    /// What a person can type to see it.
    pub commands: Vec<String>,
    /// Files of this repository that answer it.
    pub pages: Vec<String>,
}

impl Row {
    /// `proven` where a test is named, else `open`.
    #[must_use]
    pub fn status(&self) -> &'static str {
        if self.tests.is_empty() { "open" } else { "proven" }
    }
}

impl Requirements {
    /// Reads the file and checks what can be checked without running anything.
    ///
    /// # Errors
    /// Exit 2 with line and column, or with the row that is wrong.
    pub fn read(repo: &Repo) -> Result<Self, Failure> {
        let text = repo.read(PATH)?;
        let requirements: Self =
            toml::from_str(&text).or_exit(Exit::Usage, || format!("cannot read {PATH}"))?;
        match requirements.problem(repo) {
            Some(problem) => Err(Failure::usage(format!("{PATH}: {problem}"))),
            None => Ok(requirements),
        }
    }

    fn problem(&self, repo: &Repo) -> Option<String> {
        for (row, id) in self.rows.iter().zip(1..) {
            if row.id != id {
                return Some(format!("row {} stands where row {id} belongs", row.id));
            }
            if row.text.trim().is_empty() {
                return Some(format!("row {id} says nothing"));
            }
            if let Some(page) = row.pages.iter().find(|page| !repo.has(page)) {
                return Some(format!("row {id} names the page {page}, which is not there"));
            }
        }
        let unknown = self.promises.later.keys().find(|name| !self.promises.texts.contains_key(*name));
        unknown.map(|name| format!("[promises.later] names {name}, which is no promise"))
    }

    /// Every test that some row names.
    #[must_use]
    pub fn tests(&self) -> BTreeSet<&str> {
        self.rows.iter().flat_map(|row| &row.tests).map(String::as_str).collect()
    }
}
