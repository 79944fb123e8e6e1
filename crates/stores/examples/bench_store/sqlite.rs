//! An append in SQLite beside a bare commit of one row of the same size, and beside what the disk can do at all.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use promotion::journal::{Draft, Entry, Sqlite};
use promotion::model::{At, Millis, StoreId, UnitId};
use promotion::ports::Journal as _;
use promotion::testing::{VirtualClock, env, name};
use rusqlite::{Connection, params};
use serde_json::json;

use super::disk::Disk;
use super::{Measured, figure, millis, now};

/// In turns, so that what else happens on the machine happens to all of them.
const ROUNDS: u32 = 10;
const EACH: u32 = 60;
/// A journal's append may take this many times a bare commit: nine tenths of its rate.
const MOST: f64 = 1.0 / 0.9;

fn draft(n: u32) -> Draft {
    let units = (0..12).map(|of| UnitId::new(format!("unit-{n}-{of}"))).filter_map(Result::ok).collect();
    Draft {
        promotion: None,
        at: At(1_800_000_000_000),
        entry: Entry::ParkedEnded { component: name("api"), units },
    }
}

/// The barest table that holds a journal's row, with the same durability.
fn bare(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute_batch(
        "create table record (environment text not null, seq integer not null, body text not null, hash text not null,
         primary key (environment, seq)) strict, without rowid",
    )?;
    Ok(connection)
}

pub(super) async fn measure() -> Measured {
    let dir = tempfile::tempdir()?;
    let clock = Arc::new(VirtualClock::new(At(1_800_000_000_000)));
    let journal = Sqlite::open(&dir.path().join("journal.db"), clock, &StoreId::new("bench")?)?;
    let bare = bare(&dir.path().join("bare.db"))?;
    let mut insert = bare.prepare("insert into record values (?1, ?2, ?3, ?4)")?;
    let production = env("production");
    let grant = journal.take_lease(&production, "bench", Millis::secs(3600)).await?;
    let (mut ours, mut theirs, mut disk) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (mut head, mut synced) = (0, Disk::new(dir.path())?);
    for round in 0..ROUNDS {
        let begun = now();
        let mut sample = None;
        for n in 0..EACH {
            let sealed =
                journal.append(&production, head, Some(grant.epoch), vec![draft(round * EACH + n)]).await?;
            head += 1;
            sample = sealed.into_iter().next();
        }
        ours += begun.elapsed();
        let sample = sample.ok_or("nothing was appended")?;
        let (body, hash) = (serde_json::to_string(&sample)?, sample.hash.to_string());
        let begun = now();
        for n in 0..EACH {
            insert.execute(params!["production", i64::from(round * EACH + n), body, hash])?;
        }
        theirs += begun.elapsed();
        for _ in 0..EACH {
            disk += synced.sync()?;
        }
    }
    let each = |time: Duration| millis(time) / f64::from(ROUNDS * EACH);
    let mut over = figure("sqlite: append over bare commit", each(ours) / each(theirs), "x", Some(MOST));
    over["peer"] = json!({"name": "bare commit", "value": 1});
    Ok(vec![
        over,
        figure("sqlite: append", each(ours), "ms", None),
        figure("sqlite: bare commit of one row, synchronous=FULL", each(theirs), "ms", None),
        figure("disk: bare fdatasync", each(disk), "ms", None),
    ])
}
