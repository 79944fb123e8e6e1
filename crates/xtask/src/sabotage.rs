//! `cargo xtask sabotage`: a test that stays green while its promise is broken on purpose proves nothing.

mod told;

use crate::cargo;
use crate::libtest::{self, Outcome, Results};
use crate::process::{Ran, Shell};
use crate::promises::{self, Kind, Sabotage};
use crate::repo::Repo;
use crate::torture;
use clikit::{Exit, Failure, Output};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use told::Told;

/// Time for the tests of one sabotage. A broken promise may well make a test wait for ever: that counts as
/// unnoticed, since a test has to say what it saw.
const LIMIT: Duration = Duration::from_mins(20);
/// Enough for every effect to be struck, some of them twice.
const KILLS: u64 = 40;
/// The package that passes every switch on to the binary that is tortured.
const TORTURED: &str = "promote";

/// What is to be broken, and who has to notice.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only this one: `p3`, `P3` or `sabotage-p3`.
    pub name: Option<String>,
    /// Whether processes are killed under the sabotage as well, which takes some minutes for each.
    pub has_torture: bool,
    /// A list instead of a table.
    pub is_json: bool,
}

/// What the tests did under one sabotage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noticed {
    /// These tests, named after the promise, failed.
    Red(Vec<String>),
    /// All tests passed: nobody would notice.
    Green,
    /// No test carries the promise's name.
    NoTest,
    /// It does not compile, or ended without results.
    Broken(String),
}

/// Breaks every promise that has a switch, or the one that is named, one at a time.
///
/// # Errors
/// Exit 2 for an unknown name; 4 if the tests are red without any sabotage.
pub fn run(repo: &Repo, shell: &Shell, out: &Output, wanted: &Wanted) -> Result<Exit, Failure> {
    let all = promises::sabotages(repo, &cargo::packages(&repo.root, shell)?)?;
    let chosen = chosen(all, wanted.name.as_deref())?;
    baseline(repo, shell, &chosen)?;
    let mut told = Vec::new();
    for it in &chosen {
        let n = it.n;
        shell.progress.line(format!("p{n}: broken on purpose"));
        let begun = shell.progress.elapsed();
        let ran = test(repo, shell, std::slice::from_ref(it), true)?;
        let mut one = Told::new(n);
        for suite in &it.suites {
            let noticed = match &ran {
                Ok((ran, results)) => judge(n, suite, ran, results),
                Err(ran) => Noticed::Broken(format!("it does not compile: {}", ran.ending())),
            };
            if let Noticed::Red(tests) = &noticed {
                tests.iter().for_each(|test| shell.progress.line(format!("p{n}: noticed by {test}")));
            }
            one.suites.push((suite.clone(), noticed));
        }
        if wanted.has_torture && it.switches.iter().any(|switch| switch.package == TORTURED) {
            one.torture = Some(tortured(repo, shell, n)?);
        }
        one.took = shell.progress.elapsed().saturating_sub(begun);
        told.push(one);
    }
    told::tell(out, &told, wanted.is_json)?;
    Ok(if told.iter().all(Told::is_caught) { Exit::Done } else { Exit::TestsFailed })
}

fn chosen(all: Vec<Sabotage>, name: Option<&str>) -> Result<Vec<Sabotage>, Failure> {
    let Some(name) = name else { return Ok(all) };
    let digits = name.trim_start_matches("sabotage-").trim_start_matches(['p', 'P']);
    let number: Option<u32> = digits.parse().ok();
    match all.iter().find(|it| Some(it.n) == number) {
        Some(one) => Ok(vec![one.clone()]),
        None => {
            let names: Vec<String> = all.iter().map(|it| format!("p{}", it.n)).collect();
            Err(Failure::usage(format!("there is no sabotage called `{name}`"))
                .with_hint(format!("cargo xtask sabotage [{}]", names.join("|"))))
        }
    }
}

