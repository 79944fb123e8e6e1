//! A made-up repository that keeps every rule, for tests that break one.

use clikit::{Context, Output, Progress};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use xtask::process::Shell;
use xtask::repo::Repo;

pub(crate) struct World {
    _dir: TempDir,
    pub(crate) repo: Repo,
    pub(crate) shell: Shell,
}

impl World {
    /// Two packages, twelve promises of which the first is kept, one requirement.
    pub(crate) fn clean() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repo { root: dir.path().canonicalize().unwrap() };
        let context = Context::of_this_process();
        let progress = Progress::to(&context, io::sink());
        let world = Self { _dir: dir, repo, shell: Shell { context, progress } };
        world.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n");
        world.package("flytypes", "");
        world.write("crates/flytypes/src/lib.rs", "//! Values.\n");
        world.package("promotion", "flytypes = { path = \"../flytypes\" }\n");
        world.append("crates/promotion/Cargo.toml", "[features]\n# the gate is open\nsabotage-p1 = []\n");
        world.write(
            "crates/promotion/src/lib.rs",
            "//! Engine.\n\nmod gate;\n\n/// Is it broken?\npub const BROKEN: bool = cfg!(feature = \"sabotage-p1\");\n",
        );
        world.write(
            "crates/promotion/src/gate.rs",
            "//! A gate.\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn p1_is_kept() {\n        assert!(!crate::BROKEN);\n    }\n}\n",
        );
        world.write("docs/requirements.toml", &requirements(&["P1"]));
        world
    }

    pub(crate) fn package(&self, name: &str, dependencies: &str) {
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}\n"
        );
        self.write(&format!("crates/{name}/Cargo.toml"), &manifest);
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.repo.root.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn append(&self, file: &str, text: &str) {
        let old = self.repo.read(file).unwrap_or_default();
        self.write(file, &format!("{old}{text}"));
    }

    /// What `tidy` says about it, one line each.
    pub(crate) fn findings(&self) -> Vec<String> {
        let packages = xtask::cargo::packages(&self.repo.root, &self.shell).unwrap();
        xtask::tidy::check(&self.repo, &packages).unwrap().iter().map(ToString::to_string).collect()
    }

    /// Demands exactly one finding, at this file, that holds these words.
    pub(crate) fn demand_finding(&self, file: &str, words: &str) {
        let findings = self.findings();
        assert_eq!(findings.len(), 1, "{findings:#?}");
        let begin = Path::new(file).display().to_string();
        assert!(findings[0].starts_with(&begin) && findings[0].contains(words), "{findings:#?}");
    }
}

/// Requirements with one open row, where all promises but the kept ones come later.
pub(crate) fn requirements(kept: &[&str]) -> String {
    let names = || (1..=12).map(|n| format!("P{n}"));
    let texts: String = names().map(|name| format!("{name} = \"something\"\n")).collect();
    let later: String = names()
        .filter(|name| !kept.contains(&name.as_str()))
        .map(|name| format!("{name} = \"not yet\"\n"))
        .collect();
    format!(
        "[promises]\n{texts}\n[promises.later]\n{later}\n[[row]]\nid = 1\nseed = \"T\"\ntext = \"it works\"\n\
         area = \"flytypes\"\ntests = []\ncommands = []\npages = []\n"
    )
}

/// An output whose text can be read afterwards.
#[derive(Clone, Default)]
pub(crate) struct Caught(Arc<Mutex<Vec<u8>>>);

impl Caught {
    pub(crate) fn output(&self) -> Output {
        Output::to(false, self.clone())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Caught {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
