//! A journal moves into another store: every record as it is, and the old store is left so that nobody goes on there.

use super::chain::verify;
use super::record::{Draft, Entry, Record};
use crate::model::{At, EnvironmentName, Millis, StoreId};
use crate::ports::{Import, Journal, JournalError};

/// What the holder of a store is called that moves; a name of that very move follows.
const HOLDER: &str = "promote migrate-store";

/// No environment: a lease of this name shows whether two addresses are one store.
const PROBE: &str = "migrate-store";

/// For how long the old store is held without a word: a move that dies leaves it free after this.
const HOLD: Millis = Millis::secs(60);

/// Rounds of reading on where people still said something meanwhile; a word takes seconds, a round less.
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
    /// An earlier move of the old store is not over yet.
    #[error("{environment} moves to {to}")]
    Elsewhere {
        /// Which chain.
        environment: EnvironmentName,
        /// Where that one goes.
        to: String,
    },
    /// The old store grew faster than it was read.
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
    /// The new store, as it is always called; no secret.
    pub to: &'a str,
    /// When it is made.
    pub at: At,
}

impl Move<'_> {
    fn holder(&self) -> String {
        format!("{HOLDER} {}", self.by)
    }

    fn draft(&self, entry: Entry) -> Vec<Draft> {
        vec![Draft { promotion: None, at: self.at, entry }]
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
/// held in the old store, and each of its chains ends with [`Entry::Moved`], behind the very record that was read last:
/// whoever reads that, and nobody appends without having read it, writes nothing more there. Then what is missing is
/// taken over, of each chain all at once and down to that record, so that no part of it is ever open in the new store,
/// and read back. In the end [`Entry::Arrived`] opens the chains there, and epochs go on above those of the old store.
///
/// A move that fails goes back to the old store as long as it opened nothing in the new one. One that dies leaves the old
/// store free after a minute; chains that it ended stay so, and the same move is made again, by anybody, and goes on: only
/// who holds the old store opens the new one, and only the one that the old store names. One that is through changes
/// nothing.
pub async fn migrate(
    from: &dyn Journal,
    to: &dyn Import,
    this: Move<'_>,
) -> Result<Vec<Moved>, MigrateError> {
    apart(from, to, this).await?;
    let found = looked(from, to).await?;
    for Looked { moved, left_to, stage } in &found {
        if let Some(to) = left_to.as_ref().filter(|to| *stage != Stage::Through && *to != this.to) {
            return Err(MigrateError::Elsewhere { environment: moved.environment.clone(), to: to.clone() });
        }
    }
    let mut held = Vec::new();
    if let Err(error) = leave_and_copy(from, to, &found, &mut held, this).await {
        stay(from, &held, this).await;
        give_back(from, &held).await;
        return Err(error);
    }
    let opened = open_all(from, to, &held, this).await;
    give_back(from, &held).await;
    opened?;
    let mut moved = Vec::new();
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
    let theirs = to.take_lease(&probe, HOLDER, Millis(1)).await;
    // Another grant in this one ends ours, however long it took.
    let is_ours = from.renew_lease(&probe, grant.epoch, HOLD).await;
    let _runs_out = from.release_lease(&probe, grant.epoch).await;
    match (theirs, is_ours) {
        (Err(JournalError::Held { holder }), _) if holder == this.holder() => Err(MigrateError::Same),
        (Ok(_), Err(JournalError::Fenced { .. })) => Err(MigrateError::Same),
        (Err(JournalError::Held { holder }), _) => Err(MigrateError::Held { environment: probe, holder }),
        (Err(error), _) => Err(new(error)),
        (Ok(_), Err(error)) => Err(old(error)),
        (Ok(grant), Ok(())) => to.release_lease(&probe, grant.epoch).await.map_err(new),
    }
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
    /// The new store has its beginning, or nothing, or all of it.
    Begun,
    /// It goes on in the new store.
    Through,
}

/// A chain in both stores.
struct Looked {
    moved: Moved,
    stage: Stage,
    /// Where it moves, as the old store says.
    left_to: Option<String>,
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
        let moved = Moved { environment: environment.clone(), records, copied };
        let left_to = left(&theirs).map(|(_, to)| to.to_owned());
        chains.push(Looked { moved, stage, left_to });
    }
    // Where one is through, others may have begun.
    let is_live = chains.iter().any(|chain| chain.stage == Stage::Through);
    for stranger in to.environments().await.map_err(new)? {
        if !environments.contains(&stranger) && !is_live {
            return Err(MigrateError::NotItsBeginning { environment: stranger, seq: 1 });
        }
    }
    Ok(chains)
}

/// The move with which a chain ends, and where that goes.
fn left(records: &[Record]) -> Option<(&str, &str)> {
    match records.last().map(|record| &record.entry) {
        Some(Entry::Moved { by, to }) => Some((by, to)),
        _ => None,
    }
}

