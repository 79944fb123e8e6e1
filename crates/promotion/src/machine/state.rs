//! A promotion's state: the phase and the facts that were gathered.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::event::{Event, Failure, Work};
use super::phase::Phase;
use crate::model::{
    Approval, At, Attestation, CheckOff, ChecklistItem, ComponentName, Decision, ImageRecord, ItemName, Kind,
    Millis, Person, Plan, Policy, PromotionId, Request, Running, Snapshot,
};

/// What was gathered on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What was asked.
    pub request: Request,
    /// What will be true afterwards.
    pub plan: Option<Plan>,
    /// Who agreed to this plan; emptied when the plan changes.
    pub approvals: Vec<Approval>,
    /// What people said of the checklist of this plan, in order: of each item the last word counts. Emptied when the plan
    /// changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckOff>,
    /// When the lock was taken.
    pub locked_at: Option<At>,
    /// When this phase was entered.
    pub phase_since: At,
    /// When this phase's time is over.
    pub deadline: At,
    /// The images as they were read back where they are run from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<ComponentName, ImageRecord>,
    /// How it was.
    pub snapshot: Option<Snapshot>,
    /// Evidence made by this promotion.
    pub attestations: Vec<Attestation>,
    /// Every machine as it was last read back before it counted; journals of earlier versions have none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub running: BTreeMap<ComponentName, Vec<Running>>,
    /// The first failure, gate or refusal: the cause of how it ended.
    pub failure: Option<Failure>,
    /// Who ended it before it was done. Aborted is not failed: it says nothing about the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aborted_by: Option<Person>,
    /// A person's rollback that put everything back, and then failed its verification: it stays where it went.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stays: bool,
    /// Why the last try could not be judged; emptied when one could.
    pub stalled: Option<String>,
    /// The promotion that replaced this one.
    pub superseded_by: Option<PromotionId>,
}

/// A promotion at one point of its journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Where it stands.
    pub phase: Phase,
    /// What is known.
    pub facts: Facts,
}

/// A request nobody planned within this time is over: planning takes seconds, so this only ends what nobody runs.
const PLANNING: Millis = Millis::secs(24 * 3600);

impl State {
    /// The state after the first record.
    pub fn new(request: Request) -> Self {
        let at = request.at;
        Self {
            phase: Phase::Requested,
            facts: Facts {
                request,
                plan: None,
                approvals: Vec::new(),
                checks: Vec::new(),
                locked_at: None,
                phase_since: at,
                deadline: at.plus(PLANNING),
                images: BTreeMap::new(),
                snapshot: None,
                attestations: Vec::new(),
                running: BTreeMap::new(),
                failure: None,
                aborted_by: None,
                stays: false,
                stalled: None,
                superseded_by: None,
            },
        }
    }

    /// The rules in force: the plan's once there is one, else the request's own.
    pub fn policy(&self) -> &Policy {
        self.facts.plan.as_ref().map_or(&self.facts.request.policy, |plan| &plan.target.policy)
    }

    /// Whether people are asked. The verbs that P1 names as exceptions ask nobody.
    pub fn needs_approval(&self) -> bool {
        matches!(self.facts.request.kind, Kind::Promote | Kind::Repair)
            && self.facts.request.break_glass.is_none()
            && self.policy().approvals.as_ref().is_some_and(|rule| rule.count > 0)
    }

    /// Whether a checklist has to be done. What only goes back or takes over brings nothing to look at.
    pub fn needs_checklist(&self) -> bool {
        self.facts.request.kind == Kind::Promote
            && self.facts.request.break_glass.is_none()
            && !self.policy().checklist.is_empty()
    }

    /// Whether people have to say something before it goes on.
    pub fn asks_people(&self) -> bool {
        self.needs_approval() || self.needs_checklist()
    }

    /// The last word on an item of the checklist that it was done, where it was not taken back.
    pub fn checked(&self, item: &ItemName) -> Option<&CheckOff> {
        self.facts.checks.iter().rfind(|word| word.item == *item).filter(|word| word.is_done)
    }

    /// The items of the checklist that nobody has checked off, `more` included.
    pub fn unchecked(&self, more: Option<&CheckOff>) -> Vec<&ChecklistItem> {
        if !self.needs_checklist() || cfg!(feature = "sabotage-p1") {
            return Vec::new();
        }
        let is_open = |item: &&ChecklistItem| {
            self.checked(&item.id).is_none() && more.is_none_or(|word| word.item != item.id)
        };
        self.policy().checklist.iter().filter(is_open).collect()
    }

