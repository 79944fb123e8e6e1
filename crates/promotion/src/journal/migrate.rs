//! A journal moves into another store: every record as it is, and the old store is left so that nobody goes on there.

use super::chain::verify;
use super::record::Record;
use crate::model::{EnvironmentName, Millis, StoreId};
use crate::ports::{Import, Journal, JournalError};

/// What the holder of a store is called that moves, and what shut one that was moved; a name of that very move follows.
pub const MOVED: &str = "promote migrate-store (this store moves or was moved: its journal is elsewhere)";

/// The same for a store that a move goes into, until it is whole.
const FILLING: &str = "promote migrate-store (this store is not whole: a move into it is not finished)";

/// For how long the old store is held without a word while it is copied: a move that dies leaves it free after this.
const HOLD: Millis = Millis::secs(60);

/// Records that are written at once.
const AT_ONCE: usize = 200;

/// Rounds of copying what people still said meanwhile; a word takes seconds, a round less.
const ROUNDS_MAX: u32 = 5;

/// What became of one chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Which.
    pub environment: EnvironmentName,
    /// How many records it has, in both stores.
    pub records: u64,
    /// How many of them were not there before.
    pub copied: u64,
}

/// Why a journal was not moved. Nothing is lost in any case, and the move can be made again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// A store failed, or a record is not what was written.
    #[error("the {which} store cannot be used")]
    Store {
        /// The old or the new one.
        which: &'static str,
        /// What it said.
        #[source]
        source: JournalError,
    },
    /// The machines carry the store's id, and a store keeps its own.
    #[error("the new store is {to}, and the old one is {from}: it is another one, not its continuation")]
    Other {
        /// The old one's id.
        from: StoreId,
        /// The new one's.
        to: StoreId,
    },
    /// The new store has something that the old one has not.
    #[error("the new store has a record {seq} of {environment} that is not the old one's")]
    NotItsBeginning {
        /// Which chain.
        environment: EnvironmentName,
        /// The first such record.
        seq: u64,
    },
    /// Somebody works in the old store.
    #[error("{environment} is held by {holder} in the old store")]
    Held {
        /// Which chain.
        environment: EnvironmentName,
        /// Who.
        holder: String,
    },
    /// Another move shut this store: one that went elsewhere, or is not done.
    #[error("the {which} store is shut by {by}")]
    Shut {
        /// The old or the new one.
        which: &'static str,
        /// What shut it.
        by: String,
    },
    /// The old store grew faster than it was copied.
    #[error("the old store's {environment} still grows")]
    Grows {
        /// Which chain.
        environment: EnvironmentName,
    },
}

fn old(source: JournalError) -> MigrateError {
    MigrateError::Store { which: "old", source }
}

fn new(source: JournalError) -> MigrateError {
    MigrateError::Store { which: "new", source }
}

/// Moves every chain of `from` into `to`, which is empty or was begun by an earlier move; both have the same id. `who`
/// names this move among all moves.
///
/// What the new store has must be the beginning of what the old one has: else nothing is changed. The new one is shut until
/// it is whole. The environments are held in the old store while what is missing is copied and read back, and both chains
/// are verified. Then the old one is shut for good, as a whole; what people said until then follows, epochs go on above its
/// own, and the new one is opened. A move that fails, or dies, before the old store is shut leaves it free (then after a
/// minute) and is made again; later it is made again by the same command, which goes on. One that was through is not made
/// twice: two stores with one id must never both be open.
pub async fn migrate(from: &dyn Import, to: &dyn Import, who: &str) -> Result<Vec<Moved>, MigrateError> {
    let found = compare(from, to).await?;
    if let Some(by) = from.shut_by().await.map_err(old)? {
        return go_on(from, to, found, by).await;
    }
    let holder = format!("{MOVED} {who}");
    let mut held = Vec::new();
    for chain in &found {
        match from.take_lease(&chain.environment, &holder, HOLD).await {
            Ok(grant) => held.push((chain.environment.clone(), grant.epoch)),
            Err(error) => {
                give_back(from, &held).await;
                return Err(match error {
                    JournalError::Held { holder } => {
                        MigrateError::Held { environment: chain.environment.clone(), holder }
                    }
                    error => old(error),
                });
            }
        }
    }
    match hold_and_copy(from, to, &held, who).await {
        Ok(()) => finish(from, to, &found, who).await,
        Err(error) => {
            give_back(from, &held).await;
            Err(error)
        }
    }
}

/// What cannot be given back now is free when its time is over.
async fn give_back(from: &dyn Journal, held: &[(EnvironmentName, u64)]) {
    for (environment, epoch) in held {
        let _free_later = from.release_lease(environment, *epoch).await;
    }
}

/// Another move shut the old store. It is through where nothing is missing; where it died before it opened this new one,
/// the rest of it is done in its name.
async fn go_on(
    from: &dyn Import,
    to: &dyn Import,
    found: Vec<Moved>,
    by: String,
) -> Result<Vec<Moved>, MigrateError> {
    let Some(who) = by.strip_prefix(MOVED).map(str::trim_start) else {
        return Err(MigrateError::Shut { which: "old", by });
    };
    if to.shut_by().await.map_err(new)? == Some(format!("{FILLING} {who}")) {
        return finish(from, to, &found, who).await;
    }
    let is_whole = found.iter().all(|chain| chain.copied == 0);
    if is_whole { Ok(found) } else { Err(MigrateError::Shut { which: "old", by }) }
}

