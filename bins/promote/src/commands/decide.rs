//! What people say to a promotion that is there: approve, reject, abort, resume; and to a breaker.

use clikit::{Exit, Failure};
use promotion::journal::BreakerState;
use promotion::model::{Decision, Wish};
use serde_json::json;
use wiring::Absent;

use super::Run;
use crate::args::{Abort, Breaker, Decide, One};
use crate::{find, keys};

pub(crate) async fn approve(run: &Run<'_>, args: Decide) -> Result<Exit, Failure> {
    decide(run, args, Decision::Approve).await
}

pub(crate) async fn reject(run: &Run<'_>, args: Decide) -> Result<Exit, Failure> {
    decide(run, args, Decision::Reject).await
}

async fn decide(run: &Run<'_>, args: Decide, decision: Decision) -> Result<Exit, Failure> {
    let wired = run.wire(Absent::Refuse).await?;
    let (view, id) = find::promotion(&wired.engine, wired.journal.as_ref(), &args.id).await?;
    let facts = &view.promotions[&id].state.facts;
    let plan = facts.plan.as_ref().ok_or_else(|| Failure::refused(format!("{id} has no plan yet")))?;
    if !plan.hash.answers_to(&args.plan) {
        return Err(Failure::refused(format!("the plan of {id} is {}", plan.hash))
            .with_why("an approval binds to the plan that was looked at")
            .with_hint(format!("promote show {id}")));
    }
    let claim =
        keys::claim(run.context, args.key.as_ref(), args.signature.as_ref(), &id, &plan.hash, decision)?;
    let approval = wired.engine.decide(&view.name, claim).await.map_err(|error| {
        let failure = find::engine_failure(error);
        if view.promotions[&id].state.phase.is_final() {
            return failure.with_hint(format!("promote show {id}"));
        }
        failure.with_hint(format!(
            "another person decides, who is allowed to; who asked may withdraw it: {}",
            run.paste(format!("promote abort {id} --reason R"))
        ))
    })?;
    let after = wired.engine.view(&view.name).await.map_err(find::engine_failure)?;
    let phase = after.promotions[&id].state.phase;
    let value = json!({"ok": true, "id": id, "by": approval.by, "phase": phase});
    run.out.emit(&value, |_| {
        let verb = if phase.is_final() { "show" } else { "resume" };
        let next = run.paste(format!("promote {verb} {id}"));
        format!("{} by {}: {id} is {phase}\nnext       {next}\n", word(decision), approval.by)
    })?;
    Ok(Exit::Done)
}

const fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Approve => "approved",
        Decision::Reject => "rejected",
    }
}

pub(crate) async fn abort(run: &Run<'_>, args: Abort) -> Result<Exit, Failure> {
    let wired = run.wire(Absent::Refuse).await?;
    let asker = keys::asker(run.context, &args.who, &wired)?;
    let (view, id) = find::promotion(&wired.engine, wired.journal.as_ref(), &args.id).await?;
    wired.can_drive(&view.promotions[&id])?;
    let signed = asker.sign(&Wish::Abort { promotion: &id, reason: &args.reason })?;
    let by = asker.person().clone();
    wired.engine.abort(&view.name, &id, by, args.reason, signed).await.map_err(find::engine_failure)?;
    let handle = wired.engine.handle(view.name.clone(), id);
    let exit = run.finish(&wired, &handle, Exit::Done).await?;
    // What was asked for is what happened.
    Ok(if matches!(exit, Exit::Refused | Exit::RolledBack) { Exit::Done } else { exit })
}

pub(crate) async fn resume(run: &Run<'_>, args: One) -> Result<Exit, Failure> {
    let wired = run.wire_to_sign(false, Absent::Refuse).await?;
    let (view, id) = find::promotion(&wired.engine, wired.journal.as_ref(), &args.id).await?;
    wired.can_drive(&view.promotions[&id])?;
    let handle = wired.engine.handle(view.name.clone(), id);
    run.finish(&wired, &handle, Exit::Done).await
}

pub(crate) async fn breaker(run: &Run<'_>, args: Breaker) -> Result<Exit, Failure> {
    let wired = run.wire(Absent::Refuse).await?;
    let environment = find::environment(&args.env)?;
    wired.targets(&args.env)?;
    if args.action.is_some() {
        let asker = keys::asker(run.context, &args.who, &wired)?;
        let reason = args.reason.unwrap_or_default();
        let signed = asker.sign(&Wish::ResetBreaker { environment: &environment, reason: &reason })?;
        let by = asker.person().clone();
        let reset = wired.engine.reset_breaker(&environment, by, reason, signed).await;
        reset.map_err(find::engine_failure)?;
    }
    let view = wired.engine.view(&environment).await.map_err(find::engine_failure)?;
    let rule =
        view.current().map(|current| current.state.facts.request.policy.breaker.clone()).unwrap_or_default();
    let now = promotion::ports::Clock::now(&providers::SystemClock);
    let state = view.breaker(&rule, now);
    let (since, text, next) = match &state {
        BreakerState::Closed { failures } => {
            (None, format!("{failures} of {} failures within {}", rule.failures, rule.window), None)
        }
        BreakerState::Open { why, since, until } => {
            let probe = until.map(|until| format!("; from {until} on one may try")).unwrap_or_default();
            (Some(since), format!("{why}{probe}"), Some("reset --reason R"))
        }
        BreakerState::HalfOpen { why, since, opened } => {
            let tried = "one may try: what was put where it is rehearsed, and passed there, after that";
            (Some(since), format!("{why} by {opened}; {tried}"), Some("reset --reason R"))
        }
    };
    let next = next.map(|action| run.paste(format!("promote breaker {action} --env {environment}")));
    let value = json!({
        "ok": true, "environment": environment, "state": state.name(), "why": text, "next": next,
        "since": since.map(ToString::to_string), "open": matches!(state, BreakerState::Open { .. }),
    });
    run.out.emit(&value, |_| {
        let since = since.map(|since| format!(" since {since}")).unwrap_or_default();
        let next = next.as_ref().map(|next| format!("next       {next}, by somebody who may approve\n"));
        format!("{}{since}: {text}\n{}", state.name(), next.unwrap_or_default())
    })?;
    Ok(Exit::Done)
}
