//! Programs that the tests use: the required ones are installed where we may, the others are reported.

use super::steps::Session;
use super::tally::{Counts, Report};
use crate::process::{Run, Shell};
use clikit::Failure;
use std::path::Path;
use std::time::Duration;

/// How much a program matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Tests fail without it.
    Required,
    /// What needs it is reported as not run.
    Optional,
}

/// A program that tests run.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The program on the search path.
    pub program: &'static str,
    /// The Debian package it comes with; none where Debian has none.
    pub package: Option<&'static str>,
    /// How much it matters.
    pub need: Need,
    /// What it is used for.
    pub purpose: &'static str,
}

/// The table. A program is added when the first test uses it.
pub const PARTS: &[Part] = &[
    required("git", "git", "sources and their trees"),
    required("skopeo", "skopeo", "a foreign client of the registry"),
    required("curl", "curl", "a foreign client of everything that speaks HTTP"),
    required("ssh-keygen", "openssh-client", "signed approvals"),
    required("python3", "python3", "the example service runs it, and tests write small servers in it"),
    required("bash", "bash", "the example service runs it"),
    optional("wrk", Some("wrk"), "load from outside while a release is switched"),
    optional("terraform", None, "infrastructure made for real"),
    optional("flyctl", None, "the provider's own client against localcloud"),
    optional("docker", None, "images built by a foreign tool"),
    optional("firefox", Some("firefox-esr"), "pages in a second browser"),
    optional("node", Some("nodejs"), "one more language of the example service"),
];

const fn required(program: &'static str, package: &'static str, purpose: &'static str) -> Part {
    Part { program, package: Some(package), need: Need::Required, purpose }
}

const fn optional(program: &'static str, package: Option<&'static str>, purpose: &'static str) -> Part {
    Part { program, package, need: Need::Optional, purpose }
}

/// Installs what is missing and required if this is a Debian and we are root, and says what is there.
///
/// # Errors
/// None of its own; a part that stays missing is counted.
pub fn step(session: &mut Session<'_>) -> Result<Report, Failure> {
    let shell = session.shell;
    let wanted = missing(shell, PARTS);
    let packages: Vec<&str> = wanted.iter().filter_map(|part| part.package).collect();
    let may_install = shell.which("apt-get").is_some() && is_root(shell);
    if !packages.is_empty() && may_install {
        install(shell, &packages)?;
    }
    Ok(judge(PARTS, |part| shell.which(part.program).is_some()))
}

fn missing(shell: &Shell, parts: &[Part]) -> Vec<Part> {
    let is_missing = |part: &&Part| part.need == Need::Required && shell.which(part.program).is_none();
    parts.iter().filter(is_missing).copied().collect()
}

fn is_root(shell: &Shell) -> bool {
    let ran = Run::new("id", Path::new("/")).args(["-u"]).run(shell);
    ran.is_ok_and(|ran| ran.text.trim() == "0")
}

fn install(shell: &Shell, packages: &[&str]) -> Result<(), Failure> {
    let apt = || {
        let run = Run::new("apt-get", Path::new("/")).var("DEBIAN_FRONTEND", "noninteractive");
        run.limit(Duration::from_mins(15)).echoed().merged()
    };
    shell.progress.line(format!("parts: installing {}", packages.join(", ")));
    apt().args(["update", "-qq"]).run(shell)?;
    apt().args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages).run(shell)?;
    Ok(())
}

/// A report from the table: a missing required part is red, a missing optional one is not run.
#[must_use]
pub fn judge(parts: &[Part], is_there: impl Fn(&Part) -> bool) -> Report {
    let mut counts = Counts::default();
    let mut notes = Vec::new();
    for part in parts {
        match (is_there(part), part.need) {
            (true, _) => counts.passed += 1,
            (false, Need::Optional) => {
                counts.skipped += 1;
                notes.push(format!("not run: {} ({} is missing)", part.purpose, part.program));
            }
            (false, Need::Required) => {
                counts.failed += 1;
                let package = part.package.unwrap_or(part.program);
                let command = format!("apt-get install -y --no-install-recommends {package}");
                notes.push(format!("{} is missing ({}): {command}", part.program, part.purpose));
            }
        }
    }
    Report::of(counts, notes)
}
