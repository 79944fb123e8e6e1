//! A store's address as people write it.

use std::fmt;
use std::path::{Path, PathBuf};

use clikit::Failure;
use envconfig::Period;
use promotion::model::Millis;
use stores::bucket::S3Address;
use stores::postgres::Address;
use url::Url;

/// A store's address, read.
#[derive(Debug, Clone)]
pub(crate) struct StoreAddress {
    /// Where the journal lies.
    pub(crate) place: Place,
    /// `?lease=TIME`: a runner that died is replaced after this long; none for the engine's default.
    pub(crate) lease: Option<Millis>,
    /// Nobody said where: it is in our own directory.
    pub(crate) is_default: bool,
}

/// What kind of store, and which.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// An SQLite file.
    File(PathBuf),
    /// A schema of a PostgreSQL database.
    Postgres(Box<Address>),
    /// A prefix in a bucket.
    Bucket(Box<S3Address>),
}

impl fmt::Display for Place {
    /// As the place is always called, however it was given; without a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => {
                let whole = path.canonicalize().or_else(|_| std::path::absolute(path));
                write!(f, "sqlite:{}", whole.as_ref().unwrap_or(path).display())
            }
            Self::Postgres(address) => write!(f, "{address}"),
            Self::Bucket(address) => write!(f, "{address}"),
        }
    }
}

/// A lease that is shorter ends while one commit is on its way to the disk; one that is longer leaves an environment
/// without anybody for longer than people wait.
const LEASE_SECS: std::ops::RangeInclusive<u64> = 1..=600;

