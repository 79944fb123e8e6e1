//! The journals that are kept, as their stores held them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use promotion::journal::{EnvironmentView, Record, decode};
use promotion::model::EnvironmentName;
use serde::Deserialize;

/// A journal: the text of each record, a line each, in the order of their chains.
pub(crate) struct Kept {
    pub(crate) path: PathBuf,
    pub(crate) records: Vec<Record>,
}

/// Where a record stands: a store keeps that beside it.
#[derive(Deserialize)]
struct Spot {
    environment: EnvironmentName,
    seq: u64,
}

impl Kept {
    /// Reads one. Each line must be a record as it was written, to the letter.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let said = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| said(&error))?;
        let record = |line: &str| {
            let Spot { environment, seq } = serde_json::from_str(line).map_err(|error| said(&error))?;
            decode(&environment, seq, line).map_err(|error| said(&error))
        };
        let records = text.lines().map(record).collect::<Result<_, _>>()?;
        Ok(Self { path: path.to_owned(), records })
    }

    /// What it adds up to: each chain and each step is checked on the way.
    pub(crate) fn replayed(&self) -> Result<Vec<EnvironmentView>, String> {
        let mut chains: BTreeMap<&EnvironmentName, Vec<Record>> = BTreeMap::new();
        for record in &self.records {
            chains.entry(&record.environment).or_default().push(record.clone());
        }
        let replayed = |(name, records): (&EnvironmentName, Vec<Record>)| {
            let mut view = EnvironmentView::new(name.clone());
            view.extend(&records).map_err(|error| format!("{}: {error}", self.path.display()))?;
            Ok(view)
        };
        chains.into_iter().map(replayed).collect()
    }

    /// Where it is written down what it adds up to.
    pub(crate) fn state_path(&self) -> PathBuf {
        self.path.with_extension("state.jsonl")
    }
}
