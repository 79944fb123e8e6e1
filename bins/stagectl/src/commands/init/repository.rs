//! A repository, walked through for what says how it is deployed.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;

use clikit::Failure;
use envconfig::scaffold::Repository;

/// Deeper than this nobody keeps a fly.toml.
const DEPTH_MOST: usize = 5;
/// Whoever has more directories has something here that is no source.
const DIRS_MOST: usize = 20_000;

/// Directories of what is built or fetched.
const NOT_OURS: [&str; 9] =
    ["node_modules", "target", "vendor", "dist", "build", "out", "venv", "__pycache__", "coverage"];

/// What is below `top`. Hidden directories, links and what is built or fetched are passed over.
pub(super) fn below(top: &Path) -> Result<Repository, Failure> {
    let mut found = Repository::default();
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
        for (name, is_dir) in entries {
            let path = if dir.is_empty() { name.clone() } else { format!("{dir}/{name}") };
            if is_dir {
                if name == "migrations" && has_sql(&top.join(&path)) {
                    found.migrations.push(path.clone());
                }
                if depth < DEPTH_MOST && !name.starts_with('.') && !NOT_OURS.contains(&name.as_str()) {
                    dirs.push_back((path, depth + 1));
                }
            } else if is_fly(&name) {
                let text = super::read(&top.join(&path))
                    .map_err(|why| Failure::usage(format!("`{path}` cannot be read")).with_why(why))?;
                found.texts.insert(path, text);
            }
        }
    }
    found.migrations.sort();
    Ok(found)
}

/// Names in their order, and whether each is a directory.
fn entries(dir: &Path) -> std::io::Result<BTreeMap<String, bool>> {
    let mut names = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if let (false, Ok(name)) = (kind.is_symlink(), entry.file_name().into_string()) {
            names.insert(name, kind.is_dir());
        }
    }
    Ok(names)
}

/// `fly.toml`, `fly.staging.toml`.
fn is_fly(name: &str) -> bool {
    name.strip_suffix(".toml").is_some_and(|stem| stem == "fly" || stem.starts_with("fly."))
}

/// Files of SQL, or a directory of them for each migration.
fn has_sql(dir: &Path) -> bool {
    let is_sql = |name: &str| Path::new(name).extension().is_some_and(|extension| extension == "sql");
    let Ok(entries) = entries(dir) else { return false };
    entries
        .iter()
        .any(|(name, is_dir)| is_sql(name) || (*is_dir && dir.join(name).join("migration.sql").is_file()))
}
