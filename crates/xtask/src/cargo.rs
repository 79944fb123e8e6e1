//! What cargo knows about the workspace.

use crate::process::Shell;
use crate::repo::Repo;
use clikit::{Exit, Failure, FailureExt};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One package of the workspace.
#[derive(Clone, Debug, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its manifest.
    pub manifest_path: PathBuf,
    /// What its manifest asks for.
    pub dependencies: Vec<Dependency>,
    /// What it builds.
    pub targets: Vec<Target>,
    /// Its features and what they switch on.
    #[serde(default)]
    pub features: std::collections::BTreeMap<String, Vec<String>>,
}

/// One line of a `[dependencies]` table.
#[derive(Clone, Debug, Deserialize)]
pub struct Dependency {
    /// The package asked for.
    pub name: String,
    /// `dev`, `build`, or nothing for a normal one.
    pub kind: Option<String>,
}

/// Something a package builds.
#[derive(Clone, Debug, Deserialize)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// `lib`, `bin`, `test`, `example`, `bench`, `custom-build`, …
    pub kind: Vec<String>,
    /// Its root file.
    pub src_path: PathBuf,
}

impl Dependency {
    /// Whether it is only for tests, examples and benchmarks.
    #[must_use]
    pub fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

impl Package {
    /// The package's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(Path::new("."))
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// The directory of the workspace that the current directory belongs to.
///
/// # Errors
/// Exit 2 where there is none.
pub fn workspace_root(shell: &Shell) -> Result<PathBuf, Failure> {
    let run = shell.cargo(&shell.context.current_dir);
    let ran = run.args(["locate-project", "--workspace", "--message-format", "plain"]).run(shell)?;
    let manifest = PathBuf::from(ran.text.trim());
    match manifest.parent() {
        Some(root) if ran.is_ok() => Ok(root.to_path_buf()),
        _ => Err(Failure::usage("there is no workspace here").with_why(ran.errors)),
    }
}

/// Where cargo puts what it builds.
#[must_use]
pub fn target(repo: &Repo, shell: &Shell) -> PathBuf {
    shell.context.var("CARGO_TARGET_DIR").map_or_else(|| repo.root.join("target"), Into::into)
}

/// Builds every binary and example of the workspace, as its tests do, and answers where the binaries are; examples are in
/// `examples` there. To build one package alone would build much below it a second time, with fewer features.
///
/// # Errors
/// Exit 1 where something does not compile.
pub fn programs(repo: &Repo, shell: &Shell) -> Result<PathBuf, Failure> {
    let build = shell.cargo(&repo.root).limit(Duration::from_mins(45));
    let build = build.args(["build", "--workspace", "--bins", "--examples", "--locked", "--quiet"]);
    let ran = build.echoed_errors().run(shell)?;
    if !ran.is_ok() {
        return Err(Failure::bug("the workspace's programs do not compile"));
    }
    Ok(target(repo, shell).join("debug"))
}

/// The packages of the workspace at `root`, without those from elsewhere.
///
/// # Errors
/// Exit 2 if cargo cannot read the manifests.
pub fn packages(root: &Path, shell: &Shell) -> Result<Vec<Package>, Failure> {
    let run = shell.cargo(root).args(["metadata", "--format-version", "1", "--no-deps", "--offline"]);
    let ran = run.run(shell)?;
    if !ran.is_ok() {
        return Err(Failure::usage("cargo cannot read the manifests").with_why(ran.errors));
    }
    let metadata: Metadata =
        serde_json::from_str(&ran.text).or_exit(Exit::Bug, || "cannot read what `cargo metadata` says")?;
    Ok(metadata.packages)
}