    /// Why `word`, which checks off or takes back, does not count; nothing when it does.
    pub fn objection_to_check(&self, word: &CheckOff, is_done: bool) -> Option<String> {
        if !self.needs_checklist() {
            return Some("nobody is asked for a checklist here".to_owned());
        }
        let facts = &self.facts;
        let Some(plan) = &facts.plan else { return Some("there is no plan yet".to_owned()) };
        if word.plan != plan.hash || word.promotion != facts.request.id || word.is_done != is_done {
            return Some(format!(
                "it is for plan {} of {}, and this is plan {} of {}",
                word.plan.short(),
                word.promotion,
                plan.hash.short(),
                facts.request.id
            ));
        }
        let list = &self.policy().checklist;
        let Some(item) = list.iter().find(|item| item.id == word.item) else {
            let known: Vec<String> = list.iter().map(|item| format!("`{}`", item.id)).collect();
            let known = if known.is_empty() { "no items".to_owned() } else { known.join(", ") };
            return Some(format!("`{}` is no item of its checklist, which has {known}", word.item));
        };
        if !item.by.contains(&word.by) {
            return Some(format!(
                "{} is not among those who may check off `{}`: {}",
                word.by,
                item.id,
                item.people()
            ));
        }
        match (self.checked(&item.id), is_done) {
            (Some(earlier), true) => Some(format!("`{}` is checked off already, by {}", item.id, earlier.by)),
            (None, false) => Some(format!("nobody has checked off `{}`", item.id)),
            (Some(_), false) | (None, true) => None,
        }
    }

    /// Whether what it put there stays: it succeeded, or is a person's rollback that came where it led.
    pub fn stands(&self) -> bool {
        self.facts.stays || self.phase == Phase::Succeeded
    }

    /// Whether a person asked to go back to an earlier release.
    pub const fn is_rollback(&self) -> bool {
        matches!(self.facts.request.kind, Kind::Rollback { .. })
    }

    /// Why `approval` does not count, or nothing when it does.
    pub fn objection(&self, approval: &Approval) -> Option<String> {
        let facts = &self.facts;
        let Some(plan) = &facts.plan else { return Some("there is no plan yet".to_owned()) };
        if approval.claim.plan != plan.hash || approval.claim.promotion != facts.request.id {
            return Some(format!(
                "it is for plan {} of {}, and this is plan {} of {}",
                approval.claim.plan.short(),
                approval.claim.promotion,
                plan.hash.short(),
                facts.request.id
            ));
        }
        // A no counts where nobody is asked for a yes, and journals have some.
        if approval.claim.decision == Decision::Approve && !self.needs_approval() {
            return Some("nobody is asked to approve this plan".to_owned());
        }
        let rule = self.policy().approvals.as_ref()?;
        if !rule.from.contains(&approval.by) {
            return Some(format!("{} is not among those who may approve here", approval.by));
        }
        if approval.by == facts.request.requested_by && !cfg!(feature = "sabotage-p1") {
            return Some(format!(
                "{} asked for this promotion, and a requester's own word does not count",
                approval.by
            ));
        }
        let again = facts.approvals.iter().any(|earlier| earlier.by == approval.by);
        if again && approval.claim.decision == Decision::Approve {
            return Some(format!("{} has approved this plan already", approval.by));
        }
        None
    }

    /// Whether enough people agreed, `more` included.
    pub fn quorum(&self, more: Option<&Approval>) -> bool {
        let Some(rule) = &self.policy().approvals else { return true };
        let people: BTreeSet<&Person> = self
            .facts
            .approvals
            .iter()
            .chain(more)
            .filter(|approval| approval.claim.decision == Decision::Approve)
            .map(|approval| &approval.by)
            .collect();
        people.len() as u64 >= u64::from(rule.count)
    }

    /// For how long a promotion may take from its lock on, and a way back from its beginning.
    pub fn whole_time(&self) -> Millis {
        let policy = self.policy();
        Millis(policy.deadline.0 + policy.soak.0)
    }

    /// When the promotion's own time, counted from its lock, is over.
    pub fn time_is_up(&self, at: At) -> bool {
        let limit = self.whole_time();
        match self.phase {
            Phase::RollingBack => at.since(self.facts.phase_since) >= limit,
            _ => self.facts.locked_at.is_some_and(|locked| at.since(locked) >= limit),
        }
    }

    /// Takes in what `event` says and enters `phase`.
    pub(super) fn enter(&mut self, phase: Phase, at: At, event: &Event) {
        let moved = phase != self.phase;
        self.learn(event, at);
        self.facts.stays = phase == Phase::RollbackFailed && self.phase != Phase::RollingBack;
        if self.facts.stays
            && let Some(failure) = &mut self.facts.failure
        {
            let request = &self.facts.request;
            let stays = format!("; `{}` stays on {}", request.environment, request.release.version);
            failure.why.push_str(&stays);
        }
        if phase == Phase::RollbackFailed
            && self.phase == Phase::RollingBack
            && let Some(failure) = &mut self.facts.failure
        {
            // The first cause says why it went back, and whoever is called needs to know why that failed.
            let why = match event {
                Event::Failed(failure) => failure.why.as_str(),
                _ => "it took too long",
            };
            failure.why.push_str("; the way back failed: ");
            failure.why.push_str(why);
        }
        self.phase = phase;
        if moved {
            self.facts.phase_since = at;
        }
        if moved || matches!(event, Event::Deadline) {
            self.facts.deadline = self.deadline_of(phase, at);
        }
    }

