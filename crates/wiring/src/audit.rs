//! The journal as it stands in its store, and its anchors, for an audit. Nothing else is talked to, and nothing is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use clikit::{Common, Context, Failure};
use promotion::journal::{Audited, Fault, Finding, audit};
use promotion::model::{AnchorPoint, Envelope, EnvironmentName, Person, StoreId};
use promotion::ports::{Anchors, Ids as _, PortError};
use providers::ssh::{self, AllowedSigners};
use providers::{SystemClock, UuidIds};

use crate::Absent;
use crate::signing;
use crate::store::{self, Kept};
use crate::wire::{allowed_signers, files, secret};

/// Anchors of a chain that are looked at, newest first.
const ANCHORS_MAX: usize = 32;

/// What an audit found.
#[derive(Debug)]
pub struct Audit {
    /// The store's own id.
    pub store: StoreId,
    /// Chain by chain.
    pub chains: Vec<Checked>,
}

/// A chain, held against its anchors.
#[derive(Debug)]
pub struct Checked {
    /// What was found in it.
    pub audited: Audited,
    /// The newest anchor that is believed, and who signed it.
    pub anchor: Option<(AnchorPoint, Person)>,
    /// Anchors that do not count, where a later one that does makes up for them.
    pub notes: Vec<String>,
}

/// Looks at every chain of the store, or at that of one environment.
///
/// # Errors
/// 2 when an address or the project file cannot be used, or there is no journal or no such environment in it; 3 when the
/// anchors are in the store; 8 when the store or the anchors cannot be read at all. A record or an anchor that cannot be
/// read is no error but a finding.
pub async fn verify(context: &Context, common: &Common, only: Option<&str>) -> Result<Audit, Failure> {
    let files = files(context, common)?;
    let ids = UuidIds::default();
    let reveal = |reference: &_| secret(context, &files.root, reference);
    let address = store::address(context, common.store.as_deref(), &files.project, &files.root, reveal)?;
    let anchors = store::anchors::open(context, &files.project, &address, reveal)?;
    let fresh = (&*ids.runner(), ids.store());
    let Kept { journal, key } =
        store::open(context, &address, Absent::Refuse, Arc::new(SystemClock), fresh).await?;
    let unreadable = |error| Failure::unavailable("the store cannot be read").with_source(error);
    let store = journal.store_id().await.map_err(unreadable)?;
    let away = |error: PortError| Failure::unavailable("the anchors cannot be read").with_source(error);
    // Before the chains: these only grow, so that whatever was anchored by then is in them.
    let ashore = match &anchors {
        Some(anchors) => ashore(&**anchors, &store, only).await.map_err(away)?,
        None => BTreeMap::new(),
    };
    let mut chains = audit(&journal.verbatim().await.map_err(unreadable)?);
    // A chain of which nothing is left is known by its anchors alone.
    for name in ashore.keys() {
        if chains.iter().all(|chain| chain.environment != name.as_str()) {
            chains.push(Audited::empty(name.as_str()));
        }
    }
    if let Some(only) = only {
        if chains.iter().all(|chain| chain.environment != only) {
            if files.project.environment(only).is_none() {
                let known: Vec<_> = chains.iter().map(|chain| format!("`{}`", chain.environment)).collect();
                return Err(Failure::usage(format!("there is no environment `{only}`")).with_why(format!(
                    "the store has {}, and the project file has no such one",
                    known.join(", ")
                )));
            }
            chains.push(Audited::empty(only));
        }
        chains.retain(|chain| chain.environment == only);
    }
    let believed = signing::believed(&files, key.as_deref(), allowed_signers(&files.root)?)?;
    let chains = chains.into_iter().map(|chain| against(chain, &ashore, &store, &believed)).collect();
    Ok(Audit { store, chains })
}

/// What is kept of each environment's chain, newest first.
type Ashore = BTreeMap<EnvironmentName, Vec<(u64, String)>>;

/// The anchors of every environment that has one; of others than `only` no more than that.
async fn ashore(anchors: &dyn Anchors, store: &StoreId, only: Option<&str>) -> Result<Ashore, PortError> {
    let mut found = BTreeMap::new();
    for environment in anchors.environments(store).await? {
        let mut texts = Vec::new();
        if only.is_none_or(|only| environment.as_str() == only) {
            for seq in anchors.list(store, &environment).await?.into_iter().rev().take(ANCHORS_MAX) {
                texts.push((seq, anchors.get(store, &environment, seq).await?.unwrap_or_default()));
            }
        }
        found.insert(environment, texts);
    }
    Ok(found)
}

fn against(mut audited: Audited, ashore: &Ashore, store: &StoreId, believed: &AllowedSigners) -> Checked {
    let (mut newest, mut notes) = (None, Vec::new());
    // The chain is what stands at an anchor that is believed, and so is everything before it.
    let mut covered_to = None;
    let kept = ashore.iter().find(|(environment, _)| environment.as_str() == audited.environment);
    for (environment, (seq, text)) in kept.iter().flat_map(|(name, all)| all.iter().map(move |it| (name, it)))
    {
        match read(text, believed, (store, environment, *seq)) {
            Ok((point, by)) => {
                // What is cut off the newest one says whole.
                if newest.is_none() || seq.cast_signed() <= audited.last() {
                    audited.compare(&point);
                }
                if audited.hash_at(*seq) == Some(&point.hash) {
                    covered_to = covered_to.or(Some(*seq));
                }
                newest = newest.or(Some((point, by)));
            }
            Err(why) => match covered_to {
                Some(later) => notes.push(format!(
                    "{environment}: the anchor of record {seq} does not count, and that of record {later} makes up for it: \
                     {why}"
                )),
                None => {
                    let expected = "an anchor, signed by one of the allowed signers";
                    let finding =
                        Finding::new(environment.as_str(), seq.cast_signed(), Fault::Anchor, expected, why);
                    audited.findings.push(finding);
                }
            },
        }
    }
    Checked { audited, anchor: newest, notes }
}

/// What an anchor says, and who signed it.
fn read(
    text: &str,
    believed: &AllowedSigners,
    place: (&StoreId, &EnvironmentName, u64),
) -> Result<(AnchorPoint, Person), String> {
    let envelope = Envelope::read(text)?;
    let by =
        ssh::open_envelope(believed, ssh::ATTESTATION_NAMESPACE, &envelope).map_err(|error| error.message)?;
    let point = AnchorPoint::of(&envelope)?;
    if (&point.store, &point.environment, point.seq) == place {
        Ok((point, by))
    } else {
        Err(format!("it is of record {} of {} in store {}", point.seq, point.environment, point.store))
    }
}
