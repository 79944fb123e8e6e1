//! What faults make of a call. The bucket stands for the app.

use std::time::Duration;

use hyper::{
    StatusCode,
    header::{IF_MATCH, IF_NONE_MATCH},
};

use super::{Action, Call, Refusal};
use crate::{
    cloud::Cloud,
    faults::{Chance, Fault, FaultName},
};

/// What happens to a call instead of being done.
#[derive(Debug)]
pub(super) struct Struck {
    pub(super) fault: FaultName,
    /// What was decided.
    pub(super) refusal: Refusal,
    /// It is not even answered.
    pub(super) cut: bool,
}

fn chance(call: &Call) -> Chance<'_> {
    Chance { app: Some(&call.bucket), action: Some(call.action.name()), ..Chance::default() }
}

/// A call whose answer is lost is meant where something changes, or where it is named.
fn is_meant(fault: &Fault, call: &Call) -> bool {
    fault.action.is_some() || call.action.mutates()
}

fn time(fault: &Fault) -> Duration {
    Duration::from_millis(fault.ms.unwrap_or_default())
}

/// After how long the call is taken up, when its connection is cut and it is still under way.
pub(super) fn later(cloud: &Cloud, call: &Call) -> Option<Duration> {
    let fault = cloud.faults.strike_if(FaultName::LateLanding, chance(call), |f| is_meant(f, call))?;
    Some(time(&fault))
}

/// Waits, where the call is delayed.
pub(super) async fn delayed(cloud: &Cloud, call: &Call) -> Option<FaultName> {
    let fault = cloud.faults.strike(FaultName::Latency, chance(call))?;
    tokio::time::sleep(time(&fault)).await;
    Some(fault.name)
}

/// Refusals before anything happens.
pub(super) fn before(cloud: &Cloud, call: &Call) -> Option<Struck> {
    let of = |fault, refusal| Some(Struck { fault, refusal, cut: false });
    let name = FaultName::SlowDown;
    if cloud.faults.strike(name, chance(call)).is_some() {
        let why = "please reduce your request rate (fault slow-down)";
        return of(name, Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", why));
    }
    let is_conditional = call.headers.contains_key(IF_MATCH) || call.headers.contains_key(IF_NONE_MATCH);
    let name = FaultName::ConditionalConflict;
    if call.action == Action::ObjectPut && is_conditional && cloud.faults.strike(name, chance(call)).is_some()
    {
        let why = "a conflicting operation came in between (fault conditional-conflict)";
        return of(name, Refusal::new(StatusCode::CONFLICT, "ConditionalRequestConflict", why));
    }
    let name = FaultName::CutConnection;
    let is_it = |f: &Fault| !f.applied.unwrap_or(false) && is_meant(f, call);
    cloud.faults.strike_if(name, chance(call), is_it)?;
    let refusal = Refusal::new(StatusCode::BAD_GATEWAY, "InternalError", "cut before anything happened");
    Some(Struck { fault: name, refusal, cut: true })
}

/// Whether the answer is lost on its way.
pub(super) fn is_lost(cloud: &Cloud, call: &Call) -> bool {
    let is_it = |f: &Fault| f.applied.unwrap_or(false) && is_meant(f, call);
    cloud.faults.strike_if(FaultName::CutConnection, chance(call), is_it).is_some()
}
