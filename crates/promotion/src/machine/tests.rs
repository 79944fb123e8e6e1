use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Event, Failure, Guard, Phase, Rule, Signal, Stamped, State, TABLE, Work, render, step};
use crate::model::{
    Approval, At, CheckOff, Claim, Decision, ItemName, Kind, Millis, Plan, PromotionId, Request,
    RollbackVerdict, Snapshot, Target, canonical,
};
use crate::testing::{Manners, World};

const NOW: At = At(1_800_000_000_000);

fn rows(phase: Phase, signal: Signal) -> Vec<&'static super::Row> {
    TABLE.iter().filter(|row| row.from == phase && row.on == signal).collect()
}

/// The build checks the same and cannot say which pair it is.
#[test]
fn every_live_pair_of_phase_and_signal_is_answered_once() {
    let mut wrong = Vec::new();
    for phase in Phase::ALL {
        for signal in Signal::ALL {
            let rows = rows(*phase, *signal);
            let is_right = match rows.as_slice() {
                [] => phase.is_final(),
                [one] => !phase.is_final() && one.when == Guard::Always,
                [one, two] => one.when != Guard::Always && one.when.opposite() == two.when,
                _ => false,
            };
            if !is_right {
                wrong.push(format!("{phase} on {signal}: {} rows", rows.len()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn guards_come_in_pairs() {
    for guard in Guard::ALL {
        assert_eq!(guard.opposite().opposite(), *guard);
        assert_eq!(guard.opposite() == *guard, *guard == Guard::Always);
    }
}

/// What every promotion may count on, read off the table.
#[test]
fn the_table_keeps_its_promises() {
    for row in TABLE {
        let Rule::Go(to, effects) = row.rule else { continue };
        let line = format!("{} on {} to {to}", row.from, row.on);
        let names: Vec<&str> = effects.iter().map(|effect| effect.name()).collect();
        if row.from.is_active() && !to.is_active() {
            assert!(names.contains(&"release locks"), "{line}: what was locked is released");
        }
        if to.is_final() {
            assert!(names.contains(&"tell"), "{line}: an end is told");
        }
        assert_eq!(to == Phase::RollbackFailed, names.contains(&"escalate"), "{line}: who is woken when");
        let has_changed = matches!(row.from, Phase::Deploying | Phase::Verifying | Phase::Soaking);
        if has_changed && to.is_final() && row.when != Guard::IsRollback {
            assert_eq!(to, Phase::Succeeded, "{line}: what has changed something is put back first");
        }
        if row.from == Phase::RollingBack {
            assert!(
                matches!(to, Phase::RollingBack | Phase::RolledBack | Phase::RollbackFailed),
                "{line}: a way back has no other end"
            );
        }
    }
}

#[test]
fn every_phase_can_be_reached_and_left() {
    let mut reached = vec![Phase::Requested];
    while let Some(next) = TABLE.iter().find_map(|row| match row.rule {
        Rule::Go(to, _) if reached.contains(&row.from) && !reached.contains(&to) => Some(to),
        _ => None,
    }) {
        reached.push(next);
    }
    let unreached: Vec<_> = Phase::ALL.iter().filter(|phase| !reached.contains(phase)).collect();
    assert!(unreached.is_empty(), "{unreached:?}");
    for phase in Phase::ALL.iter().filter(|phase| !phase.is_final()) {
        let leaves =
            |row: &super::Row| row.from == *phase && matches!(row.rule, Rule::Go(to, _) if to != *phase);
        assert!(TABLE.iter().any(leaves), "{phase} has no way out");
    }
}

#[test]
fn the_page_is_what_the_table_says() {
    let page = include_str!("../../../../docs/promotion-states.md");
    assert!(page == render(), "docs/promotion-states.md is out of date: run `cargo xtask gen`");
}

fn request(kind: Kind, soak: u64) -> Request {
    let world = World::new(1, Manners::default());
    let release = World::release("1.0.0", 1, 11);
    let mut ask = world.ask("production", kind, &release);
    ask.policy.soak = Millis(soak);
    Request {
        id: PromotionId::new("p-1").unwrap(),
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

fn plan(request: &Request, mark: u8) -> Plan {
    let target = Target {
        base_data: BTreeMap::new(),
        environment: request.environment.clone(),
        class: request.class,
        kind: request.kind.clone(),
        release: World::release("1.0.0", mark, 11),
        components: request.components.clone(),
        baseline: BTreeMap::new(),
        policy: request.policy.clone(),
        policy_change: None,
        rollback: RollbackVerdict::Allowed,
    };
    Plan::new(target, Vec::new(), Vec::new())
}

/// Any event there is; words are for either plan and by anybody.
fn event(request: &Request, n: u8, mark: u8) -> Event {
    let plan = plan(request, mark % 2);
    let why = "because".to_owned();
    let approval = || {
        let who = [World::lead(), World::developer(), crate::model::Person::new("ssh:SHA256:x").unwrap()];
        let decision = if mark.is_multiple_of(5) { Decision::Reject } else { Decision::Approve };
        let claim =
            Claim { promotion: request.id.clone(), plan: plan.hash.clone(), decision, proof: String::new() };
        Box::new(Approval { claim, by: who[usize::from(mark % 3)].clone(), at: NOW })
    };
    match n % 20 {
        0 => Event::Done(Work::Gates { passed: Vec::new() }),
        1 => Event::Done(Work::Leased),
        2 => Event::Done(Work::Rechecked),
        3 => Event::Done(Work::Copied { images: BTreeMap::new() }),
        4 => Event::Done(Work::Snapshot { snapshot: Box::new(Snapshot::default()) }),
        5 => Event::Done(Work::Deployed),
        6 => Event::Done(Work::Verified { attestations: Vec::new(), running: BTreeMap::new() }),
        7 => Event::Done(Work::Soaked),
        8 => Event::Done(Work::Restored),
        9 => Event::PlanMade { plan: Box::new(plan) },
        10 => Event::GateClosed { gate: "a gate".to_owned(), why },
        11 | 12 => Event::Approve(approval()),
        13 => Event::Reject(approval()),
        14 => Event::LockTaken { holder: "runner".to_owned() },
        15 => Event::Differs { plan: Box::new(plan), why },
        16 => Event::Failed(Failure { component: None, suite: None, why }),
        17 => Event::Errored { why },
        18 => Event::Deadline,
        _ if mark.is_multiple_of(2) => Event::Cancel { by: World::lead(), reason: why, signed: None },
        _ => Event::Supersede { by: PromotionId::new("p-2").unwrap() },
    }
}

/// The event that leads on from `phase`.
fn onward(phase: Phase) -> Option<u8> {
    Some(match phase {
        Phase::Requested => 9,
        Phase::Planned => 0,
        Phase::AwaitingApproval => 11,
        Phase::Queued => 14,
        Phase::Locked => 1,
        Phase::Rechecking => 2,
        Phase::Copying => 3,
        Phase::Snapshotting => 4,
        Phase::Deploying => 5,
        Phase::Verifying => 6,
        Phase::Soaking => 7,
        Phase::RollingBack => 8,
        _ => return None,
    })
}

proptest! {
    /// Whatever comes, in whatever order and at whatever time: an answer, the same one each time, and a state that
    /// holds together. Most events lead on, so that deep phases are met.
    #[test]
    fn a_step_answers_everything_and_keeps_the_state_together(
        kind in 0_u8..3,
        soak in 0_u64..2,
        events in prop::collection::vec((any::<u8>(), any::<u8>(), 0_u64..400_000, 0_u8..4), 1..40),
    ) {
        let kind = [Kind::Promote, Kind::Bootstrap, Kind::Adopt][usize::from(kind)].clone();
        let request = request(kind, soak);
        let mut state = State::new(request.clone());
        let mut at = NOW;
        for (n, mark, wait, astray) in events {
            at = at.plus(Millis(wait));
            let n = if astray == 0 { n } else { onward(state.phase).unwrap_or(n) };
            let mark = if astray == 0 { mark } else { 6 };
            let stamped = Stamped { at, event: event(&request, n, mark) };
            let first = step(&state, &stamped);
            prop_assert_eq!(&first, &step(&state, &stamped));
            match first {
                Ok(step) => {
                    prop_assert!(!state.phase.is_final());
                    prop_assert_eq!(step.next.check(), Ok(()), "after {:?}", stamped.event.signal());
                    state = step.next;
                }
                Err(rejected) => prop_assert!(!rejected.why.is_empty() && rejected.why != "no rule"),
            }
        }
    }
}

/// A state in `phase`, reached by the events that lead on.
fn reached(request: &Request, phase: Phase) -> State {
    let mut state = State::new(request.clone());
    while state.phase != phase {
        let n = onward(state.phase).expect("the phase lies on the way");
        state = step(&state, &Stamped { at: NOW, event: event(request, n, 6) }).unwrap().next;
    }
    state
}

/// Nobody is sent forward again into a release that a person ran away from, once the earlier one is back; a running
/// bad release is better than none, so before that it is.
#[test]
fn a_persons_rollback_goes_forward_again_only_from_deploying_or_by_a_persons_word() {
    let back = Kind::Rollback { of: PromotionId::new("p-0").unwrap() };
    let (failed, deadline, cancel) = (16, 18, 19);
    for (phase, n, phase_after_a_rollback) in [
        (Phase::Deploying, failed, Phase::RollingBack),
        (Phase::Deploying, deadline, Phase::RollingBack),
        (Phase::Verifying, failed, Phase::RollbackFailed),
        (Phase::Verifying, deadline, Phase::RollbackFailed),
        (Phase::Verifying, cancel, Phase::RollingBack),
        (Phase::Soaking, failed, Phase::RollbackFailed),
        (Phase::Soaking, deadline, Phase::RollbackFailed),
        (Phase::Soaking, cancel, Phase::RollingBack),
    ] {
        for (kind, wanted) in [(Kind::Promote, Phase::RollingBack), (back.clone(), phase_after_a_rollback)] {
            let request = request(kind, 1);
            let state = reached(&request, phase);
            let step = step(&state, &Stamped { at: NOW, event: event(&request, n, 6) }).unwrap();
            assert_eq!(step.next.phase, wanted, "{phase} of a {} on event {n}", request.kind.verb());
            let names: Vec<&str> = step.effects.iter().map(|effect| effect.name()).collect();
            assert_eq!(wanted == Phase::RollbackFailed, names.contains(&"escalate"));
        }
    }
}

#[test]
fn a_word_for_another_plan_does_not_count() {
    let request = request(Kind::Promote, 0);
    let mut state = State::new(request.clone());
    for n in [9, 0] {
        state = step(&state, &Stamped { at: NOW, event: event(&request, n, 6) }).unwrap().next;
    }
    assert_eq!(state.phase, Phase::AwaitingApproval);
    let other = canonical::hash("another", "");
    let Event::Approve(mut word) = event(&request, 11, 6) else { panic!() };
    word.claim.plan = other;
    let refused = step(&state, &Stamped { at: NOW, event: Event::Approve(word) }).unwrap_err();
    assert!(refused.why.contains("it is for plan"), "{refused}");
}

/// P1: approvals alone are not enough where something is on the checklist, and the checklist is not without approvals.
#[test]
fn p1_a_promotion_is_queued_with_the_last_of_approvals_and_checks() {
    let mut request = request(Kind::Promote, 0);
    request.policy.checklist.push(World::item("looked"));
    let approve = event(&request, 11, 6);
    let check = |is_done| {
        let word = Box::new(CheckOff {
            promotion: request.id.clone(),
            plan: plan(&request, 0).hash,
            item: ItemName::new("looked").unwrap(),
            is_done,
            comment: None,
            by: World::lead(),
            at: NOW,
            signed: None,
        });
        if is_done { Event::CheckOff(word) } else { Event::TakeBack(word) }
    };
    let (waits, queued) = (Phase::AwaitingApproval, Phase::Queued);
    for words in [
        vec![(approve.clone(), waits), (check(true), queued)],
        vec![(check(true), waits), (approve.clone(), queued)],
        vec![(check(true), waits), (check(false), waits), (approve, waits), (check(true), queued)],
    ] {
        let mut state = reached(&request, waits);
        for (word, phase) in words {
            state = step(&state, &Stamped { at: NOW, event: word.clone() }).unwrap().next;
            assert_eq!(state.phase, phase, "after {word:?}");
        }
    }
}

/// Nobody waits where nothing is to be waited for.
#[test]
fn a_promotion_soaks_only_where_it_is_asked_to() {
    for (soak, wanted) in [(0, Phase::Succeeded), (1, Phase::Soaking)] {
        let request = request(Kind::Promote, soak);
        let state = reached(&request, Phase::Verifying);
        let verified = event(&request, onward(Phase::Verifying).unwrap(), 6);
        assert_eq!(step(&state, &Stamped { at: NOW, event: verified }).unwrap().next.phase, wanted);
    }
}

/// P6: a way back is given up when the whole time of a promotion has passed since it began, and not a moment before.
#[test]
fn p6_a_way_back_has_all_of_its_time() {
    let request = request(Kind::Promote, 0);
    let state = reached(&request, Phase::Deploying);
    let state = step(&state, &Stamped { at: NOW, event: event(&request, 16, 6) }).unwrap().next;
    assert_eq!(state.phase, Phase::RollingBack);
    let limit = state.whole_time();
    for (since, wanted) in [(Millis(limit.0 - 1), Phase::RollingBack), (limit, Phase::RollbackFailed)] {
        let late = Stamped { at: NOW.plus(since), event: Event::Deadline };
        assert_eq!(step(&state, &late).unwrap().next.phase, wanted, "after {since:?}");
    }
}
