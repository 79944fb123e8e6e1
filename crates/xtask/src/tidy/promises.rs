//! A promise is kept by a test, and the test is shown to notice when it is broken.

use super::Finding;
use crate::cargo::Package;
use crate::promises::{self, PROMISES};
use crate::repo::Repo;
use crate::requirements::{self, Requirements};
use clikit::Failure;
use std::collections::BTreeSet;
use std::path::Path;

/// All promises that are silent: without a test, without a switch, or with one that does nothing or is not told.
///
/// # Errors
/// If a file cannot be read.
pub fn check(
    repo: &Repo,
    packages: &[Package],
    requirements: &Requirements,
) -> Result<Vec<Finding>, Failure> {
    let page = Path::new(requirements::PATH);
    let switches = promises::switches(repo, packages);
    let tests = tested(repo, packages, &switches)?;
    let mut findings = Vec::new();
    for n in 1..=PROMISES {
        let name = format!("P{n}");
        if !requirements.promises.texts.contains_key(&name) {
            findings.push(Finding::of(page, format!("[promises] does not say what {name} is")));
        }
        let (has_switch, has_test) = (switches.contains_key(&n), tests.contains(&n));
        let is_later = requirements.promises.later.contains_key(&name);
        let text = match (has_test, has_switch) {
            (true, true) if is_later => {
                format!("{name} has a test and a sabotage: take it out of [promises.later]")
            }
            (true, true) => continue,
            _ if is_later => continue,
            (true, false) => {
                format!("{name} has a test and no feature `sabotage-p{n}` that breaks it on purpose")
            }
            (false, true) => format!("{name} has a sabotage and no test called `p{n}_…`"),
            (false, false) => format!("{name} is silent: no test `p{n}_…` and no feature `sabotage-p{n}`"),
        };
        findings.push(Finding::of(page, text));
    }
    for (n, switch) in switches.iter().flat_map(|(n, of)| of.iter().map(move |switch| (*n, switch))) {
        if switch.is_forward {
            continue;
        }
        let mut say = |text: String| findings.push(Finding::of(&switch.manifest(), text));
        if promises::places(repo, switch, n)?.is_empty() {
            say(format!("the feature `sabotage-p{n}` breaks nothing: no source asks for it"));
        }
        if promises::words(repo, switch, n)?.is_empty() {
            say(format!("the feature `sabotage-p{n}` has no comment above it that says what it breaks"));
        }
    }
    Ok(findings)
}

/// The promises that have a test where a switch can make it red: in the package that breaks them, or, where there is
/// no switch yet, in any.
fn tested(
    repo: &Repo,
    packages: &[Package],
    switches: &std::collections::BTreeMap<u32, Vec<promises::Switch>>,
) -> Result<BTreeSet<u32>, Failure> {
    let mut tested = BTreeSet::new();
    for package in packages {
        for n in promises::tests(repo, &repo.relative(package.dir()))?.into_keys() {
            let breaks = |switch: &promises::Switch| !switch.is_forward && switch.package == package.name;
            if switches.get(&n).is_none_or(|of| of.iter().any(breaks)) {
                tested.insert(n);
            }
        }
    }
    Ok(tested)
}
