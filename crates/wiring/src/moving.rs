//! Two stores, of which the second continues the first.

use std::path::PathBuf;
use std::sync::Arc;

use clikit::{Common, Context, Failure};
use promotion::journal::{self, MigrateError, Moved};
use promotion::model::StoreId;
use promotion::ports::{Ids as _, Import, Journal};
use providers::{SystemClock, UuidIds};

use crate::Absent;
use crate::store::{self, Kept};
use crate::wire::{files, secret};

/// The old store and the new one.
#[derive(Debug)]
pub struct Pair {
    /// The id that both have.
    pub id: StoreId,
    from: Arc<dyn Journal>,
    to: Arc<dyn Import>,
    /// The runner's key beside the old one, and where it goes.
    keys: Option<(PathBuf, PathBuf)>,
    is_dry_run: bool,
    /// Names this move among all moves.
    who: String,
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
    Ok(Pair { id, from: old.journal, to: journal, keys: old.key.zip(key), is_dry_run, who: ids.runner() })
}

impl Pair {
    /// Moves every record, or only says what would be moved.
    ///
    /// # Errors
    /// 3 when the new store is no continuation of the old one or somebody works there, 8 when a store fails.
    pub async fn migrate(&self) -> Result<Vec<Moved>, Failure> {
        if self.is_dry_run {
            return journal::compare(&*self.from, &*self.to).await.map_err(failure);
        }
        let moved = journal::migrate(&*self.from, &*self.to, &self.who).await.map_err(failure)?;
        // What this machine's runner attested goes on to count.
        if let Some((old, new)) = &self.keys
            && old.exists()
            && !new.exists()
        {
            std::fs::copy(old, new).map_err(|error| {
                Failure::unavailable(format!("the runner's key cannot be copied to {}", new.display()))
                    .with_why(
                        "every record was moved; what this runner attested does not count without its key",
                    )
                    .with_source(error)
            })?;
        }
        Ok(moved)
    }
}

fn failure(error: MigrateError) -> Failure {
    let hint = match &error {
        MigrateError::Held { .. } => "wait until it is done, or `promote abort` it, and move then",
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