/// The old store is shut: what it still had is copied, and the new one is opened.
async fn finish(
    from: &dyn Import,
    to: &dyn Import,
    found: &[Moved],
    who: &str,
) -> Result<Vec<Moved>, MigrateError> {
    let environments = from.environments().await.map_err(old)?;
    for environment in &environments {
        from.end_lease(environment, 0).await.map_err(old)?;
    }
    let mut moved = Vec::new();
    for environment in environments {
        let records = copy(from, to, &environment, &[]).await?;
        let earlier = found.iter().find(|chain| chain.environment == environment);
        let copied = records - earlier.map_or(0, |chain| chain.records - chain.copied);
        moved.push(Moved { environment, records, copied });
    }
    shut(to, "new", Some(&format!("{FILLING} {who}")), None).await?;
    Ok(moved)
}

/// What a move would copy, chain by chain; changes nothing.
pub async fn compare(from: &dyn Journal, to: &dyn Journal) -> Result<Vec<Moved>, MigrateError> {
    let (theirs, ours) = (from.store_id().await.map_err(old)?, to.store_id().await.map_err(new)?);
    if theirs != ours {
        return Err(MigrateError::Other { from: theirs, to: ours });
    }
    let environments = from.environments().await.map_err(old)?;
    for stranger in to.environments().await.map_err(new)? {
        if !environments.contains(&stranger) {
            return Err(MigrateError::NotItsBeginning { environment: stranger, seq: 1 });
        }
    }
    let mut chains = Vec::new();
    for environment in environments {
        let theirs = whole(from, &environment).await.map_err(old)?;
        let ours = whole(to, &environment).await.map_err(new)?;
        begun(&environment, &theirs, &ours)?;
        let copied = (theirs.len() - ours.len()) as u64;
        chains.push(Moved { environment, records: theirs.len() as u64, copied });
    }
    Ok(chains)
}

async fn hold_and_copy(
    from: &dyn Import,
    to: &dyn Import,
    held: &[(EnvironmentName, u64)],
    who: &str,
) -> Result<(), MigrateError> {
    let earlier = to.shut_by().await.map_err(new)?;
    shut(to, "new", earlier.as_deref(), Some(&format!("{FILLING} {who}"))).await?;
    for (environment, epoch) in held {
        to.end_lease(environment, *epoch).await.map_err(new)?;
    }
    for (environment, _) in held {
        copy(from, to, environment, held).await?;
    }
    // Only who still holds all of it may say that nobody else goes on there.
    for (environment, epoch) in held {
        from.renew_lease(environment, *epoch, HOLD).await.map_err(old)?;
    }
    shut(from, "old", None, Some(&format!("{MOVED} {who}"))).await
}

async fn shut(
    store: &dyn Import,
    which: &'static str,
    was: Option<&str>,
    by: Option<&str>,
) -> Result<(), MigrateError> {
    let failed = |source| MigrateError::Store { which, source };
    if store.shut(was, by).await.map_err(failed)? {
        return Ok(());
    }
    let by = store.shut_by().await.map_err(failed)?;
    Err(MigrateError::Shut { which, by: by.unwrap_or_else(|| "nobody any more".to_owned()) })
}

/// Copies what is missing until nothing is; answers how many records there are.
async fn copy(
    from: &dyn Import,
    to: &dyn Import,
    environment: &EnvironmentName,
    held: &[(EnvironmentName, u64)],
) -> Result<u64, MigrateError> {
    for _ in 0..ROUNDS_MAX {
        let theirs = whole(from, environment).await.map_err(old)?;
        let ours = whole(to, environment).await.map_err(new)?;
        begun(environment, &theirs, &ours)?;
        let missing = theirs.get(ours.len()..).unwrap_or_default();
        if missing.is_empty() {
            return Ok(theirs.len() as u64);
        }
        for part in missing.chunks(AT_ONCE) {
            for (environment, epoch) in held {
                from.renew_lease(environment, *epoch, HOLD).await.map_err(old)?;
            }
            let head = part.first().map_or(0, |record| record.seq - 1);
            to.import(environment, head, part).await.map_err(new)?;
        }
    }
    Err(MigrateError::Grows { environment: environment.clone() })
}

/// A chain from its root, verified.
async fn whole(journal: &dyn Journal, environment: &EnvironmentName) -> Result<Vec<Record>, JournalError> {
    let records = journal.read(environment, 0).await?;
    verify(environment, 0, Record::root(environment), &records)?;
    Ok(records)
}

/// What the new store has must be the beginning of what the old one has.
fn begun(environment: &EnvironmentName, theirs: &[Record], ours: &[Record]) -> Result<(), MigrateError> {
    let same = theirs.iter().zip(ours).take_while(|(theirs, ours)| theirs == ours).count();
    if same == ours.len() {
        return Ok(());
    }
    Err(MigrateError::NotItsBeginning { environment: environment.clone(), seq: same as u64 + 1 })
}
