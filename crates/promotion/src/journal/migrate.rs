//! A journal moves into another store: every record as it is, and the old store is left so that nobody goes on there.

use super::chain::verify;
use super::record::{Draft, Entry, Record};
use crate::model::{At, EnvironmentName, Millis, StoreId};
use crate::ports::{Import, Journal, JournalError};

/// What the holder of a store is called that moves or was moved, and of one that is not whole yet; a name of that very move
/// follows.
pub const MOVED: &str = "promote migrate-store (this store moves or was moved: its journal is elsewhere)";

/// No environment: a lease of this name shows whether two addresses are one store.
const PROBE: &str = "migrate-store";

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
    /// Somebody works in the old store, or moves it.
    #[error("{environment} is held by {holder}")]
    Held {
        /// Which chain.
        environment: EnvironmentName,
        /// Who.
        holder: String,
    },
    /// Both addresses are those of one store.
    #[error("both addresses are those of one store")]
    Same,
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

/// This move, among all moves.
#[derive(Debug, Clone, Copy)]
pub struct Move<'a> {
    /// A name that no other move has.
    pub by: &'a str,
    /// When it is made.
    pub at: At,
}

impl Move<'_> {
    fn holder(&self) -> String {
        format!("{MOVED} {}", self.by)
    }

    fn left(&self) -> Vec<Draft> {
        vec![Draft { promotion: None, at: self.at, entry: Entry::Moved { by: self.by.to_owned() } }]
    }

    fn arrived(&self) -> Vec<Draft> {
        vec![Draft { promotion: None, at: self.at, entry: Entry::Arrived { by: self.by.to_owned() } }]
    }
}

/// An environment that is held in the old store.
struct Hold {
    environment: EnvironmentName,
    epoch: u64,
}

/// Moves every chain of `from` into `to`, which is empty or was begun by an earlier move; both have the same id.
///
/// What the new store has must be the beginning of what the old one has: else nothing is changed. The environments are
/// held in the old store while what is missing is copied and read back, and both chains are verified; the new one gives no
/// lease until all of it is there. Then each chain of the old store ends with [`Entry::Moved`]: whoever reads it, and
/// nobody appends without having read it, writes nothing more there. That record is copied too, the old store is held for
/// good, and [`Entry::Arrived`] opens the new one, in which epochs go on above those of the old. Every record goes behind
/// the very one that was read last, so that nobody's word is left behind.
///
/// A move that fails before the old store is left goes back to it; one that dies leaves it free after a minute. One that
/// fails or dies later is made again, by anybody, and goes on: never do both stores take records. One that is through
/// changes nothing.
pub async fn migrate(
    from: &dyn Journal,
    to: &dyn Import,
    this: Move<'_>,
) -> Result<Vec<Moved>, MigrateError> {
    apart(from, to, this).await?;
    let found = looked(from, to).await?;
    let under_way: Vec<&Looked> = found.iter().filter(|chain| chain.stage != Stage::Through).collect();
    if under_way.iter().all(|chain| chain.stage == Stage::Left) {
        for chain in under_way {
            open(to, &chain.moved.environment, this.at).await?;
        }
        return Ok(found.into_iter().map(|chain| chain.moved).collect());
    }
    let mut held = Vec::new();
    let mut copied = hold_and_copy(from, to, (&under_way, &mut held), this).await;
    if copied.is_ok()
        && let Err(error) = leave(from, to, &held, this).await
    {
        stay(from, &held, this).await;
        copied = Err(error);
    }
    if let Err(error) = copied {
        give_back(from, &held).await;
        return Err(error);
    }
    // The old store takes nothing any more, and whoever comes now goes on from here.
    let mut moved = Vec::new();
    for Hold { environment, .. } in &held {
        copy(from, to, environment, &held).await?;
    }
    for Hold { environment, epoch } in &held {
        from.renew_lease(environment, *epoch, FOR_GOOD).await.map_err(old)?;
    }
    for Hold { environment, .. } in &held {
        open(to, environment, this.at).await?;
    }
    for Looked { moved: before, .. } in found {
        let records = whole(from, &before.environment).await.map_err(old)?.len() as u64;
        let copied = before.copied + (records - before.records);
        moved.push(Moved { records, copied, ..before });
    }
    Ok(moved)
}

