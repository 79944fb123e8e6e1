//! Where the journal lies, and how long a runner that says nothing keeps an environment.

mod address;
pub(crate) mod anchors;
mod bucket;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clikit::{Context, Failure};
use envconfig::SecretRef;
use envconfig::project::{Project, StoreUrl};
use promotion::journal::{Memory, Sqlite};
use promotion::model::StoreId;
use promotion::ports::{Import, Journal};
use providers::SystemClock;
use stores::postgres::{self, Postgres};
use url::Url;

pub(crate) use address::{Place, StoreAddress, has_password};

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

/// A journal, and where the runner's own key is kept beside it.
pub(crate) struct Kept {
    /// The journal.
    pub(crate) journal: Arc<dyn Import>,
    /// None where nothing shall be left behind.
    pub(crate) key: Option<PathBuf>,
}

/// Opens the journal at `address`; one in memory where it shall be imagined. `runner` is a name that nobody else has,
/// `fresh` the id of a new store.
pub(crate) async fn open(
    context: &Context,
    address: &StoreAddress,
    absent: Absent,
    clock: Arc<SystemClock>,
    (runner, fresh): (&str, StoreId),
) -> Result<Kept, Failure> {
    let found = match &address.place {
        Place::File(path) => file(path, address.is_default, absent, clock.clone(), &fresh)?,
        Place::Postgres(server) => in_postgres(server, absent, &fresh).await?,
        Place::Bucket(address) => bucket::open(context, address, absent, runner, &fresh).await?,
    };
    let Some(journal) = found else {
        return Ok(Kept { journal: Arc::new(Memory::new(fresh, clock)), key: None });
    };
    let key = match &address.place {
        Place::File(path) => Some(path.with_extension("attestor")),
        Place::Postgres(_) | Place::Bucket(_) => key_of(context, &*journal).await?,
    };
    Ok(Kept { journal, key })
}

/// The journal at `address` as it stands: nothing is made or written, here or there. None where there is none.
pub(crate) async fn find(
    context: &Context,
    address: &StoreAddress,
    clock: Arc<SystemClock>,
    (runner, fresh): (&str, StoreId),
) -> Result<Option<Arc<dyn Journal>>, Failure> {
    let found: Option<Arc<dyn Import>> = match &address.place {
        Place::File(path) => {
            let found = Sqlite::find(path, clock).map_err(|error| {
                Failure::unavailable(format!("the store {} cannot be read", path.display()))
                    .with_source(error)
            })?;
            if found.is_none() && path.exists() {
                return Err(Failure::usage(format!("{} is no journal", path.display()))
                    .with_why("it is there, and is no SQLite file of ours")
                    .with_hint("--store sqlite:PATH, or `url` of [store], with another path"));
            }
            found.map(|journal| Arc::new(journal) as Arc<dyn Import>)
        }
        Place::Postgres(server) => in_postgres(server, Absent::Imagine, &fresh).await?,
        Place::Bucket(address) => bucket::open(context, address, Absent::Imagine, runner, &fresh).await?,
    };
    Ok(found.map(|journal| journal as Arc<dyn Journal>))
}

fn file(
    place: &Path,
    is_default: bool,
    absent: Absent,
    clock: Arc<SystemClock>,
    fresh: &StoreId,
) -> Result<Option<Arc<dyn Import>>, Failure> {
    match absent {
        Absent::Refuse if !place.exists() => return Err(no_journal(&place.display().to_string())),
        Absent::Imagine if !place.exists() => return Ok(None),
        Absent::Make if is_default => make_directory(place)?,
        Absent::Make | Absent::Refuse | Absent::Imagine => {}
    }
    let journal = Sqlite::open(place, clock, fresh).map_err(|error| {
        Failure::unavailable(format!("the store {} cannot be opened", place.display()))
            .with_source(error)
            .with_hint("--store sqlite:PATH, in a directory that is there and has room")
    })?;
    Ok(Some(Arc::new(journal)))
}

