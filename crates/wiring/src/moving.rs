//! Two stores, of which the second continues the first.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clikit::{Common, Context, Failure};
use promotion::journal::{self, MigrateError, Move, Moved};
use promotion::model::StoreId;
use promotion::ports::{Clock as _, Ids as _, Import, Journal};
use providers::ssh::{self, AllowedSigners};
use providers::{SystemClock, UuidIds};

use crate::Absent;
use crate::signing;
use crate::store::{self, Kept};
use crate::wire::{allowed_signers, files, secret};

/// The old store and the new one.
#[derive(Debug)]
pub struct Pair {
    /// The id that both have.
    pub id: StoreId,
    from: Arc<dyn Journal>,
    to: Arc<dyn Import>,
    /// How the new one is called in the old one's last records.
    name: String,
    keys: Keys,
    is_dry_run: bool,
    /// Names this move among all moves.
    who: String,
}

/// What a move did, or would do.
#[derive(Debug)]
pub struct Migration {
    /// Chain by chain.
    pub chains: Vec<Moved>,
    /// What does not go along by itself, and what to do about it.
    pub warnings: Vec<String>,
}

/// Opens both; the new one gets the old one's id when it is made now.
///
/// # Errors
/// 2 when an address or the project file cannot be used or there is no old store, 8 when a store cannot be opened.
pub async fn pair(
    context: &Context,
    common: &Common,
    (from, to): (&str, &str),
    is_dry_run: bool,
) -> Result<Pair, Failure> {
    let files = files(context, common)?;
    let (clock, ids) = (Arc::new(SystemClock), UuidIds::default());
    let address = |text: &str| {
        store::given(context, text, &files.project, &files.root, |reference| {
            secret(context, &files.root, reference)
        })
    };
    let (from, to) = (address(from)?, address(to)?);
    let allowed = allowed_signers(&files.root)?;
    let fresh = (&*ids.runner(), ids.store());
    let old = store::open(context, &from, Absent::Refuse, clock.clone(), fresh).await?;
    let id = old
        .journal
        .store_id()
        .await
        .map_err(|error| Failure::unavailable("the old store cannot be used").with_source(error))?;
    let absent = Absent::of_change(is_dry_run);
    let Kept { journal, key } =
        store::open(context, &to, absent, clock, (&*ids.runner(), id.clone())).await?;
    // One that the project file names is where it was.
    let old_key = old.key.filter(|_| !signing::is_named(&files));
    let keys = Keys { old: old_key, new: key, allowed };
    let (name, who) = (to.place.to_string(), ids.runner());
    Ok(Pair { id, from: old.journal, to: journal, name, keys, is_dry_run, who })
}

impl Pair {
    /// Moves every record, or only says what would be moved.
    ///
    /// # Errors
    /// 3 when the new store is no continuation of the old one or somebody works there, 8 when a store fails.
    pub async fn migrate(&self) -> Result<Migration, Failure> {
        let chains = if self.is_dry_run {
            journal::compare(&*self.from, &*self.to).await
        } else {
            {
                let this = Move { by: &self.who, to: &self.name, at: SystemClock.now() };
                journal::migrate(&*self.from, &*self.to, this).await
            }
        };
        let chains = chains.map_err(failure)?;
        let warnings = self.keys.move_along(self.is_dry_run)?.into_iter().collect();
        Ok(Migration { chains, warnings })
    }
}

/// Where the runner's key lies beside each of the stores.
#[derive(Debug)]
struct Keys {
    old: Option<PathBuf>,
    /// None without a home directory, and beside a store that is only imagined.
    new: Option<PathBuf>,
    allowed: AllowedSigners,
}

impl Keys {
    /// Copies the key to where there is none, so that what this machine's runner attested goes on to count. A key that is
    /// there is somebody's, and stays: then it is said what does not count.
    fn move_along(&self, is_dry_run: bool) -> Result<Option<String>, Failure> {
        let Some(old) = self.old.as_deref().filter(|file| file.exists()) else { return Ok(None) };
        match self.new.as_deref() {
            None if is_dry_run => Ok(None),
            None => Ok(self.left_behind(old, "there is no home directory to keep it in")),
            Some(new) if new.exists() => {
                let is_same = match (ssh::person_of_file(old), ssh::person_of_file(new)) {
                    (Ok(old), Ok(new)) => old == new,
                    _ => false,
                };
                let why = || format!("the runner has another one there, {}", new.display());
                Ok(if is_same { None } else { self.left_behind(old, &why()) })
            }
            Some(_) if is_dry_run => Ok(None),
            Some(new) => std::fs::copy(old, new).map(|_| None).map_err(|error| {
                Failure::unavailable(format!("the runner's key cannot be copied to {}", new.display()))
                    .with_why(
                        "every record was moved; what this runner attested does not count without its key",
                    )
                    .with_source(error)
            }),
        }
    }

    /// What somebody should know of a key that does not go along; nothing where all runners believe it anyway.
    fn left_behind(&self, old: &Path, why: &str) -> Option<String> {
        let what = format!("the runner's key {} does not go along: {why}", old.display());
        let key = match ssh::read_or_make_key(old) {
            Ok(key) => key,
            Err(error) => return Some(format!("{what}; and it cannot be read: {error}")),
        };
        if self.allowed.allows(key.public_key(), ssh::ATTESTATION_NAMESPACE) {
            return None;
        }
        let who = ssh::person(key.public_key());
        let line = signing::line(&key);
        Some(format!(
            "{what}. What {who} attested does not count in the new store: test again, or add this line to \
             .understudy/allowed_signers: {line}"
        ))
    }
}

fn failure(error: MigrateError) -> Failure {
    let hint = match &error {
        MigrateError::Held { .. } => {
            "wait until it is done, a move that died for a minute, or `promote abort` it, and move then"
        }
        MigrateError::Elsewhere { .. } => "end that move first: `promote migrate-store` with its --to",
        MigrateError::Same => "name two stores",
        MigrateError::Other { .. } | MigrateError::NotItsBeginning { .. } => {
            "move into an empty store, or one that an earlier move began"
        }
        MigrateError::Grows { .. } => "move when nobody is at work there",
        _ => "once it is back, the same command goes on from where it stopped",
    };
    let is_store = matches!(error, MigrateError::Store { .. });
    let new = if is_store { Failure::unavailable } else { Failure::refused };
    new("the journal was not moved").with_source(error).with_hint(hint)
}
