//! What faults make of a call: before its handler, instead of it, later, and of its answer.

use std::{sync::Arc, time::Duration};

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Call, Content, Reply, Verdict, route::Action};
use crate::{
    cloud::Cloud,
    error::ApiError,
    faults::{Chance, Fault, FaultName},
    machine::model::Machine,
};

/// Waits, where the call is delayed.
pub(super) async fn delayed(cloud: &Cloud, call: &Call) -> Option<FaultName> {
    let fault = cloud.faults.strike(FaultName::Latency, call.chance())?;
    tokio::time::sleep(Duration::from_millis(fault.ms.unwrap_or_default())).await;
    Some(fault.name)
}

/// After how long the call is taken up, when its connection is cut and it is still under way.
pub(super) fn later(cloud: &Cloud, call: &Call) -> Option<Duration> {
    if call.action.is_control() {
        return None;
    }
    let fault = cloud.faults.strike_if(FaultName::LateLanding, call.chance(), |f| is_meant(f, call))?;
    Some(Duration::from_millis(fault.ms.unwrap_or_default()))
}

/// A call whose answer is lost is meant where something changes, or where it is named.
fn is_meant(fault: &Fault, call: &Call) -> bool {
    fault.action.is_some() || call.action.mutates()
}

/// Answers before anything happens.
pub(super) fn before(cloud: &Cloud, call: &Call) -> Option<Verdict> {
    let faults = &cloud.faults;
    let name = FaultName::RateLimitBurst;
    if faults.strike(name, call.chance()).is_some() {
        return Some(Verdict { fault: Some(name), ..Verdict::limited(cloud) });
    }
    let is_before = |f: &Fault| !f.applied.unwrap_or(false);
    let name = FaultName::ProxyError;
    if let Some(fault) = faults.strike_if(name, call.chance(), is_before) {
        return Some(Verdict { fault: Some(name), ..Verdict::of(proxy_error(&fault)) });
    }
    let name = FaultName::CutConnection;
    faults.strike_if(name, call.chance(), |f| is_before(f) && is_meant(f, call))?;
    let error = ApiError::new(StatusCode::BAD_GATEWAY, "cut before anything happened");
    Some(Verdict { fault: Some(name), cut: true, ..Verdict::of(Reply::refusal(&error)) })
}

/// Answers that a machine's host or the state it is said to be in gives instead of the handler.
pub(super) fn instead(cloud: &Cloud, call: &Call) -> Option<Verdict> {
    let struck = |name: FaultName, is_it: bool| {
        cloud.faults.strike_if(name, call.chance(), |f| is_it || f.action.is_some())
    };
    let of = |name: FaultName, reply: Reply| Some(Verdict { fault: Some(name), ..Verdict::of(reply) });
    let is_on_host =
        !call.machine.is_empty() && !matches!(call.action, Action::MachineGet | Action::MachineLog);
    let name = FaultName::HostUnreachable;
    if is_on_host && struck(name, true).is_some() {
        return of(name, text(StatusCode::GATEWAY_TIMEOUT, "the host of the machine does not answer"));
    }
    let is_start = call.action == Action::MachineStart;
    let name = FaultName::StartPrecondition;
    if is_start && struck(name, true).is_some() {
        let error = ApiError::failed_precondition("machine getting replaced, refusing to start");
        return of(name, Reply::refusal(&error));
    }
    let name = FaultName::InsufficientCapacity;
    if struck(name, is_start || call.action == Action::MachineCreate).is_some() {
        let error = ApiError::unprocessable(
            "insufficient resources available to fulfill request: could not reserve resource for machine",
        );
        return of(name, Reply::refusal(&error.named("insufficient_capacity")));
    }
    None
}

/// What becomes of an answer on its way.
pub(super) fn after(cloud: &Cloud, call: &Call, reply: Reply, slow: Option<FaultName>) -> Verdict {
    let faults = &cloud.faults;
    let applied = call.action.mutates() && reply.status.is_success();
    let mut verdict = Verdict { applied, fault: slow, ..Verdict::of(reply) };
    let is_after = |f: &Fault| f.applied.unwrap_or(false);
    let name = FaultName::Answer408AfterSuccess;
    if applied && faults.strike(name, call.chance()).is_some() {
        let why = "request timed out (fault answer-408-after-success)";
        let lost = Reply::refusal(&ApiError::new(StatusCode::REQUEST_TIMEOUT, why));
        (verdict.fault, verdict.sent) = (Some(name), Some(lost));
        return verdict;
    }
    let name = FaultName::ProxyError;
    if let Some(fault) = faults.strike_if(name, call.chance(), is_after) {
        (verdict.fault, verdict.sent) = (Some(name), Some(proxy_error(&fault)));
        return verdict;
    }
    let name = FaultName::CutConnection;
    if faults.strike_if(name, call.chance(), |f| is_after(f) && is_meant(f, call)).is_some() {
        (verdict.fault, verdict.cut) = (Some(name), true);
    }
    verdict
}

fn text(status: StatusCode, text: &str) -> Reply {
    Reply { status, body: Content::Text(text.as_bytes().to_vec()), header: None }
}

fn proxy_error(fault: &Fault) -> Reply {
    let status = fault.status.and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.unwrap_or(StatusCode::BAD_GATEWAY);
    let title = status.canonical_reason().unwrap_or_default();
    text(status, &format!("<html><body><h1>{} {title}</h1></body></html>\n", status.as_u16()))
}

/// Hides what nobody knows of a machine whose host does not answer (fly.md 1.5).
pub(super) fn seen(cloud: &Cloud, call: &Call, m: &Machine, shown: &mut Value) {
    let chance = Chance { machine: Some(&m.id), ..call.chance() };
    if cloud.faults.strike(FaultName::HostUnreachable, chance).is_none() {
        return;
    }
    shown["host_status"] = Value::from("unreachable");
    shown["incomplete_config"] = json!({"image": m.config["image"], "metadata": m.config["metadata"]});
    (shown["config"], shown["checks"], shown["events"]) = (Value::Null, json!([]), json!([]));
}

/// How old a list is.
pub(super) fn stale(cloud: &Cloud, call: &Call) -> Option<Duration> {
    let fault = cloud.faults.strike(FaultName::StaleList, call.chance())?;
    Some(Duration::from_millis(fault.ms?))
}

/// Runs `land` once the time has come, whether or not anybody still listens.
pub(super) fn land_later(
    cloud: &Arc<Cloud>,
    after: Duration,
    land: impl Future<Output = ()> + Send + 'static,
) {
    cloud.crew.spawn(async move {
        tokio::time::sleep(after).await;
        land.await;
    });
}
