//! Why a promotion stands where it stands: what holds it, since when, and what opens that.

use super::checklist::open_items;
use super::drive::Came;
use super::session::Session;
use super::{Engine, EngineError};
use crate::journal::{EnvironmentView, PromotionView};
use crate::machine::{Event, Phase};
use crate::model::{At, Decision, EnvironmentName, Kind, Person, PromotionId};

/// What holds a promotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The gate or the wait, by its name.
    pub by: String,
    /// Why.
    pub why: String,
    /// Since when.
    pub since: At,
    /// When it is over by itself, where that is so.
    pub until: Option<At>,
    /// The command that opens it, where there is one.
    pub opens: Option<String>,
}

/// What holds a promotion now, and which gate would refuse it if it came there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// What holds it; nothing where it succeeded or is at work.
    pub hold: Option<Hold>,
    /// A gate that is closed at this moment to a promotion that has still to pass it, or that cannot be asked: its name,
    /// and why.
    pub ahead: Option<(String, String)>,
}

impl Engine {
    /// Why promotion `id` stands where it stands. Gates that it has still to pass are asked; nothing is written down, and
    /// nothing at the provider changes.
    pub async fn explain(
        &self,
        environment: &EnvironmentName,
        id: &PromotionId,
    ) -> Result<Explained, EngineError> {
        let mut session = Session::open(self, environment, id).await?;
        let hold = hold(&session.environment, session.view());
        let is_before_gates = !session.phase().is_final() && session.phase() <= Phase::Rechecking;
        let ahead = if is_before_gates && session.view().state.facts.plan.is_some() {
            match session.ask_gates().await? {
                Came::Event(Event::GateClosed { gate, why }) => Some((gate, why)),
                Came::Event(Event::Errored { why }) => {
                    let named = why.strip_prefix("gate ").and_then(|rest| rest.split_once(": "));
                    let (gate, why) = named.unwrap_or(("unknown", &why));
                    Some((gate.to_owned(), format!("it cannot be asked now, {why}")))
                }
                Came::Event(_) | Came::Yield => None,
            }
        } else {
            None
        };
        Ok(Explained { hold, ahead })
    }
}

/// What the journal says of it.
fn hold(environment: &EnvironmentView, view: &PromotionView) -> Option<Hold> {
    let facts = &view.state.facts;
    let id = view.id();
    let phase = view.state.phase;
    let resume = Some(format!("promote resume {id}"));
    let said = |by: &str, why: String, until: Option<At>, opens: Option<String>| {
        Some(Hold { by: by.to_owned(), why, since: facts.phase_since, until, opens })
    };
    if let Some(why) = &facts.stalled {
        // What nobody could judge is tried again by whoever comes by.
        let since = view.stalled_since.unwrap_or(facts.phase_since);
        let until = Some(facts.deadline);
        return Some(Hold { by: phase.to_string(), why: why.clone(), since, until, opens: resume });
    }
    let failure = facts.failure.as_ref().map(|failure| failure.why.clone());
    match phase {
        Phase::Succeeded => None,
        Phase::Blocked => {
            let why = failure.unwrap_or_default();
            let found = why.strip_prefix("gate ").and_then(|rest| rest.split_once(": "));
            match found {
                Some((gate, why)) => said(&format!("gate {gate}"), why.to_owned(), None, again(view)),
                None => said(phase.name(), why, None, again(view)),
            }
        }
        Phase::Superseded => {
            let by = facts.superseded_by.as_ref().map(|by| format!("{by} took its place"));
            said(phase.name(), by.unwrap_or_default(), None, None)
        }
        Phase::RollbackFailed => {
            let opens = format!("promote breaker reset --env {} --reason R", environment.name);
            said(phase.name(), failure.unwrap_or_default(), None, Some(opens))
        }
        Phase::Rejected | Phase::Expired | Phase::Aborted | Phase::RolledBack => {
            said(phase.name(), failure.unwrap_or_default(), None, again(view))
        }
        Phase::AwaitingApproval => {
            let plan = facts.plan.as_ref().map(|plan| plan.hash.to_string()).unwrap_or_default();
            let open = view.state.unchecked(None);
            let items = open_items(&view.state).map(|items| format!("open on its checklist: {items}"));
            let (by, why, opens) = match (view.state.needs_approval() && !view.state.quorum(None), items) {
                (false, Some(items)) => {
                    let item = open.first().map(|item| item.id.to_string()).unwrap_or_default();
                    ("checklist", items, format!("promote check-off {item} --id {id}"))
                }
                (_, items) => {
                    let items = items.map(|items| format!("; {items}")).unwrap_or_default();
                    let opens = format!("promote approve {id} --plan {plan}");
                    ("approval", format!("{}{items}", missing(view)), opens)
                }
            };
            said(by, why, Some(facts.deadline), Some(opens))
        }
        Phase::Queued => match environment.holder().filter(|other| other.id() != id) {
            Some(other) => {
                let (holder, at) = (other.id(), other.state.phase);
                let why = format!("{holder} holds `{}`: it is {at}", environment.name);
                said("queue", why, Some(facts.deadline), Some(format!("promote resume {holder}")))
            }
            None => said("queue", "it is its turn, and nobody drives it".to_owned(), None, resume),
        },
        Phase::Requested | Phase::Planned => {
            said(phase.name(), "nobody has driven it on yet".to_owned(), Some(facts.deadline), resume)
        }
        Phase::Soaking => {
            let until = facts.phase_since.plus(view.state.policy().soak);
            said("soak", "it serves for a while under watch".to_owned(), Some(until), None)
        }
        Phase::Locked
        | Phase::Rechecking
        | Phase::Copying
        | Phase::Snapshotting
        | Phase::Deploying
        | Phase::Verifying
        | Phase::RollingBack => {
            let why = "it is under way; where its runner died, whoever comes by goes on".to_owned();
            said(phase.name(), why, Some(facts.deadline), resume)
        }
    }
}

/// Who has agreed, and who else may.
fn missing(view: &PromotionView) -> String {
    let Some(rule) = &view.state.policy().approvals else { return String::new() };
    let facts = &view.state.facts;
    let yes = facts.approvals.iter().filter(|it| it.claim.decision == Decision::Approve);
    let yes: Vec<&Person> = yes.map(|it| &it.by).collect();
    let may = rule.from.iter().filter(|one| **one != facts.request.requested_by && !yes.contains(one));
    let may: Vec<&str> = may.map(Person::as_str).collect();
    let may = if may.is_empty() { "nobody is left who may".to_owned() } else { may.join(", ") };
    format!("{} of {} people have approved this plan; who may: {may}", yes.len(), rule.count)
}

/// The command that asks for the same again.
fn again(view: &PromotionView) -> Option<String> {
    let request = &view.state.facts.request;
    let name = &request.environment;
    Some(match &request.kind {
        Kind::Promote => format!("promote start --to {name}"),
        Kind::Repair => format!("promote start --to {name} --repair"),
        Kind::Bootstrap => format!("promote deploy --env {name} --release {} --bootstrap", request.id),
        Kind::Deploy => format!("promote deploy --env {name} --release {}", request.id),
        Kind::Rollback { .. } => format!("promote rollback --env {name}"),
        Kind::Adopt => format!("promote adopt --env {name}"),
    })
}
