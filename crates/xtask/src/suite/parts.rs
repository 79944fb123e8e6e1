//! Programs that the tests use: the required ones are installed where we may, the others are reported.

use super::steps::Session;
use super::tally::{Counts, Report};
use crate::process::{Run, Shell};
use clikit::Failure;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
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
    /// A directory beside the search path where its package puts it; `*` stands for one name.
    pub beside: Option<&'static str>,
}

/// The table. A program is added when the first test uses it.
pub const PARTS: &[Part] = &[
    required("git", "git", "sources and their trees"),
    required("skopeo", "skopeo", "a foreign client of the registry"),
    required("jq", "jq", "rendered workflows ask with it which commit runs"),
    required("curl", "curl", "a foreign client of everything that speaks HTTP"),
    required("ssh-keygen", "openssh-client", "signed approvals"),
    required("python3", "python3", "the example service runs it, and tests write small servers in it"),
    required("bash", "bash", "the example service runs it"),
    required("initdb", "postgresql", "a store that several machines share")
        .beside("/usr/lib/postgresql/*/bin"),
    required("pgbouncer", "pgbouncer", "that store behind a pooler of transactions").beside("/usr/sbin"),
    optional("wrk", Some("wrk"), "load from outside while a release is switched"),
    optional("terraform", None, "infrastructure made for real"),
    optional("flyctl", None, "the provider's own client against localcloud"),
    optional("moto_server", None, "the journal in an S3 server that others wrote"),
    optional("docker", None, "images built by a foreign tool"),
    optional("firefox", Some("firefox-esr"), "pages in a second browser"),
    optional("node", Some("nodejs"), "one more language of the example service"),
];

const fn required(program: &'static str, package: &'static str, purpose: &'static str) -> Part {
    Part { program, package: Some(package), need: Need::Required, purpose, beside: None }
}

const fn optional(program: &'static str, package: Option<&'static str>, purpose: &'static str) -> Part {
    Part { program, package, need: Need::Optional, purpose, beside: None }
}

impl Part {
    const fn beside(mut self, place: &'static str) -> Self {
        self.beside = Some(place);
        self
    }

    fn is_there(&self, shell: &Shell) -> bool {
        shell.which(self.program).is_some()
            || self.beside.is_some_and(|place| is_in(Path::new("/"), place, self.program))
    }
}

/// Whether `program` is in a directory below `root` that `place` describes.
fn is_in(root: &Path, place: &str, program: &str) -> bool {
    let mut places = vec![root.to_path_buf()];
    for part in place.split('/').filter(|part| !part.is_empty()) {
        let below = |dir: PathBuf| match part {
            "*" => fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect(),
            name => vec![dir.join(name)],
        };
        places = places.into_iter().flat_map(below).collect();
    }
    places.iter().any(|place| place.join(program).is_file())
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
    Ok(judge(PARTS, |part| part.is_there(shell)))
}

fn missing(shell: &Shell, parts: &[Part]) -> Vec<Part> {
    let is_missing = |part: &&Part| part.need == Need::Required && !part.is_there(shell);
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
    let _quiet = NoServices::at(Path::new(POLICY))?;
    shell.progress.line(format!("parts: installing {}", packages.join(", ")));
    apt().args(["update", "-qq"]).run(shell)?;
    apt().args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages).run(shell)?;
    Ok(())
}

/// Asked by every package of Debian before it starts a service (invoke-rc.d(8), POLICIES); 101 says no.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// While it is there packages start nothing: tests start what they need by themselves. A policy that somebody else
/// wrote stays as it is.
#[derive(Debug)]
struct NoServices(Option<PathBuf>);

impl NoServices {
    fn at(path: &Path) -> Result<Self, Failure> {
        if path.exists() {
            return Ok(Self(None));
        }
        let wrong =
            |error| Failure::unavailable(format!("{} cannot be written", path.display())).with_source(error);
        fs::write(path, "#!/bin/sh\nexit 101\n").map_err(wrong)?;
        let policy = Self(Some(path.to_path_buf()));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(wrong)?;
        Ok(policy)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_beside_the_search_path_is_found() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("usr/lib/postgresql/15/bin");
        assert!(!is_in(root.path(), "/usr/lib/postgresql/*/bin", "initdb"));
        fs::create_dir_all(&place).unwrap();
        assert!(!is_in(root.path(), "/usr/lib/postgresql/*/bin", "initdb"));
        fs::write(place.join("initdb"), "").unwrap();
        assert!(is_in(root.path(), "/usr/lib/postgresql/*/bin", "initdb"));
        assert!(!is_in(root.path(), "/usr/lib/*/bin", "initdb"));
    }

    #[test]
    fn while_packages_are_installed_no_service_starts_and_a_policy_of_others_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy-rc.d");
        let policy = NoServices::at(&path).unwrap();
        let asked = std::process::Command::new(&path).status().unwrap();
        assert_eq!(asked.code(), Some(101));
        drop(policy);
        assert!(!path.exists());
        fs::write(&path, "theirs").unwrap();
        drop(NoServices::at(&path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
    }
}
