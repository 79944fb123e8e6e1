//! The real machine: every state that `promotion::machine::step` comes to by the events of the model, each once.

use std::collections::BTreeMap;

use promotion::machine::{EffectName, Event, Failure, Phase, Stamped, State, Work, step};
use promotion::model::{
    Approval, At, Claim, Decision, Kind, Millis, Plan, PromotionId, Request, RollbackVerdict, Snapshot,
    Target,
};
use promotion::testing::{Manners, World};

/// An event of the model, without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Sign {
    PlanMade,
    Gates,
    Approve,
    Reject,
    Cancel,
    LockTaken,
    Leased,
    Rechecked,
    Differs,
    Copied,
    Snapshot,
    Deployed,
    Failed,
    Verified,
    Soaked,
    Restored,
}

impl Sign {
    const ALL: [Self; 16] = [
        Self::PlanMade,
        Self::Gates,
        Self::Approve,
        Self::Reject,
        Self::Cancel,
        Self::LockTaken,
        Self::Leased,
        Self::Rechecked,
        Self::Differs,
        Self::Copied,
        Self::Snapshot,
        Self::Deployed,
        Self::Failed,
        Self::Verified,
        Self::Soaked,
        Self::Restored,
    ];
}

/// Time is not in the model: everything happens at this instant.
const NOW: At = At(1_800_000_000_000);

/// What follows from an event: the state, and the effects as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Follows {
    pub(crate) at: u8,
    pub(crate) effects: u8,
}

/// One state and what follows from it.
#[derive(Debug, Clone)]
struct Row {
    phase: Phase,
    /// `State::check` finds nothing.
    is_whole: bool,
    follows: [Option<Follows>; Sign::ALL.len()],
}

/// All states that the machine comes to; 0 is the request.
#[derive(Debug, Clone)]
pub(crate) struct Phases {
    rows: Vec<Row>,
}

impl Phases {
    /// Asks the machine for everything that follows from a request. Where nobody is asked no approval is needed.
    pub(crate) fn met(asks_people: bool) -> Self {
        let mut states = vec![State::new(request(asks_people))];
        let mut rows = Vec::new();
        while let Some(state) = states.get(rows.len()).cloned() {
            let mut follows = [None; Sign::ALL.len()];
            for sign in Sign::ALL {
                let stamped = Stamped { at: NOW, event: event(sign, &state) };
                let Ok(next) = step(&state, &stamped) else { continue };
                let known = states.iter().position(|known| *known == next.next);
                let at = known.unwrap_or_else(|| {
                    states.push(next.next);
                    states.len() - 1
                });
                let at = u8::try_from(at).expect("the machine comes to less than 256 states by these events");
                let effects = next.effects.iter().map(|effect| bit(*effect)).sum();
                follows[sign as usize] = Some(Follows { at, effects });
            }
            rows.push(Row { phase: state.phase, is_whole: state.check().is_ok(), follows });
        }
        Self { rows }
    }

    /// What follows from `sign` at `at`; none where the machine rejects it.
    pub(crate) fn follows(&self, at: u8, sign: Sign) -> Option<Follows> {
        self.rows[usize::from(at)].follows[sign as usize]
    }

    /// Where the promotion stands at `at`.
    pub(crate) fn phase(&self, at: u8) -> Phase {
        self.rows[usize::from(at)].phase
    }

    /// Whether what must always hold of a state holds at `at`.
    pub(crate) fn is_whole(&self, at: u8) -> bool {
        self.rows[usize::from(at)].is_whole
    }
}

/// An effect as a bit.
pub(crate) const fn bit(effect: EffectName) -> u8 {
    1 << effect as u8
}

fn request(asks_people: bool) -> Request {
    let world = World::new(1, Manners::default());
    let release = World::release("1.0.0", 1, 11);
    let mut ask = world.ask("production", Kind::Promote, &release);
    ask.policy.soak = Millis(1);
    if !asks_people {
        ask.policy.approvals = None;
    }
    Request {
        id: PromotionId::new("p-1").expect("it is a name"),
        environment: ask.environment,
        class: ask.class,
        kind: ask.kind,
        release: ask.release,
        components: ask.components,
        policy: ask.policy,
        requested_by: ask.requested_by,
        signed: ask.signed,
        reason: None,
        base_data: ask.base_data,
        break_glass: None,
        at: NOW,
    }
}

fn plan(request: &Request, secrets: u8) -> Plan {
    let target = Target {
        base_data: BTreeMap::new(),
        environment: request.environment.clone(),
        class: request.class,
        kind: request.kind.clone(),
        release: World::release("1.0.0", secrets, 11),
        components: request.components.clone(),
        baseline: BTreeMap::new(),
        policy: request.policy.clone(),
        policy_change: None,
        rollback: RollbackVerdict::Allowed,
    };
    Plan::new(target, Vec::new(), Vec::new())
}

/// A person's word over the plan that there is.
fn word(state: &State, decision: Decision) -> Box<Approval> {
    let request = &state.facts.request;
    let hash = state.facts.plan.as_ref().map_or_else(|| plan(request, 1).hash, |plan| plan.hash.clone());
    let claim = Claim { promotion: request.id.clone(), plan: hash, decision, proof: String::new() };
    Box::new(Approval { claim, by: World::lead(), at: NOW })
}

fn event(sign: Sign, state: &State) -> Event {
    let why = "because".to_owned();
    let request = &state.facts.request;
    match sign {
        Sign::PlanMade => Event::PlanMade { plan: Box::new(plan(request, 1)) },
        Sign::Gates => Event::Done(Work::Gates { passed: Vec::new() }),
        Sign::Approve => Event::Approve(word(state, Decision::Approve)),
        Sign::Reject => Event::Reject(word(state, Decision::Reject)),
        Sign::Cancel => Event::Cancel { by: World::lead(), reason: why, signed: None },
        Sign::LockTaken => Event::LockTaken { holder: "a runner".to_owned() },
        Sign::Leased => Event::Done(Work::Leased),
        Sign::Rechecked => Event::Done(Work::Rechecked),
        Sign::Differs => Event::Differs { plan: Box::new(plan(request, 2)), why },
        Sign::Copied => Event::Done(Work::Copied { images: BTreeMap::new() }),
        Sign::Snapshot => Event::Done(Work::Snapshot { snapshot: Box::new(Snapshot::default()) }),
        Sign::Deployed => Event::Done(Work::Deployed),
        Sign::Failed => Event::Failed(Failure { component: None, suite: None, why }),
        Sign::Verified => Event::Done(Work::Verified {
            attestations: Vec::new(),
            running: std::collections::BTreeMap::new(),
        }),
        Sign::Soaked => Event::Done(Work::Soaked),
        Sign::Restored => Event::Done(Work::Restored),
    }
}