async fn in_postgres(
    server: &postgres::Address,
    absent: Absent,
    fresh: &StoreId,
) -> Result<Option<Arc<dyn Import>>, Failure> {
    let opened = match absent {
        Absent::Make => Postgres::open(server, fresh).await.map(Some),
        Absent::Refuse | Absent::Imagine => Postgres::find(server).await,
    };
    let opened = opened.map_err(|error| {
        let hint = error.hint();
        Failure::unavailable("the store cannot be opened").with_source(error).with_hint(hint)
    })?;
    match opened {
        None if absent == Absent::Refuse => Err(no_journal(&server.to_string())),
        opened => Ok(opened.map(|journal| Arc::new(journal) as Arc<dyn Import>)),
    }
}

/// Beside a store elsewhere a runner keeps its key in the user's state directory, named after the store.
async fn key_of(context: &Context, journal: &dyn Journal) -> Result<Option<PathBuf>, Failure> {
    let Some(directory) = context.state_dir() else { return Ok(None) };
    let id = journal
        .store_id()
        .await
        .map_err(|error| Failure::unavailable("the store cannot be used").with_source(error))?;
    let file = directory.join(format!("{id}.attestor"));
    make_directory(&file)?;
    Ok(Some(file))
}

fn no_journal(place: &str) -> Failure {
    Failure::usage(format!("there is no journal at {place}"))
        .with_why("nothing was written down there yet, or the address of the store is another one")
        .with_hint(
            "name the store with --store sqlite:PATH or env:NAME, or under [store] in the project file; `promote adopt --env E` begins \
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

/// The address that was given, `--store` before the project file's; else a file in the user's state directory, named
/// after the project: `NAME.db` where the project file has a name, else the directory's with a mark of its place.
pub(crate) fn address(
    context: &Context,
    given: Option<&str>,
    project: &Project,
    root: &Path,
    secret: impl Fn(&SecretRef) -> Result<String, Failure>,
) -> Result<StoreAddress, Failure> {
    let written = match (given, project.store()) {
        (Some(text), _) => return self::given(context, text, project, root, secret),
        (None, Some(store)) => Some(match &store.url {
            StoreUrl::Literal(url) => url.to_string(),
            StoreUrl::Secret(reference) => secret(reference)?,
        }),
        (None, None) => None,
    };
    match written {
        Some(text) => apart(&text, project, root, &context.current_dir),
        None => default(context, project, root),
    }
}

/// An address as it is given on a command line: itself, or where it is found.
pub(crate) fn given(
    context: &Context,
    text: &str,
    project: &Project,
    root: &Path,
    secret: impl Fn(&SecretRef) -> Result<String, Failure>,
) -> Result<StoreAddress, Failure> {
    let text = match text.parse::<SecretRef>() {
        Ok(reference) => secret(&reference)?,
        Err(_) if has_password(text) => return Err(in_plain_sight()),
        Err(_) => text.to_owned(),
    };
    apart(&text, project, root, &context.current_dir)
}

/// Reads `text`, which must not be an address in a database that is promoted.
fn apart(text: &str, project: &Project, root: &Path, here: &Path) -> Result<StoreAddress, Failure> {
    if let Ok(url) = Url::parse(text)
        && let Some(key) = project.promoted_database(&url)
    {
        return Err(Failure::refused("the journal is in a database that a promotion can migrate or restore")
            .with_why(format!("`{key}` is the same project"))
            .with_hint("give the journal a database of its own, or a bucket"));
    }
    address::parse(text, root, here)
}

fn in_plain_sight() -> Failure {
    Failure::usage("the store's address has a password in it")
        .with_why("everybody on this machine can read a command line, and shells keep it")
        .with_hint("put the address into a variable and name it: --store env:UNDERSTUDY_STORE")
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
    Ok(StoreAddress { is_default: true, ..address::file(directory.join(format!("{name}.db")), None) })
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

    #[test]
    fn projects_without_a_name_are_told_apart_by_where_they_lie() {
        let (one, other) = (of_directory(Path::new("/a/shop")), of_directory(Path::new("/b/shop")));
        assert!(one.starts_with("shop-") && other.starts_with("shop-"), "{one} {other}");
        assert_ne!(one, other);
        assert_eq!(one, of_directory(Path::new("/a/shop")));
    }
}