/// What a move would copy, chain by chain; changes nothing.
pub async fn compare(from: &dyn Journal, to: &dyn Journal) -> Result<Vec<Moved>, MigrateError> {
    Ok(looked(from, to).await?.into_iter().map(|chain| chain.moved).collect())
}

/// What is held in one store and not in the other is held in two.
async fn apart(from: &dyn Journal, to: &dyn Journal, this: Move<'_>) -> Result<(), MigrateError> {
    let probe = EnvironmentName::new(PROBE).expect("a name");
    let grant = match from.take_lease(&probe, &this.holder(), HOLD).await {
        Ok(grant) => grant,
        Err(JournalError::Held { holder }) => return Err(MigrateError::Held { environment: probe, holder }),
        Err(error) => return Err(old(error)),
    };
    let theirs = to.take_lease(&probe, "promote migrate-store", Millis(1)).await;
    let released = from.release_lease(&probe, grant.epoch).await;
    match theirs {
        Ok(grant) => to.release_lease(&probe, grant.epoch).await.map_err(new)?,
        Err(JournalError::Held { holder }) if holder == this.holder() => return Err(MigrateError::Same),
        Err(JournalError::Held { holder }) => return Err(MigrateError::Held { environment: probe, holder }),
        Err(error) => return Err(new(error)),
    }
    released.map_err(old)
}

/// What cannot be given back now is free when its time is over.
async fn give_back(from: &dyn Journal, held: &[Hold]) {
    for Hold { environment, epoch } in held {
        let _free_later = from.release_lease(environment, *epoch).await;
    }
}

/// How far the move of a chain has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The new store has its beginning, or nothing.
    Begun,
    /// The old store has left off, and the new one has all of it.
    Left,
    /// It goes on in the new store.
    Through,
}

/// A chain in both stores.
struct Looked {
    moved: Moved,
    stage: Stage,
}

async fn looked(from: &dyn Journal, to: &dyn Journal) -> Result<Vec<Looked>, MigrateError> {
    let (theirs, ours) = (from.store_id().await.map_err(old)?, to.store_id().await.map_err(new)?);
    if theirs != ours {
        return Err(MigrateError::Other { from: theirs, to: ours });
    }
    let environments = from.environments().await.map_err(old)?;
    let mut chains = Vec::new();
    for environment in &environments {
        let theirs = whole(from, environment).await.map_err(old)?;
        let ours = whole(to, environment).await.map_err(new)?;
        let stage = stage(environment, &theirs, &ours)?;
        let (records, copied) = (theirs.len() as u64, theirs.len().saturating_sub(ours.len()) as u64);
        chains.push(Looked { moved: Moved { environment: environment.clone(), records, copied }, stage });
    }
    let is_through = !chains.is_empty() && chains.iter().all(|chain| chain.stage == Stage::Through);
    for stranger in to.environments().await.map_err(new)? {
        // One that is through may have begun others.
        if !environments.contains(&stranger) && !is_through {
            return Err(MigrateError::NotItsBeginning { environment: stranger, seq: 1 });
        }
    }
    Ok(chains)
}

/// What the new store has must be the beginning of what the old one has, or go on where that left off.
fn stage(environment: &EnvironmentName, theirs: &[Record], ours: &[Record]) -> Result<Stage, MigrateError> {
    let same = theirs.iter().zip(ours).take_while(|(theirs, ours)| theirs == ours).count();
    let left = match theirs.last().map(|record| &record.entry) {
        Some(Entry::Moved { by }) if same == theirs.len() => Some(by),
        _ => None,
    };
    match (left, ours.get(same).map(|record| &record.entry)) {
        (Some(_), None) => Ok(Stage::Left),
        (None, None) => Ok(Stage::Begun),
        (Some(by), Some(Entry::Arrived { by: arrived })) if by == arrived => Ok(Stage::Through),
        (_, Some(_)) => {
            Err(MigrateError::NotItsBeginning { environment: environment.clone(), seq: same as u64 + 1 })
        }
    }
}

