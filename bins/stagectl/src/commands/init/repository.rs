//! A repository, walked through for what says how it is deployed.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, FileType};
use std::path::Path;

use clikit::Failure;
use envconfig::scaffold::Repository;

/// Deeper than this nobody keeps a fly.toml.
const DEPTH_MOST: usize = 5;
/// Whoever has more directories has something here that is no source.
const DIRS_MOST: usize = 20_000;

/// Directories of what is built, fetched or for tests.
const NOT_OURS: [&str; 16] = [
    "node_modules",
    "target",
    "vendor",
    "dist",
    "build",
    "out",
    "venv",
    "__pycache__",
    "coverage",
    "test",
    "tests",
    "testdata",
    "fixtures",
    "example",
    "examples",
    "docs",
];

/// What is below `top`, and what was seen and not taken, for people. Hidden directories and those of what is built, fetched
/// or for tests are passed over; the files in `configs` are read wherever they are.
pub(super) fn below(top: &Path, configs: &[String]) -> Result<(Repository, Vec<String>), Failure> {
    let mut found = Repository::default();
    let mut passed_over = Vec::new();
    for config in configs {
        let path = config.trim_start_matches("./").to_owned();
        found.texts.insert(path.clone(), text(top, &path)?);
        found.configs.insert(path);
    }
    let mut dirs = VecDeque::from([(String::new(), 0)]);
    let mut n = 0;
    while let Some((dir, depth)) = dirs.pop_front() {
        n += 1;
        if n > DIRS_MOST {
            let failure = Failure::usage(format!("there are more than {DIRS_MOST} directories here"));
            return Err(failure.with_hint("run in the directory of your app"));
        }
        // Of a directory that cannot be listed nothing is known; the top one has to be there.
        let entries = match entries(&top.join(&dir)) {
            Ok(entries) => entries,
            Err(error) if depth == 0 => {
                return Err(Failure::usage(format!("{} cannot be read", top.display())).with_source(error));
            }
            Err(_) => continue,
        };
        for (name, kind) in entries {
            let is_dir = kind.is_dir();
            let path = if dir.is_empty() { name.clone() } else { format!("{dir}/{name}") };
            if is_dir {
                if name == "migrations" && has_sql(&top.join(&path)) {
                    found.migrations.push(path.clone());
                }
                if depth < DEPTH_MOST && !name.starts_with('.') && !NOT_OURS.contains(&name.as_str()) {
                    dirs.push_back((path, depth + 1));
                }
            } else if is_other_format(&name) {
                passed_over
                    .push(format!("`{path}` is no TOML, and staging's file can be written over TOML only"));
            } else if is_fly(&name) && kind.is_symlink() && !top.join(&path).is_file() {
                passed_over.push(format!("`{path}` is a link to no file"));
            } else if is_fly(&name) && !found.texts.contains_key(&path) {
                let text = text(top, &path)?;
                found.texts.insert(path, text);
            }
        }
    }
    found.migrations.sort();
    Ok((found, passed_over))
}

fn text(top: &Path, path: &str) -> Result<String, Failure> {
    super::read(&top.join(path))
        .map_err(|why| Failure::usage(format!("`{path}` cannot be read")).with_why(why))
}

/// Names in their order, and what each is; a name that is no text is none of ours.
fn entries(dir: &Path) -> std::io::Result<BTreeMap<String, FileType>> {
    let mut names = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string() {
            names.insert(name, entry.file_type()?);
        }
    }
    Ok(names)
}

/// `fly.toml`, `fly.staging.toml`, `fly-staging.toml`.
fn is_fly(name: &str) -> bool {
    let stem = name.strip_suffix(".toml").and_then(|stem| stem.strip_prefix("fly"));
    stem.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '_']))
}

/// `fly.json` and `fly.yaml`, which flyctl reads as well.
fn is_other_format(name: &str) -> bool {
    ["fly.json", "fly.yaml", "fly.yml"].contains(&name)
}

/// Files of SQL, or a directory of them for each migration.
fn has_sql(dir: &Path) -> bool {
    let is_sql = |name: &str| Path::new(name).extension().is_some_and(|extension| extension == "sql");
    let Ok(entries) = entries(dir) else { return false };
    entries
        .iter()
        .any(|(name, kind)| is_sql(name) || (kind.is_dir() && dir.join(name).join("migration.sql").is_file()))
}
