//! Looking: status, history, show, explain.

use std::sync::Arc;

use clikit::{Exit, Failure, Table};
use promotion::engine::Explained;
use promotion::journal::{Entry, EnvironmentView, OneOffStep, Record};
use serde_json::{Value, json};
use wiring::Absent;

use super::{Run, closing};
use crate::args::{Environment, One};
use crate::wire::Wired;
use crate::{find, show};

/// What a new store says.
const NOTHING: &str = "this store knows of nothing yet\n\
    promote adopt --env E takes over what runs, promote deploy --env E --image REF puts something there\n";

async fn views(wired: &Wired, only: Option<&String>) -> Result<Vec<Arc<EnvironmentView>>, Failure> {
    match only {
        Some(name) => {
            if wired.project.environment(name).is_none() {
                let known: Vec<_> = wired.project.environments().keys().map(ToString::to_string).collect();
                return Err(Failure::usage(format!("the project file has no environment `{name}`"))
                    .with_why(format!("there are: {}", known.join(", "))));
            }
            let name = find::environment(name)?;
            Ok(vec![wired.engine.view(&name).await.map_err(find::engine_failure)?])
        }
        None => find::views(&wired.engine, wired.journal.as_ref()).await,
    }
}

pub(crate) async fn status(run: &Run<'_>, args: Environment) -> Result<Exit, Failure> {
    let wired = run.wire(Absent::Refuse).await?;
    let views = views(&wired, args.env.as_ref()).await?;
    let value = json!({"ok": true, "environments": views.iter().map(|view| show::environment(view)).collect::<Vec<_>>()});
    run.out.emit(&value, |_| {
        let mut table = Table::new(["environment", "version", "commit", "since", "under way"]);
        for view in &views {
            let current = view.current();
            let release = current.map(|current| &current.state.facts.request.release);
            let live: Vec<String> = view
                .promotions
                .values()
                .filter(|view| !view.state.phase.is_final())
                .map(|view| format!("{} {}", view.id(), view.state.phase))
                .collect();
            table.row([
                view.name.as_str(),
                release.map_or(if view.ejected().is_some() { "ejected" } else { "nothing" }, |release| {
                    release.version.as_str()
                }),
                release.map_or("", |release| release.commit.as_str()),
                &show::since(view).map(|at| at.to_string()).unwrap_or_default(),
                &live.join(", "),
            ]);
        }
        if views.is_empty() {
            return NOTHING.to_owned();
        }
        let drifts = views.iter().filter_map(|view| Some((&view.name, view.drift()?)));
        let drifts = drifts.map(|(name, drift)| {
            let accept = run.paste(format!("promote adopt --env {name}"));
            let repair = run.paste(format!("promote start --to {name} --repair"));
            let (of, opened, lines) = (&drift.of, drift.opened, show::drift_text(drift));
            format!(
                "\ndrift      {name} is not what {of} put there, seen first at {opened}:\n{lines}\
                 next       {accept} takes it over, {repair} puts back what is recorded\n"
            )
        });
        let closed: String = views.iter().map(|view| closing::closed_text(view)).collect();
        let closed = if closed.is_empty() { closed } else { format!("\n{closed}") };
        table.to_string() + &closed + &drifts.collect::<String>()
    })?;
    Ok(Exit::Done)
}

pub(crate) async fn history(run: &Run<'_>, args: Environment) -> Result<Exit, Failure> {
    let wired = run.wire(Absent::Refuse).await?;
    let views = views(&wired, args.env.as_ref()).await?;
    let mut history = Vec::new();
    for view in &views {
        history.push((view.deployments(), ejects(&wired, view).await?));
    }
    let deployments: Vec<_> = history.iter().flat_map(|(deployments, _)| deployments).collect();
    let ejects: Vec<_> = history.iter().flat_map(|(_, ejects)| ejects).collect();
    let value = json!({
        "ok": true,
        "deployments": deployments.iter().map(|it| show::deployment(it)).collect::<Vec<_>>(),
        "ejects": ejects,
    });
    run.out.emit(&value, |_| {
        let is_new = deployments.is_empty() && ejects.is_empty();
        if is_new { NOTHING.to_owned() } else { show::history_text(&history) }
    })?;
    Ok(Exit::Done)
}

