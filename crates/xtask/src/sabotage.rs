//! `cargo xtask sabotage`: a test that stays green while its promise is broken on purpose proves nothing.

use crate::cargo;
use crate::libtest::{self, Outcome, Results};
use crate::process::{Ran, Shell};
use crate::repo::Repo;
use crate::tidy::promises;
use clikit::{Exit, Failure, Output, Table, elapsed_text};
use std::collections::BTreeMap;
use std::time::Duration;

/// The packages whose tests have to notice. Each of them that has a test named after a promise must go red by it; the
/// first one must have such a test. A package above the engine joins with a row, once its tests stand on it.
pub const SUITES: &[&str] = &["promotion"];

/// Time for the tests of one sabotage. A broken promise may well make a test wait for ever: that counts as
/// unnoticed, since a test has to say what it saw.
const LIMIT: Duration = Duration::from_mins(20);

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

/// Breaks every promise that has a switch, or the one called `name` (`p3`), one at a time.
///
/// # Errors
/// Exit 2 for an unknown name; 4 if the tests are red without any sabotage.
pub fn run(repo: &Repo, shell: &Shell, out: &Output, name: Option<&str>) -> Result<Exit, Failure> {
    let switches = promises::switches(&cargo::packages(&repo.root, shell)?);
    let wanted: Vec<u32> =
        match name {
            None => switches.iter().copied().collect(),
            Some(name) => {
                let digits = name.trim_start_matches("sabotage-").trim_start_matches(['p', 'P']);
                let number = digits.parse().ok().filter(|n| switches.contains(n));
                let names: Vec<String> = switches.iter().map(|n| format!("p{n}")).collect();
                let failure = || Failure::usage(format!("there is no sabotage called `{name}`"));
                vec![number.ok_or_else(|| {
                    failure().with_hint(format!("cargo xtask sabotage [{}]", names.join("|")))
                })?]
            }
        };
    baseline(repo, shell, &wanted)?;
    let mut table = Table::new(["promise", "package", "result", "tests that noticed", "time"]);
    let mut n_unnoticed = 0;
    for n in wanted {
        shell.progress.line(format!("p{n}: broken on purpose"));
        let begun = shell.progress.elapsed();
        let ran = test(repo, shell, &[n], Some(n))?;
        let took = elapsed_text(shell.progress.elapsed().saturating_sub(begun));
        for (i, suite) in SUITES.iter().enumerate() {
            let noticed = match &ran {
                Ok((ran, results)) => judge(n, suite, ran, results),
                Err(ran) => Noticed::Broken(format!("it does not compile: {}", ran.ending())),
            };
            if i > 0 && noticed == Noticed::NoTest {
                continue;
            }
            n_unnoticed += usize::from(!matches!(noticed, Noticed::Red(_)));
            if let Noticed::Red(tests) = &noticed {
                tests.iter().for_each(|test| shell.progress.line(format!("p{n}: noticed by {test}")));
            }
            let (result, tests) = cells(&noticed);
            table.row([format!("P{n}"), (*suite).to_owned(), result, tests, took.clone()]);
        }
    }
    out.text(&table.to_string())?;
    Ok(if n_unnoticed == 0 { Exit::Done } else { Exit::TestsFailed })
}

/// The same tests without any sabotage: if they are red already, being red proves nothing.
fn baseline(repo: &Repo, shell: &Shell, wanted: &[u32]) -> Result<(), Failure> {
    shell.progress.line("the same tests without sabotage");
    let (ran, results) = match test(repo, shell, wanted, None)? {
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

/// Runs the tests named after `wanted`, in a target directory of their own so that the usual one stays warm.
/// The inner error is a build that failed.
fn test(
    repo: &Repo,
    shell: &Shell,
    wanted: &[u32],
    sabotage: Option<u32>,
) -> Result<Result<(Ran, Results), Ran>, Failure> {
    let dir = shell.context.var("CARGO_TARGET_DIR").map_or_else(|| repo.root.join("target"), Into::into);
    let dir = dir.join("sabotage").to_string_lossy().into_owned();
    let run = shell.cargo(&repo.root).var("CARGO_TARGET_DIR", &dir).limit(LIMIT);
    let run = run.args(["test", "--locked", "--lib", "--bins", "--tests"]);
    let run = run.args(SUITES.iter().flat_map(|suite| ["-p", suite]));
    let run =
        run.args(sabotage.iter().flat_map(|n| ["--features".to_owned(), format!("promotion/sabotage-p{n}")]));
    let built = run.clone().args(["--no-run", "--message-format", "json-render-diagnostics"]);
    let built = built.echoed_errors().run(shell)?;
    if !built.is_ok() {
        return Ok(Err(built));
    }
    let packages: BTreeMap<String, String> = libtest::executables(&built.text);
    let run = run.args(["--no-fail-fast", "--"]).args(wanted.iter().map(|n| format!("p{n}_")));
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

fn cells(noticed: &Noticed) -> (String, String) {
    match noticed {
        Noticed::Red(tests) => {
            let first = tests.first().map_or("-", String::as_str);
            let more = tests.len().saturating_sub(1);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            ("red, as it must be".to_owned(), format!("{first}{more}"))
        }
        Noticed::Green => ("GREEN: NOBODY NOTICED".to_owned(), "-".to_owned()),
        Noticed::NoTest => ("NO TEST".to_owned(), "-".to_owned()),
        Noticed::Broken(why) => (format!("BROKEN: {why}"), "-".to_owned()),
    }
}
