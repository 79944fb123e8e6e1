//! The promises as the code has them: which tests carry their names, which switches break them, and where.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clikit::Failure;

use crate::cargo::Package;
use crate::repo::Repo;
use crate::tidy::source;

/// How many promises there are.
pub const PROMISES: u32 = 12;

/// Who can notice that a promise is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A test of one thing.
    Test,
    /// Plays made up by chance.
    Simulation,
    /// The search through the model of the protocol.
    Model,
    /// Real processes that are killed.
    Torture,
}

impl Kind {
    /// Its name in the output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Simulation => "simulation",
            Self::Model => "model",
            Self::Torture => "torture",
        }
    }

    /// Of a test by its full name, `package::path::name`. A module `model` of a library has its tests in `tests`.
    #[must_use]
    pub fn of_name(test: &str) -> Self {
        let parts: Vec<&str> = test.split("::").collect();
        match parts.get(1) {
            Some(&"simulated" | &"simulation") => Self::Simulation,
            Some(&"model") if !parts.contains(&"tests") => Self::Model,
            Some(&"torture") => Self::Torture,
            _ => Self::Test,
        }
    }

    /// Of the tests in a file.
    #[must_use]
    pub fn of_file(file: &Path) -> Self {
        let text = file.to_string_lossy();
        let is_in = |part: &str| text.contains(part);
        if is_in("/tests/it/simulated") || is_in("/src/simulation") {
            Self::Simulation
        } else if is_in("/tests/it/model") {
            Self::Model
        } else if is_in("/tests/it/torture") {
            Self::Torture
        } else {
            Self::Test
        }
    }
}

/// The feature `sabotage-pN` of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// The package.
    pub package: String,
    /// Its directory, relative to the root.
    pub dir: PathBuf,
    /// Whether it only passes the wish on to a package below.
    pub is_forward: bool,
}

impl Switch {
    /// The manifest that has it.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.dir.join("Cargo.toml")
    }
}

/// The number in a name that stands for a promise: 3 in `p3_a_late_create_is_adopted`.
///
/// The `pN_` must begin the name or follow a `_` or `::`, so that `step1_x` and `http2_x` name no promise.
#[must_use]
pub fn promise_of(test: &str) -> Option<u32> {
    let name = test.rsplit("::").next().unwrap_or(test);
    let parts: Vec<&str> = name.split('_').collect();
    let (_, words) = parts.split_last()?;
    let number = words.iter().find_map(|part| part.strip_prefix('p')?.parse::<u32>().ok())?;
    (1..=PROMISES).contains(&number).then_some(number)
}

/// Promise → its switches; those that break something themselves come first.
#[must_use]
pub fn switches(repo: &Repo, packages: &[Package]) -> BTreeMap<u32, Vec<Switch>> {
    let mut found: BTreeMap<u32, Vec<Switch>> = BTreeMap::new();
    for package in packages {
        for (name, on) in &package.features {
            let Some(n) = name.strip_prefix("sabotage-p").and_then(|n| n.parse().ok()) else { continue };
            let (package, dir) = (package.name.clone(), repo.relative(package.dir()));
            found.entry(n).or_default().push(Switch { package, dir, is_forward: !on.is_empty() });
        }
    }
    let order = |switch: &Switch| (switch.is_forward, switch.package.clone());
    found.values_mut().for_each(|switches| switches.sort_by_key(order));
    found
}

/// What a switch breaks, in the words above it in its manifest: the comment on the lines just before the feature, from
/// its last empty line on.
///
/// # Errors
/// If the manifest cannot be read.
pub fn words(repo: &Repo, switch: &Switch, n: u32) -> Result<String, Failure> {
    let mut words: Vec<&str> = Vec::new();
    let text = repo.read(switch.manifest())?;
    for line in text.lines() {
        if line == "#" {
            words.clear();
        } else if let Some(comment) = line.strip_prefix('#') {
            words.push(comment.trim());
        } else if line.starts_with(&format!("sabotage-p{n} ")) || line.starts_with(&format!("sabotage-p{n}="))
        {
            return Ok(words.join(" "));
        } else {
            words.clear();
        }
    }
    Ok(String::new())
}

/// The files outside of tests that ask for a switch.
///
/// # Errors
/// If a file cannot be read.
pub fn places(repo: &Repo, switch: &Switch, n: u32) -> Result<BTreeSet<PathBuf>, Failure> {
    let wanted = format!("\"sabotage-p{n}\"");
    let mut found = BTreeSet::new();
    for file in repo.rust_files(&switch.dir.join("src").to_string_lossy())? {
        let text = repo.read(&file)?;
        let asks = |(_, line): (usize, &str)| source::without_comment(line).contains(&wanted);
        if text.contains(&wanted)
            && !source::is_test_file(&file)
            && source::product_lines(&text).into_iter().any(asks)
        {
            found.insert(file);
        }
    }
    Ok(found)
}