/// Each time the environment was taken out of our hands: records of the environment, and no deployments.
async fn ejects(wired: &Wired, view: &EnvironmentView) -> Result<Vec<show::Eject>, Failure> {
    if view.head == 0 {
        return Ok(Vec::new());
    }
    let records = wired.journal.read(&view.name, 0).await;
    let records = records.map_err(|error| find::engine_failure(error.into()))?;
    let eject = |record: Record| match record.entry {
        Entry::Ejected { by, reason, .. } => {
            Some(show::Eject { environment: view.name.clone(), at: record.at, by, reason })
        }
        _ => None,
    };
    Ok(records.into_iter().filter_map(eject).collect())
}

pub(crate) async fn show(run: &Run<'_>, args: One) -> Result<Exit, Failure> {
    let wired = run.wire(Absent::Refuse).await?;
    let (view, id) = find::promotion(&wired.engine, wired.journal.as_ref(), &args.id).await?;
    let promotion = &view.promotions[&id];
    let facts = &promotion.state.facts;
    let mut value = show::promotion(promotion);
    value["ok"] = Value::from(true);
    value["plan_detail"] = json!(facts.plan);
    value["snapshot"] = json!(facts.snapshot);
    run.out.emit(&value, |_| {
        let mut text = show::promotion_text(promotion);
        if let Some(plan) = &facts.plan {
            text.push('\n');
            text.push_str(&show::plan_text(plan, facts.request.break_glass.is_some()));
        }
        text
    })?;
    Ok(Exit::Done)
}

/// What holds a promotion, then every event of it in order, with what it led to.
pub(crate) async fn explain(run: &Run<'_>, args: One) -> Result<Exit, Failure> {
    let wired = run.wire(Absent::Refuse).await?;
    let (view, id) = find::promotion(&wired.engine, wired.journal.as_ref(), &args.id).await?;
    let records =
        wired.journal.read(&view.name, 0).await.map_err(|error| find::engine_failure(error.into()))?;
    let records: Vec<_> =
        records.into_iter().filter(|record| record.promotion.as_ref() == Some(&id)).collect();
    let lines: Vec<(u64, String, String)> =
        records.iter().map(|record| (record.seq, record.at.to_string(), line(&record.entry))).collect();
    let promotion = &view.promotions[&id];
    let events: Vec<_> =
        lines.iter().map(|(seq, at, text)| json!({"seq": seq, "at": at, "what": text})).collect();
    let mut value = show::promotion(promotion);
    value["ok"] = Value::from(true);
    value["events"] = Value::from(events);
    let explained = wired.engine.explain(&view.name, &id).await.map_err(find::engine_failure)?;
    value["hold"] = json!(explained.hold.as_ref().map(|hold| json!({
        "by": hold.by, "why": hold.why, "since": hold.since.to_string(),
        "until": hold.until.map(|until| until.to_string()), "opens": hold.opens.as_ref().map(|it| run.paste(it)),
    })));
    value["ahead"] = json!(explained.ahead.as_ref().map(|(gate, why)| json!({"gate": gate, "why": why})));
    run.out.emit(&value, |_| {
        let held = hold_text(run, &explained);
        let mut table = Table::new(["record", "at", "what"]);
        for (seq, at, text) in &lines {
            table.row([&seq.to_string(), at, text]);
        }
        format!("{held}\n{table}\n{}", show::promotion_text(promotion))
    })?;
    Ok(Exit::Done)
}

fn hold_text(run: &Run<'_>, explained: &Explained) -> String {
    let mut text = match &explained.hold {
        None => "held by    nothing\n".to_owned(),
        Some(hold) => {
            let until = hold.until.map(|until| format!(", until {until} at the latest")).unwrap_or_default();
            let opens = hold.opens.as_ref().map(|opens| format!("next       {}\n", run.paste(opens)));
            let (by, since, why) = (&hold.by, hold.since, &hold.why);
            format!("held by    {by} since {since}{until}\nbecause    {why}\n{}", opens.unwrap_or_default())
        }
    };
    if let Some((gate, why)) = &explained.ahead {
        text.push_str(&format!("ahead      gate {gate}: {why}\n"));
    }
    text
}

