//! Files that nothing compiles: a forgotten test is no test.

use super::Finding;
use crate::cargo::Package;
use crate::repo::Repo;
use clikit::Failure;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Directories of a package with Rust files that are data, not code.
const DATA: [&str; 3] = ["fixtures", "snapshots", "golden"];

/// All Rust files of a package that no target reaches through `mod` declarations.
///
/// # Errors
/// If a file cannot be read.
pub fn check(repo: &Repo, packages: &[Package]) -> Result<Vec<Finding>, Failure> {
    let dirs: BTreeSet<&Path> = packages.iter().map(Package::dir).collect();
    let mut findings = Vec::new();
    for package in packages {
        let mut reached = BTreeSet::new();
        for target in &package.targets {
            reach(repo, &repo.relative(&target.src_path), true, &mut reached)?;
        }
        for file in repo.rust_files(&repo.relative(package.dir()).to_string_lossy())? {
            let is_data = file.components().any(|part| DATA.iter().any(|name| part.as_os_str() == *name));
            let absolute = repo.root.join(&file);
            let is_of_inner = dirs.iter().any(|dir| {
                *dir != package.dir() && dir.starts_with(package.dir()) && absolute.starts_with(dir)
            });
            if !is_data && !is_of_inner && !reached.contains(&file) {
                let text = "no target reaches this file: declare it with `mod`, or remove it";
                findings.push(Finding::of(&file, text));
            }
        }
    }
    Ok(findings)
}

fn reach(repo: &Repo, file: &Path, is_root: bool, reached: &mut BTreeSet<PathBuf>) -> Result<(), Failure> {
    if !repo.has(file) || !reached.insert(file.to_path_buf()) {
        return Ok(());
    }
    let dir = file.parent().unwrap_or(Path::new(""));
    let is_mod = file.file_name().is_some_and(|name| name == "mod.rs");
    let below = if is_root || is_mod { dir.to_path_buf() } else { file.with_extension("") };
    for module in declared(&repo.read(file)?) {
        match module {
            Module::Named(name) => {
                reach(repo, &below.join(format!("{name}.rs")), false, reached)?;
                reach(repo, &below.join(name).join("mod.rs"), false, reached)?;
            }
            Module::At(path) => reach(repo, &dir.join(path), false, reached)?,
        }
    }
    Ok(())
}

enum Module {
    /// `mod name;`
    Named(String),
    /// `#[path = "…"] mod name;`
    At(String),
}

/// The `mod x;` declarations of a file.
fn declared(text: &str) -> Vec<Module> {
    let mut modules = Vec::new();
    let mut path: Option<String> = None;
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            path = rest.split('"').next().map(str::to_owned);
        } else if let Some(name) = module_name(line) {
            modules.push(path.take().map_or_else(|| Module::Named(name.to_owned()), Module::At));
        }
    }
    modules
}

/// `name` in `mod name;`, `pub mod name;`, `pub(crate) mod name;`, also behind attributes on the same line.
fn module_name(line: &str) -> Option<&str> {
    let line = line.rsplit_once("] ").map_or(line, |(_, rest)| rest);
    let line = match line.strip_prefix("pub") {
        Some(rest) => {
            rest.strip_prefix('(').and_then(|r| Some(r.split_once(')')?.1)).unwrap_or(rest).trim_start()
        }
        None => line,
    };
    let name = line.strip_prefix("mod ")?.strip_suffix(';')?;
    name.chars().all(|c| c.is_alphanumeric() || c == '_').then_some(name)
}

#[cfg(test)]
mod tests {
    use super::module_name;

    #[test]
    fn every_form_of_a_declaration_is_read() {
        let lines =
            ["mod a;", "pub mod a;", "pub(crate) mod a;", "pub(in crate::x) mod a;", "#[cfg(test)] mod a;"];
        assert!(lines.iter().all(|line| module_name(line) == Some("a")));
        assert_eq!(module_name("mod a {"), None);
        assert_eq!(module_name("// mod a;"), None);
    }
}