/// The same tests without any sabotage: if they are red already, being red proves nothing.
fn baseline(repo: &Repo, shell: &Shell, chosen: &[Sabotage]) -> Result<(), Failure> {
    shell.progress.line("the same tests without sabotage");
    let (ran, results) = match test(repo, shell, chosen, false)? {
        Ok(pair) => pair,
        Err(ran) => return Err(Failure::tests_failed("the tests do not compile").with_why(ran.errors)),
    };
    if ran.is_ok() {
        return Ok(());
    }
    let red: Vec<&str> = results
        .tests
        .iter()
        .filter_map(|(name, outcome)| (*outcome == Outcome::Failed).then_some(name.as_str()))
        .collect();
    Err(Failure::tests_failed("tests are red without any sabotage, so a sabotage would prove nothing")
        .with_why(red.join("\n"))
        .with_hint("cargo xtask test"))
}

/// A target directory of their own, so that the usual one stays warm.
fn target(repo: &Repo, shell: &Shell) -> String {
    cargo::target(repo, shell).join("sabotage").to_string_lossy().into_owned()
}

/// Runs the tests named after these promises, in the packages that have to notice. The inner error is a build that
/// failed.
fn test(
    repo: &Repo,
    shell: &Shell,
    chosen: &[Sabotage],
    is_broken: bool,
) -> Result<Result<(Ran, Results), Ran>, Failure> {
    let suites: BTreeSet<&str> = chosen.iter().flat_map(|it| &it.suites).map(String::as_str).collect();
    let run = shell.cargo(&repo.root).var("CARGO_TARGET_DIR", &target(repo, shell)).limit(LIMIT);
    let run = run.args(["test", "--locked", "--lib", "--bins", "--tests"]);
    let run = run.args(suites.into_iter().flat_map(|suite| ["-p", suite]));
    let features = chosen.iter().filter(|_| is_broken);
    let features =
        features.flat_map(|it| it.suites.iter().map(move |suite| format!("{suite}/sabotage-p{}", it.n)));
    let run = run.args(features.flat_map(|feature| ["--features".to_owned(), feature]));
    let built = run.clone().args(["--no-run", "--message-format", "json-render-diagnostics"]);
    let built = built.echoed_errors().run(shell)?;
    if !built.is_ok() {
        return Ok(Err(built));
    }
    let packages: BTreeMap<String, String> = libtest::executables(&built.text);
    let run = run.args(["--no-fail-fast", "--"]).args(chosen.iter().map(|it| format!("p{}_", it.n)));
    let ran = run.run(shell)?;
    let results = libtest::parse(&ran.text, &ran.errors, &packages);
    Ok(Ok((ran, results)))
}

/// What a run under the sabotage of promise `n` shows about the tests of a package.
#[must_use]
pub fn judge(n: u32, package: &str, ran: &Ran, results: &Results) -> Noticed {
    let is_of = |name: &str| name.split_once("::").is_some_and(|(first, _)| first == package);
    let is_named = |name: &str| is_of(name) && promises::promise_of(name) == Some(n);
    let named = || results.tests.iter().filter(|(name, _)| is_named(name));
    let red: Vec<String> =
        named().filter(|(_, outcome)| **outcome == Outcome::Failed).map(|(name, _)| name.clone()).collect();
    if !red.is_empty() {
        return Noticed::Red(red);
    }
    if ran.is_late {
        return Noticed::Broken("the tests hung and never said what they saw".to_owned());
    }
    if !results.unfinished.is_empty() {
        return Noticed::Broken(format!("{} crashed", results.unfinished.join(", ")));
    }
    if named().next().is_none() { Noticed::NoTest } else { Noticed::Green }
}

/// Kills processes of a binary in which the promise is broken.
fn tortured(repo: &Repo, shell: &Shell, n: u32) -> Result<Noticed, Failure> {
    shell.progress.line(format!("p{n}: {KILLS} processes are killed"));
    let wanted = torture::Wanted { kills: KILLS, seed: 1, lanes: None, is_json: false };
    let feature = format!("{TORTURED}/sabotage-p{n}");
    let ran = torture::strike(repo, shell, &wanted, Some((&feature, &target(repo, shell))))?;
    Ok(match ran.code {
        Some(0) => Noticed::Green,
        Some(4) => Noticed::Red(vec![Kind::Torture.name().to_owned()]),
        _ => Noticed::Broken(format!("the torture ended with {}", ran.ending())),
    })
}
