//! `promote tick`: whatever has something to do gets it done.

use clikit::{Exit, Failure};
use promotion::engine::{DriftSeen, Outcome};
use serde_json::json;
use wiring::Absent;

use super::Run;
use super::onward::{How, Onward, onward};
use crate::args::Tick;
use crate::{find, preflight, show, watch};

pub(crate) async fn exec(run: &Run<'_>, args: Tick) -> Result<Exit, Failure> {
    let wired = run.wire_to_sign(false, Absent::Refuse).await?;
    wired.can_reach_all()?;
    let interrupt = watch::listen(run, "everything")?;
    let engine = &wired.engine;
    let away = watch::attend(run.context, &interrupt, engine, preflight::away(&wired)).await;
    if let Some(Some(failure)) = away {
        return Err(failure);
    }
    let ticked = match away {
        Some(_) => watch::attend(run.context, &interrupt, engine, engine.tick()).await,
        None => None,
    };
    let is_left = ticked.is_none();
    let mut ticked = ticked.transpose().map_err(find::engine_failure)?.unwrap_or_default();
    // What is begun comes after what was left half done, and is no reason to leave that.
    let is_stopped = is_left || ticked.driven.iter().any(|(_, _, outcome)| *outcome == Outcome::Interrupted);
    let onward = match is_stopped {
        true => Some(Vec::new()),
        false => {
            watch::attend(
                run.context,
                &interrupt,
                engine,
                Box::pin(onward(run, &wired, &args.who, &interrupt)),
            )
            .await
        }
    };
    let is_left = is_left || onward.is_none();
    let onward = onward.unwrap_or_default();
    for it in &onward {
        match &it.how {
            How::Driven(id, outcome) => {
                ticked.driven.push((it.to.clone(), id.clone(), outcome.clone()));
            }
            How::Failed(why) => ticked.problems.push(why.clone()),
            How::Waits(_) => {}
        }
    }
    let is_cut_short =
        is_left || ticked.driven.iter().any(|(_, _, outcome)| *outcome == Outcome::Interrupted);
    let driven: Vec<_> = ticked
        .driven
        .iter()
        .map(|(environment, id, outcome)| {
            let state = show::state(id, outcome);
            json!({"environment": environment, "id": id, "state": state, "held_by": show::holder(outcome)})
        })
        .collect();
    let ended: Vec<_> = ticked
        .ended
        .iter()
        .map(|(environment, unit)| json!({"environment": environment, "unit": unit}))
        .collect();
    let drifted: Vec<_> = ticked
        .drifted
        .iter()
        .map(|(environment, seen)| {
            let (what, _) = named(seen);
            json!({"environment": environment, "what": what, "drift": show::drift(seen.drift())})
        })
        .collect();
    let unknown: Vec<_> = ticked
        .unknown
        .iter()
        .map(|(environment, what)| json!({"environment": environment, "what": what}))
        .collect();
    let exit = match (ticked.problems.is_empty(), is_cut_short) {
        (_, true) => Exit::Interrupted,
        (false, false) => Exit::Unavailable,
        (true, false) => Exit::Done,
    };
    let mut value = json!({
        "ok": exit == Exit::Done, "driven": driven, "ended": ended, "drifted": drifted, "unknown": unknown,
        "onward": onward.iter().map(Onward::value).collect::<Vec<_>>(),
        "told": ticked.told, "notes": ticked.notes, "problems": ticked.problems,
    });
    if exit != Exit::Done {
        let what = ticked.problems.first().map_or(exit.meaning(), String::as_str);
        value["error"] = json!({"exit": exit.number(), "name": exit.name(), "what": what});
    }
    let next = is_cut_short.then(|| run.paste("promote tick"));
    if let Some(next) = &next {
        value["state"] = json!("interrupted");
        value["next"] = json!(next);
    }
    run.out.conclude(exit, &value, |_| {
        let mut text: String = onward.iter().map(Onward::text).collect();
        for (environment, id, outcome) in &ticked.driven {
            text.push_str(&format!("{environment} {id}: {}\n", show::state_text(id, outcome)));
        }
        for (environment, unit) in &ticked.ended {
            text.push_str(&format!("{environment} parked machine {unit} ended\n"));
        }
        for (environment, seen) in &ticked.drifted {
            let (_, title) = named(seen);
            text.push_str(&format!("{environment} {title}\n"));
            if !matches!(seen, DriftSeen::Gone(_)) {
                text.push_str(&show::drift_text(seen.drift()));
                let accept = run.paste(format!("promote adopt --env {environment}"));
                let repair = run.paste(format!("promote start --to {environment} --repair"));
                text.push_str(&format!("next       {accept}, or {repair}\n"));
            }
        }
        for (environment, what) in &ticked.unknown {
            text.push_str(&format!("{environment} unknown: {what}\n"));
        }
        for notice in &ticked.told {
            text.push_str(&format!("{} told {}\n", notice.environment, notice.id));
        }
        for note in &ticked.notes {
            text.push_str(&format!("note: {note}\n"));
        }
        for problem in &ticked.problems {
            text.push_str(&format!("problem: {problem}\n"));
        }
        if let Some(next) = next {
            text.push_str(&format!("interrupted; everything stands where it stood\nnext       {next}\n"));
        }
        if text.is_empty() { "nothing to do\n".to_owned() } else { text }
    })
}

/// What became of drift: in a word, and for people.
const fn named(seen: &DriftSeen) -> (&'static str, &'static str) {
    match seen {
        DriftSeen::Opened(_) => ("opened", "drift: what runs is not what is recorded"),
        DriftSeen::Changed(_) => ("changed", "drift became another"),
        DriftSeen::Gone(_) => ("gone", "drift gone: what is recorded runs again"),
    }
}
