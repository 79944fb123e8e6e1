//! All that a journal adds up to, as JSON: what a replay is compared by.

use promotion::journal::{ClosedBy, DriftEnd, DriftView, EnvironmentView, OutboxItem, PromotionView};
use promotion::model::{At, Hash, PromotionId};
use serde_json::{Map, Value, json};

/// A line for each environment, followed by one for each of its promotions.
pub(crate) fn told<'v>(views: impl IntoIterator<Item = &'v EnvironmentView>) -> Vec<Value> {
    let lines = |view: &'v EnvironmentView| {
        std::iter::once(environment(view)).chain(view.promotions.values().map(promotion))
    };
    views.into_iter().flat_map(lines).collect()
}

fn environment(view: &EnvironmentView) -> Value {
    // What stands there, and under which rules, at the instant of its last word and long after it.
    let now = view.promotions.values().map(|view| view.at).max().unwrap_or(At(0));
    let hash: &Hash = view.hash();
    let breaker = view.rules().map(|rules| view.breaker(&rules.breaker, now).name());
    kept(json!({
        "environment": view.name,
        "head": view.head,
        "hash": hash,
        "standing": view.standing().into_iter().map(PromotionView::id).collect::<Vec<_>>(),
        "current": view.current().map(PromotionView::id),
        "before": view.current().and_then(|current| view.before(current.id())).map(PromotionView::id),
        "rules": view.rules(),
        "class": view.class(),
        "breaker": breaker,
        "ejected": view.ejected(),
        "drift": view.drift().map(drift),
        "drifts_ended": view.drifts_ended().iter().map(drift_ended).collect::<Vec<_>>(),
        "lock": view.lock().map(closed_by),
        "freezes": view.freezes(now).map(closed_by).collect::<Vec<_>>(),
        "break_glass": view.break_glass(now),
        "attestations": view.attestations().count(),
        "deployments": view.deployments(),
    }))
}

fn promotion(view: &PromotionView) -> Value {
    let rollouts: Vec<_> =
        view.rollouts.iter().map(|((component, direction), it)| json!([component, direction, it])).collect();
    let one_off = |(component, it): (_, &promotion::journal::OneOffView)| {
        json!([component, it.meant_at, it.run, it.ended])
    };
    let recorded: Vec<_> = view.recorded().iter().map(|it| json!([it.target, spots(&it.cordoned)])).collect();
    kept(json!({
        "promotion": view.id(),
        "first": view.first,
        "at": view.at,
        "phase": view.state.phase,
        "facts": view.state.facts,
        "stands": view.state.stands(),
        "rollouts": rollouts,
        "open": view.open.iter().map(|(key, it)| json!([key, it.0, it.1, it.2])).collect::<Vec<_>>(),
        "nonces": view.nonces,
        "earlier": view.earlier,
        "one_offs": view.one_offs.iter().map(one_off).collect::<Vec<_>>(),
        "outbox": view.outbox.iter().map(item).collect::<Vec<_>>(),
        "told": view.told,
        "stalled_since": view.stalled_since,
        "asked": view.asked.as_ref().map(item),
        "recorded": recorded,
    }))
}

fn spots<K: serde::Serialize, N: serde::Serialize>(counts: &std::collections::BTreeMap<K, N>) -> Vec<Value> {
    counts.iter().map(|(spot, n)| json!([spot, n])).collect()
}

fn item(item: &OutboxItem) -> Value {
    json!([item.seq, item.n, item.effect])
}

fn drift(view: &DriftView) -> Value {
    json!({
        "seq": view.seq, "of": view.of, "opened": view.opened, "changed": view.changed,
        "differences": view.differences, "told": view.told,
    })
}

fn drift_ended((view, at, end): &(DriftView, At, DriftEnd)) -> Value {
    let none: Option<&PromotionId> = None;
    let (how, by, promotion) = match end {
        DriftEnd::Gone => ("gone", None, none),
        DriftEnd::Accepted { by, promotion } => ("accepted", Some(by), Some(promotion)),
        DriftEnd::Repaired { by, promotion } => ("repaired", Some(by), Some(promotion)),
        DriftEnd::Replaced { promotion } => ("replaced", None, Some(promotion)),
        DriftEnd::Ejected { by } => ("ejected", Some(by), none),
    };
    json!([drift(view), at, how, by, promotion])
}

fn closed_by(it: &ClosedBy) -> Value {
    json!([it.by, it.reason, it.since, it.until])
}

/// Without what is not there: a fact that a later version learns to tell says nothing of an old journal.
fn kept(value: Value) -> Value {
    let Value::Object(fields) = value else { return value };
    let is_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    Value::Object(fields.into_iter().filter(|(_, value)| !is_nothing(value)).collect::<Map<_, _>>())
}
