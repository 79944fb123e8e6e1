//! A promise is kept by a test, and the test is shown to notice when it is broken.

use super::{Finding, source};
use crate::cargo::Package;
use crate::repo::Repo;
use crate::requirements::{self, Requirements};
use clikit::Failure;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The package with the switches.
pub const PACKAGE: &str = "promotion";

/// How many promises there are.
pub const PROMISES: u32 = 12;

/// The number in a name that stands for a promise: 3 in `p3_a_late_create_is_adopted`.
///
/// The `pN_` must begin the name or follow a `_` or `::`, so that `step1_x` and `http2_x` name no promise.
#[must_use]
pub fn promise_of(test: &str) -> Option<u32> {
    let name = test.rsplit("::").next().unwrap_or(test);
    let parts: Vec<&str> = name.split('_').collect();
    let (_, words) = parts.split_last()?;
    let number = words.iter().find_map(|part| part.strip_prefix('p')?.parse::<u32>().ok())?;
    (1..=PROMISES).contains(&number).then_some(number)
}

/// The promises that have a switch, from the features of the package.
#[must_use]
pub fn switches(packages: &[Package]) -> BTreeSet<u32> {
    let features = packages.iter().filter(|p| p.name == PACKAGE).flat_map(|p| p.features.keys());
    features.filter_map(|name| name.strip_prefix("sabotage-p")?.parse().ok()).collect()
}

/// All promises that are silent: without a test, without a switch, or with one that does nothing.
///
/// # Errors
/// If a file cannot be read.
pub fn check(
    repo: &Repo,
    packages: &[Package],
    requirements: &Requirements,
) -> Result<Vec<Finding>, Failure> {
    let page = Path::new(requirements::PATH);
    let switches = switches(packages);
    let tests = tests(repo)?;
    let used = used_switches(repo)?;
    let mut findings = Vec::new();
    for n in 1..=PROMISES {
        let name = format!("P{n}");
        if !requirements.promises.texts.contains_key(&name) {
            findings.push(Finding::of(page, format!("[promises] does not say what {name} is")));
        }
        let (has_switch, has_test) = (switches.contains(&n), tests.contains_key(&n));
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
    for n in switches.iter().filter(|n| !used.contains(n)) {
        let text = format!("the feature `sabotage-p{n}` breaks nothing: no source asks for it");
        findings.push(Finding::of(Path::new("crates/promotion/Cargo.toml"), text));
    }
    Ok(findings)
}

/// Promise → the files with tests named after it, in the package with the switches. Where a macro of the file makes
/// the functions (`fn $name`), their names are the keys of its rows: `p4_ends_the_same: Promote,`.
fn tests(repo: &Repo) -> Result<BTreeMap<u32, Vec<PathBuf>>, Failure> {
    let mut found: BTreeMap<u32, Vec<PathBuf>> = BTreeMap::new();
    for file in repo.rust_files("crates/promotion")? {
        let text = repo.read(&file)?;
        let makes_tests = text.contains("test]") && text.contains("fn $");
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[") {
                is_test |= line.contains("test]") || line.contains("test(");
                continue;
            }
            let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
            if let Some(n) = name.and_then(|rest| promise_of(rest.split('(').next()?)).filter(|_| is_test) {
                found.entry(n).or_default().push(file.clone());
            }
            let row = line.split_once(": ").filter(|(name, _)| makes_tests && is_name(name));
            if let Some(n) = row.and_then(|(name, _)| promise_of(name)) {
                found.entry(n).or_default().push(file.clone());
            }
            is_test &= line.is_empty() || line.starts_with("//");
        }
    }
    Ok(found)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The switches that some source outside of tests asks for.
fn used_switches(repo: &Repo) -> Result<BTreeSet<u32>, Failure> {
    let mut used = BTreeSet::new();
    for file in repo.rust_files("crates/promotion/src")? {
        for (_, line) in source::product_lines(&repo.read(&file)?) {
            for rest in source::without_comment(line).split("\"sabotage-p").skip(1) {
                used.extend(rest.split('"').next().and_then(|n| n.parse::<u32>().ok()));
            }
        }
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use super::promise_of;

    #[test]
    fn a_promise_is_a_word_of_its_own() {
        assert_eq!(promise_of("rollback::p5_equals_the_snapshot"), Some(5));
        assert_eq!(promise_of("sweep_p10_keeps_what_is_unknown"), Some(10));
        assert_eq!(promise_of("step1_x"), None);
        assert_eq!(promise_of("p13_x"), None);
        assert_eq!(promise_of("p5"), None, "the underscore is part of the mark");
        assert_eq!(promise_of("p1_module::tests::x"), None, "the name counts, not the module");
    }
}