/// The address as written: `sqlite:PATH`, `postgres://…`, or a path alone; the first two may have `?lease=TIME`. A path
/// after the scheme is meant from the project's directory `root`, one without from the working directory `here`. Quotes
/// nothing of an address that may hold a password.
pub(crate) fn parse(text: &str, root: &Path, here: &Path) -> Result<StoreAddress, Failure> {
    if is_postgres(text) {
        return postgres(text, root);
    }
    if text.starts_with("s3:") {
        return bucket(text);
    }
    let unusable = || {
        Failure::usage("this store cannot be used by this version")
            .with_why(
                "stores are SQLite files, sqlite:PATH, PostgreSQL databases, \
                 postgres://USER:PASSWORD@HOST:PORT/DATABASE, and buckets, s3://BUCKET/PREFIX; all can have ?lease=TIME",
            )
            .with_hint("--store sqlite:understudy.db, or --store env:NAME with an address in that variable")
    };
    let Some(rest) = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")) else {
        return match text {
            "" => Err(unusable()),
            path if path.contains(':') => Err(unusable()),
            path => Ok(file(here.join(path), None)),
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
    Ok(file(root.join(path), lease))
}

pub(super) fn file(path: PathBuf, lease: Option<Millis>) -> StoreAddress {
    StoreAddress { place: Place::File(path), lease, is_default: false }
}

fn is_postgres(text: &str) -> bool {
    ["postgres:", "postgresql:"].iter().any(|scheme| text.starts_with(scheme))
}

/// The lease is ours, everything else the server's.
fn postgres(text: &str, root: &Path) -> Result<StoreAddress, Failure> {
    let unusable = |error| {
        Failure::usage("the address of the PostgreSQL store cannot be used")
            .with_source(error)
            .with_hint("postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full")
    };
    // Before anything of it is taken for a lease, and quoted.
    Address::screen(text).map_err(unusable)?;
    let (text, lease) = without_lease(text)?;
    let address = Address::parse(&text, root).map_err(unusable)?;
    Ok(StoreAddress { place: Place::Postgres(Box::new(address)), lease, is_default: false })
}

fn bucket(text: &str) -> Result<StoreAddress, Failure> {
    let (text, lease) = without_lease(text)?;
    let address = S3Address::parse(&text).map_err(|error| {
        Failure::usage("the address of the store in a bucket cannot be used").with_source(error).with_hint(
            "s3://BUCKET/PREFIX?region=REGION, and ?endpoint=URL for a storage that is not Amazon's",
        )
    })?;
    Ok(StoreAddress { place: Place::Bucket(Box::new(address)), lease, is_default: false })
}

fn without_lease(text: &str) -> Result<(String, Option<Millis>), Failure> {
    let (before, query) = text.split_once('?').unwrap_or((text, ""));
    let (ours, theirs): (Vec<&str>, Vec<&str>) =
        query.split('&').filter(|pair| !pair.is_empty()).partition(|pair| pair.starts_with("lease="));
    let lease = ours.last().and_then(|pair| pair.strip_prefix("lease=")).map(lease_time).transpose()?;
    let text = if theirs.is_empty() { before.to_owned() } else { format!("{before}?{}", theirs.join("&")) };
    Ok((text, lease))
}

/// Whether a text has a password in it that a command line would show to everybody on the machine.
pub(crate) fn has_password(text: &str) -> bool {
    match Url::parse(text) {
        Ok(url) => url.password().is_some() || url.query().is_some_and(|query| query.contains("password")),
        // What is written like an address with a password counts as one, however broken.
        Err(_) => is_postgres(text) && text.contains('@'),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<StoreAddress, Failure> {
        parse(text, Path::new("/project"), Path::new("/here"))
    }

    #[test]
    fn a_scheme_means_the_projects_directory_and_none_the_working_one() {
        for (text, path) in [
            ("sqlite:understudy.db", "/project/understudy.db"),
            ("sqlite:///var/u.db", "/var/u.db"),
            ("u.db", "/here/u.db"),
        ] {
            let address = read(text).unwrap();
            assert!(matches!(&address.place, Place::File(file) if file == Path::new(path)), "{address:?}");
            assert_eq!((address.lease, address.is_default), (None, false));
        }
    }

    #[test]
    fn a_lease_is_between_a_second_and_ten_minutes() {
        for store in
            ["sqlite:u.db?", "postgres://u:p@h/d?", "postgres://u:p@h/d?sslmode=require&", "s3://b/p?"]
        {
            let read = |time: &str| read(&format!("{store}lease={time}"));
            assert_eq!(read("2s").unwrap().lease, Some(Millis(2000)));
            assert_eq!(read("10m").unwrap().lease, Some(Millis(600_000)));
            for text in ["999ms", "601s", "soon", ""] {
                let failure = read(text).unwrap_err();
                assert!(failure.render().contains(&format!("`{text}`")), "{}", failure.render());
            }
        }
    }

    #[test]
    fn other_parameters_and_other_stores_are_refused() {
        assert!(read("sqlite:u.db?mode=ro").unwrap_err().what.contains("`mode`"));
        let failure = read("postgres://u:s3cret@h/d?sslmode=prefer").unwrap_err().render();
        assert!(failure.contains("`sslmode`") && !failure.contains("s3cret"), "{failure}");
        for text in ["", "sqlite:", "mysql://u:s3cret@h/d"] {
            let failure = read(text).unwrap_err().render();
            assert!(failure.contains("sqlite:PATH") && failure.contains("postgres://USER"), "{text}");
            assert!(!failure.contains("s3cret"), "{failure}");
        }
    }

    #[test]
    fn p9_the_rest_of_a_password_is_not_taken_for_a_lease() {
        for text in ["postgres://u:12?lease=s3cret@h/d", "postgres://u:12?a&lease=s3cret@h/d#x"] {
            let failure = read(text).unwrap_err().render();
            assert!(failure.contains("%3F") && !failure.contains("s3cret"), "{failure}");
        }
    }

    #[test]
    fn a_bucket_has_a_prefix_and_parameters_of_its_own() {
        let address = read("s3://acme/understudy?region=auto&lease=30s").unwrap();
        assert!(
            matches!(&address.place, Place::Bucket(bucket) if bucket.to_string() == "s3://acme/understudy")
        );
        let failure = read("s3://acme/understudy?acl=x").unwrap_err().render();
        assert!(failure.contains("`acl`") && failure.contains("region=REGION"), "{failure}");
    }

    #[test]
    fn a_password_is_seen_where_it_stands() {
        for text in ["postgres://u:p@h/d", "postgresql://u:p@h:1/d?x=y", "postgres://u:p%@h:port/d"] {
            assert!(has_password(text), "{text}");
        }
        for text in ["sqlite:u.db", "u.db", "postgres://u@h/d", "env:STORE"] {
            assert!(!has_password(text), "{text}");
        }
    }
}
