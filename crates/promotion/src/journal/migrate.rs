//! A journal moves into another store: every record as it is, and the old store is left so that nobody goes on there.

use super::chain::verify;
use super::record::Record;
use crate::model::{EnvironmentName, Millis, StoreId};
use crate::ports::{Import, Journal, JournalError};

/// Who holds the environments of a store that was moved away from. A second move from there is the same holder's.
pub const MOVED: &str = "promote migrate-store (this store was moved: its journal is elsewhere now)";

/// For good: a hundred years.
const FOR_GOOD: Millis = Millis(100 * 365 * 24 * 3_600_000);

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

/// Moves every chain of `from` into `to`, which is empty or was begun by an earlier move; both have the same id.
///
/// What the new store has must be the beginning of what the old one has: else nothing is changed. The environments are
/// then held in the old store for good, what is missing is copied and read back, and both chains are verified. Epochs go
/// on above the old store's. When it fails half-way the old store is free again, and the next move goes on.
pub async fn migrate(from: &dyn Journal, to: &dyn Import) -> Result<Vec<Moved>, MigrateError> {
    let environments: Vec<EnvironmentName> =
        compare(from, to).await?.into_iter().map(|chain| chain.environment).collect();
    let mut held = Vec::new();
    let moved = hold_and_copy(from, to, &environments, &mut held).await;
    if moved.is_err() {
        for (environment, epoch) in held {
            // What cannot be given back now is taken again by the next move.
            let _still_held = from.release_lease(environment, epoch).await;
        }
    }
    moved
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

async fn hold_and_copy<'a>(
    from: &dyn Journal,
    to: &dyn Import,
    environments: &'a [EnvironmentName],
    held: &mut Vec<(&'a EnvironmentName, u64)>,
) -> Result<Vec<Moved>, MigrateError> {
    for environment in environments {
        match from.take_lease(environment, MOVED, FOR_GOOD).await {
            Ok(grant) => held.push((environment, grant.epoch)),
            Err(JournalError::Held { holder }) => {
                return Err(MigrateError::Held { environment: environment.clone(), holder });
            }
            Err(error) => return Err(old(error)),
        }
    }
    let mut moved = Vec::new();
    for (environment, epoch) in held.iter() {
        to.end_lease(environment, *epoch).await.map_err(new)?;
        moved.push(copy(from, to, environment).await?);
    }
    Ok(moved)
}

async fn copy(
    from: &dyn Journal,
    to: &dyn Import,
    environment: &EnvironmentName,
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
