//! `promote tick`: whatever has something to do gets it done.

use clikit::{Exit, Failure};
use promotion::engine::Outcome;
use serde_json::json;

use super::Run;
use crate::args::Tick;
use crate::{find, preflight, show, watch};

pub(crate) async fn exec(run: &Run<'_>, _: Tick) -> Result<Exit, Failure> {
    let wired = run.wire()?;
    let interrupt = watch::listen(run, "everything")?;
    let engine = &wired.engine;
    let left = || Failure::interrupted("interrupted; everything stands where it stood");
    let away =
        watch::attend(run.context, &interrupt, engine, preflight::away(&wired)).await.ok_or_else(left)?;
    if let Some(failure) = away {
        return Err(failure);
    }
    let ticked = watch::attend(run.context, &interrupt, engine, engine.tick()).await;
    let ticked = ticked.ok_or_else(left)?.map_err(find::engine_failure)?;
    let is_cut_short = ticked.driven.iter().any(|(_, _, outcome)| *outcome == Outcome::Interrupted);
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
    let ok = ticked.problems.is_empty();
    let value = json!({"ok": ok, "driven": driven, "ended": ended, "problems": ticked.problems});
    run.out.emit(&value, |_| {
        let mut text = String::new();
        for (environment, id, outcome) in &ticked.driven {
            text.push_str(&format!("{environment} {id}: {}\n", show::state_text(id, outcome)));
        }
        for (environment, unit) in &ticked.ended {
            text.push_str(&format!("{environment} parked machine {unit} ended\n"));
        }
        for problem in &ticked.problems {
            text.push_str(&format!("problem: {problem}\n"));
        }
        if text.is_empty() { "nothing to do\n".to_owned() } else { text }
    })?;
    Ok(match (ok, is_cut_short) {
        (false, _) => Exit::Unavailable,
        (true, true) => Exit::Interrupted,
        (true, false) => Exit::Done,
    })
}
