//! Where Debian, Homebrew and people put the servers' programs. The search path is not read: Debian keeps those of
//! PostgreSQL out of it.

use std::path::{Path, PathBuf};

const PLACES: [&str; 7] = [
    "/usr/sbin",
    "/usr/bin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/opt/homebrew/bin",
    "/opt/homebrew/opt/postgresql/bin",
    "/usr/pgsql/bin",
];

/// The directory with all of PostgreSQL's programs, of the newest version there is.
pub(super) fn postgres() -> PathBuf {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let versions = versions.into_iter().rev().map(|(_, place)| place);
    versions
        .chain(PLACES.iter().map(PathBuf::from))
        .find(|place| {
            ["initdb", "postgres", "pg_isready", "psql"].iter().all(|name| place.join(name).exists())
        })
        .unwrap_or_else(|| missing("initdb and postgres", "postgresql"))
}

/// The pooler.
pub(super) fn pgbouncer() -> PathBuf {
    let places = PLACES.iter().map(|place| Path::new(place).join("pgbouncer"));
    places.into_iter().find(|program| program.exists()).unwrap_or_else(|| missing("pgbouncer", "pgbouncer"))
}

fn missing(programs: &str, package: &str) -> ! {
    panic!(
        "{programs} not found, and this test runs the real one: apt-get install -y --no-install-recommends {package}"
    )
}