async fn hold_and_copy(
    from: &dyn Journal,
    to: &dyn Import,
    (chains, held): (&[&Looked], &mut Vec<Hold>),
    this: Move<'_>,
) -> Result<(), MigrateError> {
    for chain in chains {
        let environment = &chain.moved.environment;
        match from.take_lease(environment, &this.holder(), HOLD).await {
            Ok(grant) => held.push(Hold { environment: environment.clone(), epoch: grant.epoch }),
            Err(JournalError::Held { holder }) => {
                return Err(MigrateError::Held { environment: environment.clone(), holder });
            }
            Err(error) => return Err(old(error)),
        }
    }
    for Hold { environment, epoch } in &*held {
        // Only who holds the old one shuts the new one.
        from.renew_lease(environment, *epoch, HOLD).await.map_err(old)?;
        to.end_lease(environment, *epoch).await.map_err(new)?;
        to.take_lease(environment, &this.holder(), FOR_GOOD).await.map_err(new)?;
    }
    for Hold { environment, .. } in &*held {
        copy(from, to, environment, held).await?;
    }
    Ok(())
}

/// Copies what is missing; how many records there are then.
async fn copy(
    from: &dyn Journal,
    to: &dyn Import,
    environment: &EnvironmentName,
    held: &[Hold],
) -> Result<u64, MigrateError> {
    for _ in 0..ROUNDS_MAX {
        let theirs = whole(from, environment).await.map_err(old)?;
        let ours = whole(to, environment).await.map_err(new)?;
        stage(environment, &theirs, &ours)?;
        let missing = theirs.get(ours.len()..).unwrap_or_default();
        if missing.is_empty() {
            return Ok(theirs.len() as u64);
        }
        for part in missing.chunks(AT_ONCE) {
            for Hold { environment, epoch } in held {
                from.renew_lease(environment, *epoch, HOLD).await.map_err(old)?;
            }
            let head = part.first().map_or(0, |record| record.seq - 1);
            to.import(environment, head, part).await.map_err(new)?;
        }
    }
    Err(MigrateError::Grows { environment: environment.clone() })
}

/// The old store takes nothing more, once all of it is copied; else it is as it was.
async fn leave(
    from: &dyn Journal,
    to: &dyn Import,
    held: &[Hold],
    this: Move<'_>,
) -> Result<(), MigrateError> {
    for Hold { environment, epoch } in held {
        let mut rounds = 0;
        while !has_left(from, environment).await? {
            let head = copy(from, to, environment, held).await?;
            match from.append(environment, head, Some(*epoch), this.left()).await {
                Ok(_) => break,
                Err(JournalError::Conflict { .. }) if rounds < ROUNDS_MAX => rounds += 1,
                Err(JournalError::Conflict { .. }) => {
                    return Err(MigrateError::Grows { environment: environment.clone() });
                }
                Err(error) => return Err(old(error)),
            }
        }
    }
    // One that somebody began meanwhile: who begins one later finds the others left.
    for environment in from.environments().await.map_err(old)? {
        if !has_left(from, &environment).await? {
            return Err(MigrateError::Grows { environment });
        }
    }
    Ok(())
}

async fn has_left(from: &dyn Journal, environment: &EnvironmentName) -> Result<bool, MigrateError> {
    let records = from.read(environment, 0).await.map_err(old)?;
    Ok(matches!(records.last().map(|record| &record.entry), Some(Entry::Moved { .. })))
}

/// The old store goes on: nothing of this move was opened. What cannot be written now is said by the next move.
async fn stay(from: &dyn Journal, held: &[Hold], this: Move<'_>) {
    for Hold { environment, epoch } in held {
        let Ok(records) = from.read(environment, 0).await else { continue };
        if let Some(last) = records.last()
            && matches!(&last.entry, Entry::Moved { by } if by == this.by)
        {
            let _said_by_the_next_move =
                from.append(environment, last.seq, Some(*epoch), this.arrived()).await;
        }
    }
}

/// The new store has the whole chain, up to where the old one left off: here it goes on.
async fn open(to: &dyn Import, environment: &EnvironmentName, at: At) -> Result<(), MigrateError> {
    for _ in 0..ROUNDS_MAX {
        let ours = whole(to, environment).await.map_err(new)?;
        // Somebody else opened it.
        let Some(Entry::Moved { by }) = ours.last().map(|record| &record.entry) else { return Ok(()) };
        let arrived = Draft { promotion: None, at, entry: Entry::Arrived { by: by.clone() } };
        // First, since nothing makes up for it once the chain is open; whoever takes a lease before that writes nothing.
        to.end_lease(environment, 0).await.map_err(new)?;
        match to.append(environment, ours.len() as u64, None, vec![arrived]).await {
            Ok(_) => return Ok(()),
            Err(JournalError::Conflict { .. }) => {}
            Err(error) => return Err(new(error)),
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
