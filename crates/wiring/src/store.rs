//! Where the journal lies, and how long a runner that says nothing keeps an environment.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clikit::{Context, Failure};
use envconfig::Period;
use envconfig::project::{Project, StoreUrl};
use promotion::journal::{Memory, Sqlite};
use promotion::model::{Millis, StoreId};
use promotion::ports::Journal;
use providers::SystemClock;

/// A store's address, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreAddress {
    /// The SQLite file.
    pub(crate) path: PathBuf,
    /// `?lease=TIME`: a runner that died is replaced after this long; none for the engine's default.
    pub(crate) lease: Option<Millis>,
    /// Nobody said where: it is in our own directory.
    pub(crate) is_default: bool,
}

/// What a verb makes of a store that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// A new one: the verb writes down what was never written down before.
    Make,
    /// A refusal: the verb is about what was written down, and a new store would only hide that the address is wrong.
    Refuse,
    /// An empty one in memory: the verb shows what it would do, and leaves nothing behind.
    Imagine,
}

impl Absent {
    /// For a verb that changes something, unless it is asked not to.
    pub const fn of_change(is_dry_run: bool) -> Self {
        if is_dry_run { Self::Imagine } else { Self::Make }
    }
}

/// Opens the journal at `address`; one in memory where it shall be imagined.
pub(crate) fn journal(
    address: &StoreAddress,
    absent: Absent,
    clock: Arc<SystemClock>,
    fresh: StoreId,
) -> Result<Arc<dyn Journal>, Failure> {
    let place = &address.path;
    match absent {
        Absent::Refuse if !place.exists() => return Err(no_journal(place)),
        Absent::Imagine if !place.exists() => return Ok(Arc::new(Memory::new(fresh, clock))),
        Absent::Make if address.is_default => make_directory(place)?,
        Absent::Make | Absent::Refuse | Absent::Imagine => {}
    }
    let journal = Sqlite::open(place, clock, &fresh).map_err(|error| {
        Failure::unavailable(format!("the store {} cannot be opened", place.display()))
            .with_source(error)
            .with_hint("--store sqlite:PATH, in a directory that is there and has room")
    })?;
    Ok(Arc::new(journal))
}

fn no_journal(place: &Path) -> Failure {
    Failure::usage(format!("there is no journal at {}", place.display()))
        .with_why("nothing was written down there yet, or the address of the store is another one")
        .with_hint(
            "name the store with --store sqlite:PATH or under [store] in the project file; `promote adopt --env E` begins \
             one over what runs, `promote deploy --env E --image REF` one with a first release",
        )
}

/// Only our own directory is made: one that somebody named may be misspelt.
fn make_directory(place: &Path) -> Result<(), Failure> {
    let Some(directory) = place.parent() else { return Ok(()) };
    std::fs::create_dir_all(directory).map_err(|error| {
        Failure::unavailable(format!("{} cannot be made", directory.display())).with_source(error)
    })
}

/// A lease that is shorter ends while one commit is on its way to the disk; one that is longer leaves an environment
/// without anybody for longer than people wait.
const LEASE_SECS: std::ops::RangeInclusive<u64> = 1..=600;

/// The address as written: `sqlite:PATH`, `sqlite:PATH?lease=TIME`, or a path alone. A path after the scheme is meant
/// from the project's directory `root`, one without from the working directory `here`.
pub(crate) fn parse(text: &str, root: &Path, here: &Path) -> Result<StoreAddress, Failure> {
    let unusable = || {
        Failure::usage("this store cannot be used by this version")
            .with_why("stores are SQLite files: sqlite:PATH, or sqlite:PATH?lease=TIME")
            .with_hint("--store sqlite:understudy.db")
    };
    let Some(rest) = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")) else {
        return match text {
            "" => Err(unusable()),
            path if path.contains(':') => Err(unusable()),
            path => Ok(StoreAddress { path: here.join(path), lease: None, is_default: false }),
        };
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if path.is_empty() {
        return Err(unusable());
    }
    let mut lease = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if key != "lease" {
            return Err(Failure::usage(format!("a SQLite store has no parameter `{key}`"))
                .with_why("the only one is `lease`: after that long a runner that died is replaced")
                .with_hint(format!("--store 'sqlite:{path}?lease=30s'")));
        }
        lease = Some(lease_time(value)?);
    }
    Ok(StoreAddress { path: root.join(path), lease, is_default: false })
}

