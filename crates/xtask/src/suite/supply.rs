//! What comes from elsewhere: names, versions, licences and duplicates against `deny.toml`.
//!
//! The part of cargo-deny that needs neither the tool nor its database of advisories, so that it runs everywhere;
//! where cargo-deny is installed it runs as well.

use super::cargo_steps::cargo;
use super::steps::Session;
use super::tally::Report;
use clikit::{Exit, Failure, FailureExt};
use semver::{Version, VersionReq};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// What we read of `deny.toml`.
#[derive(Clone, Debug, Deserialize)]
pub struct Policy {
    licenses: Licences,
    bans: Bans,
}

#[derive(Clone, Debug, Deserialize)]
struct Licences {
    allow: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Bans {
    skip: Vec<Named>,
    deny: Vec<Named>,
}

#[derive(Clone, Debug, Deserialize)]
struct Named {
    #[serde(rename = "crate")]
    spec: String,
    reason: String,
}

/// A crate that is compiled for us.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Crate {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// Its licence as an SPDX expression.
    pub licence: String,
}

/// Everything that is compiled for us, against the policy.
///
/// # Errors
/// If cargo cannot be started or `deny.toml` cannot be read.
pub fn step(session: &mut Session<'_>) -> Result<Report, Failure> {
    let policy = Policy::read(&session.repo.read("deny.toml")?)?;
    let args =
        ["tree", "--workspace", "--locked", "--prefix", "none", "-e", "normal,build,dev", "-f", "{p}\t{l}"];
    let tree = cargo(session, &args).run(session.shell)?;
    if !tree.is_ok() {
        return Err(Failure::unavailable("cargo tree failed").with_why(tree.errors));
    }
    let problems = policy.problems(&crates(&tree.text));
    if !problems.is_empty() {
        return Ok(Report::failed(problems.join("\n")));
    }
    let mut report = Report::passed();
    if session.shell.which("cargo-deny").is_none() {
        report.counts.skipped += 1;
        report.notes.push("not run: advisories (cargo-deny is missing)".to_owned());
        return Ok(report);
    }
    let run = cargo(session, &["deny", "--offline", "check"]).echoed().merged();
    let ran = run.run(session.shell)?;
    Ok(if ran.is_ok() {
        report
    } else {
        Report::failed(format!("`{}` ended with {}", run.line(), ran.ending()))
    })
}

/// The crates in what `cargo tree -f "{p}\t{l}"` prints.
#[must_use]
pub fn crates(tree: &str) -> BTreeSet<Crate> {
    let lines = tree.lines().filter_map(|line| line.split_once('\t'));
    lines
        .filter_map(|(package, licence)| {
            let mut words = package.split(' ');
            let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?.parse().ok()?);
            let licence = licence.trim_end_matches(" (*)");
            Some(Crate { name: name.to_owned(), version, licence: licence.to_owned() })
        })
        .collect()
}

impl Policy {
    /// Reads the text of a `deny.toml`.
    ///
    /// # Errors
    /// Exit 2 with line and column.
    pub fn read(text: &str) -> Result<Self, Failure> {
        toml::from_str(text).or_exit(Exit::Usage, || "cannot read deny.toml")
    }

    /// Everything that the policy does not allow.
    #[must_use]
    pub fn problems(&self, crates: &BTreeSet<Crate>) -> Vec<String> {
        let mut problems = Vec::new();
        let mut versions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for c in crates {
            let (name, version) = (&c.name, &c.version);
            if !is_allowed(&c.licence, &self.licenses.allow) {
                problems.push(format!("{name} {version}: its licence `{}` is not allowed", c.licence));
            }
            for banned in self.bans.deny.iter().filter(|banned| banned.matches(c)) {
                problems.push(format!("{name} {version} is banned: {}", banned.reason));
            }
            versions.entry(name).or_default().push(version.to_string());
        }
        for (name, versions) in versions {
            let is_skipped = self.bans.skip.iter().any(|skip| skip.spec == name);
            if versions.len() > 1 && !is_skipped {
                let versions = versions.join(", ");
                problems.push(format!(
                    "{name} is there more than once ({versions}): unite, or skip with a reason"
                ));
            }
        }
        problems
    }
}

impl Named {
    /// `name`, `name:REQUIREMENT` or `name@VERSION`.
    fn matches(&self, c: &Crate) -> bool {
        match self.spec.split_once([':', '@']) {
            None => self.spec == c.name,
            Some((name, versions)) => {
                name == c.name && VersionReq::parse(versions).is_ok_and(|wanted| wanted.matches(&c.version))
            }
        }
    }
}

/// Whether an SPDX expression is satisfied by the allowed licences: every part of an `AND`, one of an `OR`.
///
/// Enough of SPDX for what crates write; an `OR` of `AND`s is read as the stricter `AND` of `OR`s.
#[must_use]
pub fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let text = expression.replace('/', " OR ").replace(['(', ')'], " ");
    let is_listed = |part: &str| allowed.iter().any(|a| a == part.trim());
    text.split(" AND ").all(|all| all.split(" OR ").any(is_listed))
}
