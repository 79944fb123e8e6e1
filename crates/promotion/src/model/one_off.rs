//! Commands that run once, on a machine of their own.

use std::collections::BTreeMap;

use flytypes::ImageRef;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{At, GroupName, Millis, RegionName, UnitId, label};

/// A command that runs once with the new image before any unit is touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneOff {
    /// In words.
    pub command: Vec<String>,
    /// The provider's configuration of its machine, without image and labels.
    pub config: Value,
    /// Where it runs.
    pub region: RegionName,
    /// The group whose machines give it its size, where the configuration names none.
    pub like: GroupName,
    /// How long it may take; none is as long as the promotion itself may.
    pub timeout: Option<Millis>,
}

impl OneOff {
    /// The command on one line, as a shell would be told it.
    pub fn title(&self) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
        let quoted = |word: &String| match word.is_empty() || !word.chars().all(is_plain) {
            true => format!("'{}'", word.replace('\'', "'\\''")),
            false => word.clone(),
        };
        self.command.iter().map(quoted).collect::<Vec<_>>().join(" ")
    }
}

/// What is needed to make the machine of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOffSpec {
    /// The command and its machine.
    pub job: OneOff,
    /// Image by digest.
    pub image: ImageRef,
    /// The version of the secrets that it gets at least, where the provider has one.
    pub secrets_version: Option<u64>,
    /// Labels to write with it; [`label::ONE_OFF`] is its key.
    pub labels: BTreeMap<String, String>,
}

/// A machine of a command, as the provider shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOffRun {
    /// The machine.
    pub id: UnitId,
    /// The engine's labels on it.
    pub labels: BTreeMap<String, String>,
    /// How it stands.
    pub state: OneOffState,
    /// Whether there still is a machine to take away: one that could not start does not go by itself.
    pub is_there: bool,
}

impl OneOffRun {
    /// The key it was made under.
    pub fn key(&self) -> Option<&str> {
        self.labels.get(label::ONE_OFF).map(String::as_str)
    }
}

/// How a command stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OneOffState {
    /// Being made; it cannot be started yet.
    Coming,
    /// Made and never started.
    Resting,
    /// Started, or about to be.
    Running {
        /// Since when, by the provider's clock, where it tells.
        since: Option<At>,
    },
    /// Over; its machine goes by itself, if it could start.
    Ended {
        /// None where nobody can tell.
        exit_code: Option<i64>,
        /// What else is known of how it ended.
        why: Option<String>,
    },
}

/// How a command ended, as journaled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneOffEnd {
    /// The machine it ran on.
    pub run: UnitId,
    /// None where nobody can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// What else is known of how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The last lines it wrote, free of what looks like a secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// POSIX.1-2024, Shell Command Language 2.2.2: all is literal between single quotes.
    #[test]
    fn a_command_reads_as_it_would_be_typed() {
        let title = |words: &[&str]| {
            let command = words.iter().map(|word| (*word).to_owned()).collect();
            let (region, like) = (RegionName::new("fra").unwrap(), GroupName::new("app").unwrap());
            OneOff { command, config: Value::Null, region, like, timeout: None }.title()
        };
        assert_eq!(title(&["bin/rails", "db:migrate"]), "bin/rails db:migrate");
        assert_eq!(title(&["sh", "-c", "echo 'a' && b", ""]), r"sh -c 'echo '\''a'\'' && b' ''");
    }
}