    fn learn(&mut self, event: &Event, at: At) {
        let facts = &mut self.facts;
        facts.stalled = None;
        match event {
            Event::PlanMade { plan } => facts.plan = Some((**plan).clone()),
            Event::Differs { plan, .. } => {
                facts.plan = Some((**plan).clone());
                facts.approvals.clear();
                facts.checks.clear();
                facts.locked_at = None;
            }
            Event::Approve(approval) => facts.approvals.push((**approval).clone()),
            Event::CheckOff(word) => facts.checks.push((**word).clone()),
            Event::TakeBack(word) => {
                facts.checks.push((**word).clone());
                // Before anybody was let go on it is only open again.
                if self.phase != Phase::AwaitingApproval {
                    let why = format!("{} took back the check-off of `{}`", word.by, word.item);
                    remember(&mut facts.failure, Failure { component: None, suite: None, why });
                }
            }
            Event::LockTaken { .. } => facts.locked_at = Some(at),
            Event::Done(Work::Snapshot { snapshot }) => facts.snapshot = Some((**snapshot).clone()),
            Event::Done(Work::Copied { images }) => facts.images.clone_from(images),
            Event::Done(Work::Verified { attestations, running }) => {
                facts.attestations.clone_from(attestations);
                facts.running.clone_from(running);
            }
            Event::Done(
                Work::Gates { .. }
                | Work::Leased
                | Work::Rechecked
                | Work::Deployed
                | Work::Soaked
                | Work::Restored,
            ) => {}
            Event::Failed(failure) => remember(&mut facts.failure, failure.clone()),
            Event::GateClosed { gate, why } => {
                remember(
                    &mut facts.failure,
                    Failure { component: None, suite: None, why: format!("gate {gate}: {why}") },
                );
            }
            Event::Reject(approval) => {
                remember(
                    &mut facts.failure,
                    Failure { component: None, suite: None, why: format!("rejected by {}", approval.by) },
                );
            }
            Event::Cancel { by, reason, .. } => {
                facts.aborted_by = Some(by.clone());
                remember(
                    &mut facts.failure,
                    Failure { component: None, suite: None, why: format!("aborted by {by}: {reason}") },
                );
            }
            Event::Deadline => {
                let why = format!("{} took too long", self.phase);
                remember(&mut facts.failure, Failure { component: None, suite: None, why });
            }
            Event::Errored { why } => facts.stalled = Some(why.clone()),
            Event::Supersede { by } => facts.superseded_by = Some(by.clone()),
        }
    }

    fn deadline_of(&self, phase: Phase, at: At) -> At {
        let policy = self.policy();
        let whole = self.whole_time();
        match phase {
            Phase::AwaitingApproval => {
                at.plus(policy.approvals.as_ref().map_or(PLANNING, |rule| rule.expires))
            }
            Phase::Requested | Phase::Planned | Phase::Queued => at.plus(PLANNING),
            Phase::RollingBack => at.plus(whole),
            _ => self.facts.locked_at.unwrap_or(at).plus(whole),
        }
    }

    /// What must always hold; a violation is a bug of ours, reported by replay.
    pub fn check(&self) -> Result<(), String> {
        let facts = &self.facts;
        let planned = !matches!(self.phase, Phase::Requested) && !self.phase.is_final();
        if planned && facts.plan.is_none() {
            return Err(format!("{} without a plan", self.phase));
        }
        if self.phase.is_active() && facts.locked_at.is_none() {
            return Err(format!("{} without the lock", self.phase));
        }
        if self.phase.is_active() && self.needs_approval() && !self.quorum(None) {
            return Err(format!("{} without the people the policy asks for", self.phase));
        }
        if self.phase.is_active()
            && let Some(item) = self.unchecked(None).first()
        {
            return Err(format!("{} without `{}` of its checklist", self.phase, item.id));
        }
        let restores =
            matches!(self.phase, Phase::Deploying | Phase::Verifying | Phase::Soaking | Phase::RollingBack);
        if restores && facts.snapshot.is_none() {
            return Err(format!("{} without a snapshot", self.phase));
        }
        Ok(())
    }
}

fn remember(slot: &mut Option<Failure>, failure: Failure) {
    if slot.is_none() {
        *slot = Some(failure);
    }
}