fn lease_time(text: &str) -> Result<Millis, Failure> {
    let wrong =
        || Failure::usage(format!("the store's lease is `{text}`")).with_hint("for example ?lease=30s");
    let period: Period = text.parse().map_err(|error| wrong().with_source(error))?;
    let millis = period.as_millis();
    if (LEASE_SECS.start() * 1000..=LEASE_SECS.end() * 1000).contains(&millis) {
        Ok(Millis(millis))
    } else {
        Err(wrong().with_why("it is between 1s and 10m"))
    }
}

/// The address that was given, `--store` before the project file's; else a file in the user's state directory, named
/// after the project: `NAME.db` where the project file has a name, else the directory's with a mark of its place.
pub(crate) fn address(
    context: &Context,
    given: Option<&str>,
    project: &Project,
    root: &Path,
    secret: impl Fn(&envconfig::SecretRef) -> Result<String, Failure>,
) -> Result<StoreAddress, Failure> {
    let written = match (given, project.store()) {
        (Some(url), _) => Some(url.to_owned()),
        (None, Some(store)) => Some(match &store.url {
            StoreUrl::Literal(url) => url.to_string(),
            StoreUrl::Secret(reference) => secret(reference)?,
        }),
        (None, None) => None,
    };
    match written {
        Some(text) => parse(&text, root, &context.current_dir),
        None => default(context, project, root),
    }
}

fn default(context: &Context, project: &Project, root: &Path) -> Result<StoreAddress, Failure> {
    let environments = project.environments();
    let production =
        environments.values().any(|environment| environment.class.value.as_str() == "production");
    if context.is_ci() && production {
        return Err(Failure::refused("the default store is refused under CI")
            .with_why("a runner's disk is gone after the job, and with it the journal and the locks")
            .with_hint("set [store] url in the project file, or give --store"));
    }
    let directory = context.state_dir().ok_or_else(|| {
        Failure::usage("there is no home directory to keep the store in").with_hint("--store sqlite:PATH")
    })?;
    let name = match project.name() {
        Some(name) => name.value.to_string(),
        None => of_directory(root),
    };
    Ok(StoreAddress { path: directory.join(format!("{name}.db")), lease: None, is_default: true })
}

/// A name for a project that gives itself none: its directory's, and a mark of where that lies, because two projects in
/// directories of one name must not share a journal.
fn of_directory(root: &Path) -> String {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    let name = root.file_name().map_or_else(|| "project".to_owned(), |n| n.to_string_lossy().into_owned());
    let place = promotion::model::canonical::hash("understudy project v1", &root.to_string_lossy());
    format!("{name}-{}", place.short())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<StoreAddress, Failure> {
        parse(text, Path::new("/project"), Path::new("/here"))
    }

    #[test]
    fn a_scheme_means_the_projects_directory_and_none_the_working_one() {
        let at = |path: &str| StoreAddress { path: PathBuf::from(path), lease: None, is_default: false };
        assert_eq!(read("sqlite:understudy.db").unwrap(), at("/project/understudy.db"));
        assert_eq!(read("sqlite:///var/u.db").unwrap(), at("/var/u.db"));
        assert_eq!(read("u.db").unwrap(), at("/here/u.db"));
    }

    #[test]
    fn projects_without_a_name_are_told_apart_by_where_they_lie() {
        let (one, other) = (of_directory(Path::new("/a/shop")), of_directory(Path::new("/b/shop")));
        assert!(one.starts_with("shop-") && other.starts_with("shop-"), "{one} {other}");
        assert_ne!(one, other);
        assert_eq!(one, of_directory(Path::new("/a/shop")));
    }

    #[test]
    fn a_lease_is_between_a_second_and_ten_minutes() {
        assert_eq!(read("sqlite:u.db?lease=2s").unwrap().lease, Some(Millis(2000)));
        assert_eq!(read("sqlite:u.db?lease=10m").unwrap().lease, Some(Millis(600_000)));
        for text in ["999ms", "601s", "soon", ""] {
            let failure = read(&format!("sqlite:u.db?lease={text}")).unwrap_err();
            assert!(failure.render().contains(&format!("`{text}`")), "{}", failure.render());
        }
    }

    #[test]
    fn other_parameters_and_other_stores_are_refused() {
        assert!(read("sqlite:u.db?mode=ro").unwrap_err().what.contains("`mode`"));
        for text in ["", "sqlite:", "s3://bucket/journal"] {
            assert!(read(text).unwrap_err().render().contains("sqlite:PATH"), "{text}");
        }
    }
}
