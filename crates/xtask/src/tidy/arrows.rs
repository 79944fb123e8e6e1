//! Who may depend on whom: the layers, checked from `cargo metadata`.

use super::Finding;
use crate::cargo::{Dependency, Package};
use crate::repo::Repo;
use std::collections::{BTreeMap, BTreeSet};

/// The libraries that a binary may use, besides what it may use anyway.
const LIBRARIES: [&str; 7] =
    ["flytypes", "envconfig", "flyclient", "pgschema", "itest", "promotion", "providers"];

/// Package → those of ours it may depend on in normal and build dependencies.
///
/// bins → providers → {promotion, flyclient, itest, pgschema, envconfig} → flytypes; none in the braces knows
/// another, but promotion may use the values of envconfig. The stand-in decodes requests by itself and so knows
/// none of them. A package without a row is a finding: whoever adds one decides where it belongs.
const LAYERS: &[(&str, &[&str])] = &[
    ("actions", &[]),
    ("flytypes", &[]),
    ("envconfig", &["flytypes"]),
    ("flyclient", &["flytypes"]),
    ("pgschema", &["flytypes"]),
    ("itest", &["flytypes"]),
    ("promotion", &["flytypes", "envconfig"]),
    ("providers", &["flytypes", "envconfig", "flyclient", "pgschema", "itest", "promotion"]),
    ("stores", &["promotion"]),
    ("cell", &[]),
    ("localcloud", &["cell"]),
    ("clikit", &[]),
    ("wiring", &["clikit", "flytypes", "envconfig", "flyclient", "promotion", "providers", "stores"]),
    ("xtask", &["clikit"]),
    ("runner", &[]),
    ("promote", &["clikit", "wiring", "localcloud", "cell", "runner"]),
    ("stagectl", &["clikit", "wiring", "localcloud", "cell"]),
    ("itest-cli", &["clikit"]),
    ("localcloud-cli", &["clikit", "localcloud", "cell"]),
    ("examples", &["localcloud", "cell", "runner"]),
];

/// The packages that get [`LIBRARIES`] on top of their row.
const TOPS: [&str; 5] = ["promote", "stagectl", "itest-cli", "localcloud-cli", "examples"];

/// What no test of a library may pull in either.
const NEVER_BELOW: [&str; 6] = ["clikit", "xtask", "promote", "stagectl", "itest-cli", "localcloud-cli"];

/// Package, crate from elsewhere that it must not depend on, and why.
const FOREIGN: &[(&str, &str, &str)] = &[
    ("flytypes", "tokio", "values only, no IO"),
    ("envconfig", "tokio", "values only, no IO"),
    ("envconfig", "reqwest", "values only, no IO"),
    ("envconfig", "rand", "values only, no chance"),
    ("envconfig", "uuid", "values only, no chance"),
    ("promotion", "reqwest", "the engine knows no HTTP"),
    ("promotion", "hyper", "the engine knows no HTTP"),
    ("promotion", "axum", "the engine knows no HTTP"),
    ("promotion", "http", "the engine knows no HTTP"),
    ("promotion", "oci-client", "the engine knows no provider"),
    ("promotion", "tokio-postgres", "the engine knows no server of a store"),
    ("promotion", "rand", "randomness is a port"),
    ("promotion", "uuid", "ids are a port"),
];

/// The packages that may use `anyhow`: a library's errors are typed.
const MAY_USE_ANYHOW: [&str; 6] =
    ["clikit", "promote", "stagectl", "itest-cli", "localcloud-cli", "examples"];

/// All arrows that go where none may go.
#[must_use]
pub fn check(repo: &Repo, packages: &[Package]) -> Vec<Finding> {
    let ours: BTreeSet<&str> = packages.iter().map(|p| p.name.as_str()).collect();
    let rows: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let mut findings = Vec::new();
    for package in packages {
        let manifest = repo.relative(&package.manifest_path);
        let Some(row) = rows.get(package.name.as_str()) else {
            let text =
                format!("package `{}` has no place in the layers: give it a row in LAYERS", package.name);
            findings.push(Finding::of(&manifest, text));
            continue;
        };
        for dependency in &package.dependencies {
            if let Some(why) = refusal(package, dependency, row, &ours) {
                let text = format!("`{}` must not depend on `{}`: {why}", package.name, dependency.name);
                findings.push(Finding::of(&manifest, text));
            }
        }
    }
    findings
}

fn refusal(
    package: &Package,
    dependency: &Dependency,
    row: &[&str],
    ours: &BTreeSet<&str>,
) -> Option<&'static str> {
    let (from, to) = (package.name.as_str(), dependency.name.as_str());
    let is_top = TOPS.contains(&from);
    if from == to {
        return None;
    }
    if dependency.is_dev() {
        let is_chore = from == "xtask";
        let is_below = !is_top && !is_chore && NEVER_BELOW.contains(&to);
        return is_below.then_some("not even in tests: it belongs above the libraries");
    }
    if ours.contains(to) {
        let is_allowed = row.contains(&to) || (is_top && LIBRARIES.contains(&to));
        return (!is_allowed).then_some("arrows go down only (LAYERS)");
    }
    if to == "anyhow" && !MAY_USE_ANYHOW.contains(&from) {
        return Some("a library's errors are typed");
    }
    FOREIGN.iter().find(|(p, d, _)| (*p, *d) == (from, to)).map(|(_, _, why)| *why)
}
