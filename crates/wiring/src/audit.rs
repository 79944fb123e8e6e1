//! The journal as it stands in its store, for an audit. Nothing but the store is talked to, and nothing is written.

use std::sync::Arc;

use clikit::{Common, Context, Failure};
use promotion::journal::{Audited, audit};
use promotion::model::StoreId;
use promotion::ports::Ids as _;
use providers::{SystemClock, UuidIds};

use crate::Absent;
use crate::store::{self, Kept};
use crate::wire::{files, secret};

/// What an audit found.
#[derive(Debug)]
pub struct Audit {
    /// The store's own id.
    pub store: StoreId,
    /// Chain by chain.
    pub chains: Vec<Audited>,
}

/// Looks at every chain of the store, or at that of one environment.
///
/// # Errors
/// 2 when an address or the project file cannot be used, or there is no journal or no such environment in it; 8 when the
/// store cannot be read at all. A record that cannot be read is no error but a finding.
pub async fn verify(context: &Context, common: &Common, only: Option<&str>) -> Result<Audit, Failure> {
    let files = files(context, common)?;
    let ids = UuidIds::default();
    let address =
        store::address(context, common.store.as_deref(), &files.project, &files.root, |reference| {
            secret(context, &files.root, reference)
        })?;
    let fresh = (&*ids.runner(), ids.store());
    let Kept { journal, .. } =
        store::open(context, &address, Absent::Refuse, Arc::new(SystemClock), fresh).await?;
    let unreadable = |error| Failure::unavailable("the store cannot be read").with_source(error);
    let store = journal.store_id().await.map_err(unreadable)?;
    let mut chains = audit(&journal.verbatim().await.map_err(unreadable)?);
    if let Some(only) = only {
        let known = chains.iter().map(|chain| format!("`{}`", chain.environment)).collect::<Vec<_>>();
        let has_it = chains.iter().any(|chain| chain.environment == only);
        if !has_it && files.project.environment(only).is_none() {
            return Err(Failure::usage(format!("there is no environment `{only}`")).with_why(format!(
                "the store has {}, and the project file has no such one",
                known.join(", ")
            )));
        }
        if !has_it {
            chains.push(Audited::empty(only));
        }
        chains.retain(|chain| chain.environment == only);
    }
    Ok(Audit { store, chains })
}