/// Promise → the files of the package in `dir` with tests named after it. Where a macro of the file makes the functions
/// (`fn $name`), their names are the keys of its rows: `p4_ends_the_same: Promote,`.
///
/// # Errors
/// If a file cannot be read.
pub fn tests(repo: &Repo, dir: &Path) -> Result<BTreeMap<u32, BTreeSet<PathBuf>>, Failure> {
    let mut found: BTreeMap<u32, BTreeSet<PathBuf>> = BTreeMap::new();
    for file in repo.rust_files(&dir.to_string_lossy())? {
        let text = repo.read(&file)?;
        let makes_tests = text.contains("test]") && text.contains("fn $");
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[") {
                is_test |= line.contains("test]") || line.contains("test(");
                continue;
            }
            let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
            if let Some(n) = name.and_then(|rest| promise_of(rest.split('(').next()?)).filter(|_| is_test) {
                found.entry(n).or_default().insert(file.clone());
            }
            let row = line.split_once(": ").filter(|(name, _)| makes_tests && is_name(name));
            if let Some(n) = row.and_then(|(name, _)| promise_of(name)) {
                found.entry(n).or_default().insert(file.clone());
            }
            is_test &= line.is_empty() || line.starts_with("//");
        }
    }
    Ok(found)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A promise with a switch, and the packages whose tests have to notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sabotage {
    /// Which promise.
    pub n: u32,
    /// Its switches, the first one breaks it.
    pub switches: Vec<Switch>,
    /// The packages that have the switch and tests named after the promise; the one that breaks it first.
    pub suites: Vec<String>,
    /// The files with these tests.
    pub files: BTreeSet<PathBuf>,
}

/// Every promise that can be broken on purpose.
///
/// # Errors
/// If a file cannot be read.
pub fn sabotages(repo: &Repo, packages: &[Package]) -> Result<Vec<Sabotage>, Failure> {
    let mut per_package: BTreeMap<PathBuf, BTreeMap<u32, BTreeSet<PathBuf>>> = BTreeMap::new();
    let mut list = Vec::new();
    for (n, switches) in switches(repo, packages) {
        let mut it = Sabotage { n, switches, suites: Vec::new(), files: BTreeSet::new() };
        for switch in &it.switches {
            if !per_package.contains_key(&switch.dir) {
                per_package.insert(switch.dir.clone(), tests(repo, &switch.dir)?);
            }
            let files = per_package.get(&switch.dir).and_then(|tests| tests.get(&n));
            // The one that breaks it is asked even where it has no test: that is said then.
            if files.is_some() || !switch.is_forward {
                it.suites.push(switch.package.clone());
            }
            it.files.extend(files.into_iter().flatten().cloned());
        }
        list.push(it);
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::{Kind, promise_of};
    use std::path::Path;

    #[test]
    fn a_promise_is_a_word_of_its_own() {
        assert_eq!(promise_of("rollback::p5_equals_the_snapshot"), Some(5));
        assert_eq!(promise_of("sweep_p10_keeps_what_is_unknown"), Some(10));
        assert_eq!(promise_of("step1_x"), None);
        assert_eq!(promise_of("p13_x"), None);
        assert_eq!(promise_of("p5"), None, "the underscore is part of the mark");
        assert_eq!(promise_of("p1_module::tests::x"), None, "the name counts, not the module");
    }

    #[test]
    fn who_noticed_is_told_by_where_the_test_stands() {
        assert_eq!(Kind::of_name("promotion::simulated::p3_x"), Kind::Simulation);
        assert_eq!(Kind::of_name("promotion::model::exhaustive::p3_x"), Kind::Model);
        assert_eq!(
            Kind::of_name("promotion::model::word::tests::p3_x"),
            Kind::Test,
            "the library's own module"
        );
        assert_eq!(Kind::of_name("promote::torture::p3_x"), Kind::Torture);
        assert_eq!(Kind::of_name("promotion::promise::p3_once::p3_x"), Kind::Test);
        assert_eq!(Kind::of_file(Path::new("crates/promotion/tests/it/simulated.rs")), Kind::Simulation);
        assert_eq!(Kind::of_file(Path::new("crates/promotion/tests/it/model/broken.rs")), Kind::Model);
        assert_eq!(Kind::of_file(Path::new("crates/promotion/src/model/word.rs")), Kind::Test);
    }
}
