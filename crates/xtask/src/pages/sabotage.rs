//! docs/sabotage.md, from the switches in the manifests, the words above them, and the tests with their names.

use super::{cell, heading};
use crate::cargo;
use crate::process::Shell;
use crate::promises::{self, Kind, Sabotage};
use crate::repo::Repo;
use crate::requirements::Requirements;
use clikit::Failure;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

pub(super) fn page(repo: &Repo, shell: &Shell) -> Result<String, Failure> {
    let requirements = Requirements::read(repo)?;
    let mut text = heading("Sabotage", "the features `sabotage-pN` and the tests `pN_…`");
    text.push_str(
        "\nA test that stays green while its promise is broken proves nothing. Each promise has a switch, a feature of a \
         package that breaks it on purpose when it is compiled in; no binary that is shipped has one. `cargo xtask \
         sabotage` turns on one after the other and wants tests named after the promise to go red; with `--with torture` \
         the torture run is asked as well. *Asked* are the tests that carry the promise's name, by their kind; of each \
         package at least one has to notice.\n",
    );
    for it in promises::sabotages(repo, &cargo::packages(&repo.root, shell)?)? {
        let promise = requirements.promises.texts.get(&format!("P{}", it.n));
        text.push_str(&section(repo, &it, promise.map_or("", String::as_str))?);
    }
    Ok(text)
}

fn section(repo: &Repo, it: &Sabotage, promise: &str) -> Result<String, Failure> {
    let n = it.n;
    let mut text = format!("\n## P{n}\n\n{}.\n\n| | |\n|---|---|\n", sentence(promise));
    for switch in it.switches.iter().filter(|switch| !switch.is_forward) {
        let words = promises::words(repo, switch, n)?;
        let _ = writeln!(text, "| `{}/sabotage-p{n}` | {} |", switch.package, cell(&words));
        let _ = writeln!(text, "| where | {} |", listed(&promises::places(repo, switch, n)?));
    }
    let mut noticed: BTreeMap<Kind, BTreeSet<PathBuf>> = BTreeMap::new();
    for file in &it.files {
        noticed.entry(Kind::of_file(file)).or_default().insert(file.clone());
    }
    for (kind, files) in noticed {
        let _ = writeln!(text, "| asked: {} | {} |", kind.name(), listed(&files));
    }
    Ok(text)
}

fn sentence(promise: &str) -> String {
    let mut letters = promise.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn listed(files: &BTreeSet<PathBuf>) -> String {
    let link = |file: &PathBuf| format!("[{0}](../{0})", file.display());
    files.iter().map(link).collect::<Vec<_>>().join("<br>")
}
