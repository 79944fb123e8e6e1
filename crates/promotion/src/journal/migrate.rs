//! A journal moves into another store: every record as it is, and the old store is left so that nobody goes on there.

use super::chain::verify;
use super::record::Record;
use crate::model::{EnvironmentName, Millis, StoreId};
use crate::ports::{Import, Journal, JournalError};

/// What the holder of a store is called that moves or was moved, and of one that is not whole yet; a name of that very move
/// follows.
pub const MOVED: &str = "promote migrate-store (this store moves or was moved: its journal is elsewhere)";

/// For good: a hundred years.
const FOR_GOOD: Millis = Millis(100 * 365 * 24 * 3_600_000);

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
/// What the new store has must be the beginning of what the old one has: else nothing is changed. The environments are
/// held in the old store while what is missing is copied and read back, and both chains are verified; the new one gives no
/// lease until all of it is there. In the end the old one is held for good, and epochs go on above its own. A move that
/// fails, or dies, leaves the old store free (then after a minute), the new one shut, and is made again. One that was
/// through is not made twice: two stores with one id must never both give leases.
pub async fn migrate(from: &dyn Journal, to: &dyn Import, who: &str) -> Result<Vec<Moved>, MigrateError> {
    let found = compare(from, to).await?;
    let holder = format!("{MOVED} {who}");
    let mut held = Vec::new();
    for chain in &found {
        match from.take_lease(&chain.environment, &holder, HOLD).await {
            Ok(grant) => held.push((chain.environment.clone(), grant.epoch)),
            Err(error) => {
                give_back(from, &held).await;
                return match error {
                    JournalError::Held { holder } if is_move(&holder) && held.is_empty() => {
                        through(to, found, holder).await
                    }
                    JournalError::Held { holder } => {
                        Err(MigrateError::Held { environment: chain.environment.clone(), holder })
                    }
                    error => Err(old(error)),
                };
            }
        }
    }
    let moved = hold_and_copy(from, to, &held, &holder).await;
    match moved {
        Ok(moved) => open(to, &held).await.map(|()| moved),
        Err(error) => {
            give_back(from, &held).await;
            Err(error)
        }
    }
}

fn is_move(holder: &str) -> bool {
    holder.starts_with(MOVED)
}

/// What cannot be given back now is free when its time is over.
async fn give_back(from: &dyn Journal, held: &[(EnvironmentName, u64)]) {
    for (environment, epoch) in held {
        let _free_later = from.release_lease(environment, *epoch).await;
    }
}

/// Another move holds the old store: it is through where nothing is missing. It may have died before it opened the new one.
async fn through(to: &dyn Import, found: Vec<Moved>, holder: String) -> Result<Vec<Moved>, MigrateError> {
    if let Some(chain) = found.iter().find(|chain| chain.copied > 0) {
        return Err(MigrateError::Held { environment: chain.environment.clone(), holder });
    }
    for chain in &found {
        match to.take_lease(&chain.environment, "promote migrate-store looks", Millis(1)).await {
            Ok(grant) => {
                to.release_lease(&chain.environment, grant.epoch).await.map_err(new)?;
            }
            Err(JournalError::Held { holder: theirs }) if theirs == holder => {
                to.end_lease(&chain.environment, 0).await.map_err(new)?;
            }
            Err(JournalError::Held { .. }) => {}
            Err(error) => return Err(new(error)),
        }
    }
    Ok(found)
}

/// The new store is whole: from here on it gives leases.
async fn open(to: &dyn Import, held: &[(EnvironmentName, u64)]) -> Result<(), MigrateError> {
    for (environment, epoch) in held {
        to.end_lease(environment, *epoch).await.map_err(new)?;
    }
    Ok(())
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
    from: &dyn Journal,
    to: &dyn Import,
    held: &[(EnvironmentName, u64)],
    holder: &str,
) -> Result<Vec<Moved>, MigrateError> {
    for (environment, epoch) in held {
        to.end_lease(environment, *epoch).await.map_err(new)?;
        to.take_lease(environment, holder, FOR_GOOD).await.map_err(new)?;
    }
    let mut moved = Vec::new();
    for (environment, _) in held {
        moved.push(copy(from, to, environment, held).await?);
    }
    let is_new = |name: &EnvironmentName| held.iter().all(|(held, _)| held != name);
    if let Some(environment) = from.environments().await.map_err(old)?.into_iter().find(is_new) {
        return Err(MigrateError::Grows { environment });
    }
    // Only who still holds all of it may say that nobody else goes on there.
    for (environment, epoch) in held {
        from.renew_lease(environment, *epoch, FOR_GOOD).await.map_err(old)?;
    }
    Ok(moved)
}

async fn copy(
    from: &dyn Journal,
    to: &dyn Import,
    environment: &EnvironmentName,
    held: &[(EnvironmentName, u64)],
) -> Result<Moved, MigrateError> {
    let mut copied = 0;
    for _ in 0..ROUNDS_MAX {
        let theirs = whole(from, environment).await.map_err(old)?;
        let ours = whole(to, environment).await.map_err(new)?;
        begun(environment, &theirs, &ours)?;
        let missing = theirs.get(ours.len()..).unwrap_or_default();
        if missing.is_empty() {
            return Ok(Moved { environment: environment.clone(), records: theirs.len() as u64, copied });
        }
        for part in missing.chunks(AT_ONCE) {
            for (environment, epoch) in held {
                from.renew_lease(environment, *epoch, HOLD).await.map_err(old)?;
            }
            let head = part.first().map_or(0, |record| record.seq - 1);
            to.import(environment, head, part).await.map_err(new)?;
            copied += part.len() as u64;
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