fn line(entry: &Entry) -> String {
    match entry {
        Entry::Requested { request } => {
            format!(
                "{} of {} asked by {}",
                request.kind.verb(),
                request.release.version,
                request.requested_by
            )
        }
        Entry::Stepped { stamped, phase, .. } => {
            let event = serde_json::to_value(&stamped.event).unwrap_or_default();
            let why =
                event.get("why").and_then(Value::as_str).map(|why| format!(" ({why})")).unwrap_or_default();
            format!("{}{why} -> {phase}", stamped.event.signal())
        }
        Entry::EffectDone { seq, .. } => format!("done what record {seq} asked for"),
        Entry::Meant { component, progress, calls, .. } => {
            let calls: Vec<_> = calls.iter().map(|intent| intent.call.title()).collect();
            let stage = show::words(progress.stage);
            if calls.is_empty() {
                format!("{component}: {stage}")
            } else {
                format!("{component}: {stage}: will {}", calls.join(", "))
            }
        }
        Entry::Came { component, outcomes } => {
            let failed: Vec<_> = outcomes
                .values()
                .filter_map(|outcome| match outcome {
                    promotion::journal::Outcome::Failed(error) => Some(error.message.clone()),
                    promotion::journal::Outcome::Performed(_) | promotion::journal::Outcome::Settled => None,
                })
                .collect();
            if failed.is_empty() {
                format!("{component}: {} calls answered", outcomes.len())
            } else {
                format!("{component}: {}", failed.join("; "))
            }
        }
        Entry::Leased { component, nonces, earlier } if earlier.is_empty() => {
            format!("{component}: {} machines leased", nonces.len())
        }
        Entry::Leased { component, nonces, earlier } => {
            format!("{component}: {} machines leased, {} out of reach", nonces.len(), earlier.len())
        }
        Entry::OneOff { component, step } => match step {
            OneOffStep::Meant { .. } => format!("{component}: will make a machine for the release command"),
            OneOffStep::Chosen { run } => format!("{component}: {run} runs the release command"),
            OneOffStep::Ended(end) => match (&end.why, end.exit_code) {
                (Some(why), _) => format!("{component}: the release command ended: {why}"),
                (None, Some(code)) => format!("{component}: the release command ended with exit code {code}"),
                (None, None) => format!("{component}: the release command ended, nobody knows how"),
            },
        },
        Entry::BreakerReset { by, reason, .. } => format!("breaker closed by {by}: {reason}"),
        Entry::GlassBroken { glass } => glass.to_string(),
        Entry::Closed { closing, by, reason, .. } => {
            let until = closing.until().map(|until| format!(" until {until}")).unwrap_or_default();
            format!("{}{until} by {by}: {reason}", closing.verb())
        }
        Entry::Ejected { by, .. } => format!("taken out of our hands by {by}"),
        Entry::Drifted { differences, .. } if differences.is_empty() => "drift gone".to_owned(),
        Entry::Drifted { differences, .. } => {
            let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
            format!("drift: {}", lines.join("; "))
        }
        Entry::Reported { about, suites } => {
            let one = |(suite, signed): (_, &Option<_>)| {
                format!("{suite} {}", if signed.is_some() { "passed" } else { "did not pass" })
            };
            let said: Vec<String> = suites.iter().map(one).collect();
            format!("report {} about {}: {}", about.report.short(), about.deployment, said.join(", "))
        }
        Entry::ToldAgain { n } => format!("people were told again, {n} times by now"),
        Entry::ParkedEnded { component, units } => {
            format!("{component}: {} parked machines ended", units.len())
        }
        Entry::Moved { to, .. } => format!("the journal goes on in {to}"),
        Entry::Arrived { .. } => "the journal came from another store, and goes on here".to_owned(),
    }
}