/// What the new store has must be the beginning of what the old one has, or go on where that left off.
fn stage(environment: &EnvironmentName, theirs: &[Record], ours: &[Record]) -> Result<Stage, MigrateError> {
    let same = theirs.iter().zip(ours).take_while(|(theirs, ours)| theirs == ours).count();
    let left = left(theirs).filter(|_| same == theirs.len()).map(|(by, _)| by);
    match (left, ours.get(same).map(|record| &record.entry)) {
        (_, None) => Ok(Stage::Begun),
        (Some(by), Some(Entry::Arrived { by: arrived })) if by == arrived => Ok(Stage::Through),
        (_, Some(_)) => {
            Err(MigrateError::NotItsBeginning { environment: environment.clone(), seq: same as u64 + 1 })
        }
    }
}

async fn leave_and_copy(
    from: &dyn Journal,
    to: &dyn Import,
    found: &[Looked],
    held: &mut Vec<Hold>,
    this: Move<'_>,
) -> Result<(), MigrateError> {
    for Looked { moved: Moved { environment, .. }, .. } in
        found.iter().filter(|it| it.stage != Stage::Through)
    {
        match from.take_lease(environment, &this.holder(), HOLD).await {
            Ok(grant) => held.push(Hold { environment: environment.clone(), epoch: grant.epoch }),
            Err(JournalError::Held { holder }) => {
                return Err(MigrateError::Held { environment: environment.clone(), holder });
            }
            Err(error) => return Err(old(error)),
        }
    }
    for hold in &*held {
        leave(from, hold, this).await?;
    }
    // One that somebody began meanwhile; who begins one from here on finds the others left.
    let is_new = |name: &EnvironmentName| found.iter().all(|chain| chain.moved.environment != *name);
    if let Some(environment) = from.environments().await.map_err(old)?.into_iter().find(is_new) {
        return Err(MigrateError::Grows { environment });
    }
    for Hold { environment, .. } in &*held {
        copy(from, to, environment).await?;
    }
    Ok(())
}

/// The old store takes nothing more of this chain.
async fn leave(
    from: &dyn Journal,
    Hold { environment, epoch }: &Hold,
    this: Move<'_>,
) -> Result<(), MigrateError> {
    for _ in 0..ROUNDS_MAX {
        let theirs = whole(from, environment).await.map_err(old)?;
        if let Some((_, to)) = left(&theirs) {
            if to == this.to {
                return Ok(());
            }
            return Err(MigrateError::Elsewhere { environment: environment.clone(), to: to.to_owned() });
        }
        let moved = Entry::Moved { by: this.by.to_owned(), to: this.to.to_owned() };
        match from.append(environment, theirs.len() as u64, Some(*epoch), this.draft(moved)).await {
            Ok(_) => return Ok(()),
            Err(JournalError::Conflict { .. }) => {}
            Err(error) => return Err(old(error)),
        }
    }
    Err(MigrateError::Grows { environment: environment.clone() })
}

/// Takes over what is missing of a chain that has ended in the old store, all at once, and reads it back.
async fn copy(
    from: &dyn Journal,
    to: &dyn Import,
    environment: &EnvironmentName,
) -> Result<(), MigrateError> {
    let theirs = whole(from, environment).await.map_err(old)?;
    for _ in 0..ROUNDS_MAX {
        let ours = whole(to, environment).await.map_err(new)?;
        stage(environment, &theirs, &ours)?;
        let missing = theirs.get(ours.len()..).unwrap_or_default();
        if missing.is_empty() {
            return Ok(());
        }
        match to.import(environment, ours.len() as u64, missing).await {
            Ok(()) | Err(JournalError::Conflict { .. }) => {}
            Err(error) => return Err(new(error)),
        }
    }
    Err(MigrateError::Grows { environment: environment.clone() })
}

/// The old store goes on where this very move ended it: it opened nothing. Refused where somebody else holds it by now, and
/// what cannot be written stays as it is for the next move.
async fn stay(from: &dyn Journal, held: &[Hold], this: Move<'_>) {
    for Hold { environment, epoch } in held {
        let Ok(records) = from.read(environment, 0).await else { continue };
        if left(&records).is_some_and(|(by, _)| by == this.by) {
            let arrived = this.draft(Entry::Arrived { by: this.by.to_owned() });
            let _next_time = from.append(environment, records.len() as u64, Some(*epoch), arrived).await;
        }
    }
}

/// Both stores have all of it, and the old one ended it.
async fn open_all(
    from: &dyn Journal,
    to: &dyn Import,
    held: &[Hold],
    this: Move<'_>,
) -> Result<(), MigrateError> {
    for Hold { environment, epoch } in held {
        from.renew_lease(environment, *epoch, HOLD).await.map_err(old)?;
    }
    for hold in held {
        open(to, hold, this).await?;
    }
    Ok(())
}

async fn open(
    to: &dyn Import,
    Hold { environment, epoch }: &Hold,
    this: Move<'_>,
) -> Result<(), MigrateError> {
    for _ in 0..ROUNDS_MAX {
        let ours = whole(to, environment).await.map_err(new)?;
        // Else somebody else opened it.
        let Some((by, _)) = left(&ours) else { return Ok(()) };
        let arrived = this.draft(Entry::Arrived { by: by.to_owned() });
        // First, since nothing makes up for it once the chain is open; whoever takes a lease before that writes nothing.
        to.end_lease(environment, *epoch).await.map_err(new)?;
        match to.append(environment, ours.len() as u64, None, arrived).await {
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
