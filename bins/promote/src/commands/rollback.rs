//! `promote rollback`: back to the release before, as a promotion of its own.

use std::collections::BTreeSet;
use std::io::Write as _;

use clikit::{Exit, Failure};
use promotion::engine::{Ask, snapshot_release};
use promotion::model::{ComponentName, Kind, Policy, PromotionId};
use serde_json::json;
use wiring::Absent;

use super::{Run, alone};
use crate::args::Rollback;
use crate::wire::Wired;
use crate::{find, keys, preflight};

/// The rules of a way back to what nobody put there or took over: no suite can say that it is the right build.
fn unknown(current: &Policy) -> Policy {
    Policy {
        evidence: None,
        approvals: None,
        verify: BTreeSet::new(),
        soak: promotion::model::Millis::ZERO,
        ..current.clone()
    }
}

pub(crate) async fn exec(run: &Run<'_>, args: Rollback) -> Result<Exit, Failure> {
    let wired = run.wire_to_sign(args.dry_run, Absent::Refuse).await?;
    let environment = find::environment(&args.env)?;
    wired.can_reach(&args.env)?;
    let asker = keys::asker(run.context, &args.who, &wired)?;
    alone::nobody_holds(&wired, &environment).await?;
    let view = wired.engine.view(&environment).await.map_err(find::engine_failure)?;
    let current = view.current().ok_or_else(|| {
        Failure::refused(format!("nothing runs in `{environment}` that this store knows of"))
            .with_hint(format!("promote status --env {environment}"))
    })?;
    let facts = &current.state.facts;
    let nothing = || {
        Failure::refused(format!(
            "there is nothing before {} in `{environment}`",
            facts.request.release.version
        ))
        .with_hint(format!("promote history --env {environment}"))
    };
    let snapshot = facts.snapshot.as_ref().ok_or_else(nothing)?;
    if matches!(facts.request.kind, Kind::Adopt | Kind::Bootstrap) {
        return Err(nothing());
    }
    let before = view.before(current.id());
    let like = before.map_or(&facts.request.release, |before| &before.state.facts.request.release);
    let mut release = snapshot_release(snapshot, like).ok_or_else(nothing)?;
    if release.components != like.components {
        // Somebody had deployed past us: which build that is nobody said.
        (release.version, release.commit) = ("unknown".to_owned(), "unknown".to_owned());
    }
    let plan = facts.plan.as_ref().ok_or_else(nothing)?;
    let mut components = plan.target.components.clone();
    for component in &mut components {
        let found = snapshot.components.get(&component.place.component);
        if let Some(record) = found.and_then(|found| found.units.first()) {
            component.image = record.image.clone();
            component.source = record.image.clone();
        }
    }
    let undone = current.id().clone();
    let ask = Ask {
        environment,
        class: facts.request.class,
        kind: Kind::Rollback { of: undone.clone() },
        release,
        components,
        policy: before.map_or_else(|| unknown(&facts.request.policy), |before| before.state.policy().clone()),
        requested_by: asker.person().clone(),
        signed: None,
        reason: args.reason,
        base_data: std::collections::BTreeMap::new(),
    };
    preflight::look(&wired, &ask).await?;
    let others = wired.engine.other_secrets(&ask.environment, &undone, &ask.components).await;
    let others = others.map_err(find::engine_failure)?;
    if args.dry_run {
        return tell(run, &wired, &undone, ask, &others).await;
    }
    if !args.accept_secrets && !others.is_empty() {
        agreed(run, &args.env, &others)?;
    }
    let ask = asker.signed(ask)?;
    let handle = wired.engine.request(ask).await.map_err(find::engine_failure)?;
    run.finish(&wired, &handle, Exit::Done).await
}

/// What would be undone, where it may be.
async fn tell(
    run: &Run<'_>,
    wired: &Wired,
    undone: &PromotionId,
    ask: Ask,
    others: &BTreeSet<ComponentName>,
) -> Result<Exit, Failure> {
    let release = ask.release.clone();
    let planned = wired.engine.plan(ask).await.map_err(find::engine_failure)?;
    planned.gates.map_err(Failure::refused)?;
    let value = json!({
        "ok": true, "undoes": undone, "back_to": release.version, "digests": release.components,
        "other_secrets": others,
    });
    run.out.emit(&value, |_| {
        let mut text = format!("would undo {undone} and go back to {}\n", release.version);
        if !others.is_empty() {
            text.push_str(&format!("asks first {}\n", with_other_secrets(others)));
        }
        text
    })?;
    Ok(Exit::Done)
}

fn with_other_secrets(components: &BTreeSet<ComponentName>) -> String {
    let names: Vec<_> = components.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "the secrets of {} were changed since: its machines would run the earlier release with the secrets of now",
        names.join(", ")
    )
}

/// Asks whoever sits there whether the secrets of now will do; where nobody does, that must have been said (P5).
fn agreed(run: &Run<'_>, environment: &str, components: &BTreeSet<ComponentName>) -> Result<(), Failure> {
    let what = with_other_secrets(components);
    let refused = || {
        Failure::refused(what.clone())
            .with_why("Fly keeps no earlier values of secrets, so nothing can give them back in place")
            .with_hint(format!("promote rollback --env {environment} --accept-secrets"))
    };
    if !run.context.is_interactive() || run.out.is_json() {
        return Err(refused());
    }
    let mut stderr = std::io::stderr();
    let asked =
        write!(stderr, "{what}\nFly cannot give the earlier values back. Go back all the same? [y/N] ")
            .and_then(|()| stderr.flush());
    let mut answer = String::new();
    asked
        .and_then(|()| std::io::stdin().read_line(&mut answer).map(drop))
        .map_err(|error| refused().with_source(error))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(refused()) }
}
