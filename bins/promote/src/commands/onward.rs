//! `trigger = "automatic"`: what passed everything where it was tested goes on by itself.

use clikit::{Failure, Interrupt};
use envconfig::project::Trigger;
use promotion::engine::{Ask, EngineError, Outcome};
use promotion::model::{EnvironmentName, Kind, PromotionId};
use serde_json::{Value, json};

use super::Run;
use super::ask;
use super::release::{Found, of_promotion};
use crate::keys::Who;
use crate::wire::Wired;
use crate::{find, keys, preflight};

/// What became of one path.
pub(crate) struct Onward {
    from: EnvironmentName,
    pub(crate) to: EnvironmentName,
    version: String,
    pub(crate) how: How,
}

pub(crate) enum How {
    /// It was asked for, and came so far.
    Driven(PromotionId, Outcome),
    /// It would be, but for this.
    Waits(String),
    /// That could not be found out, or not be done.
    Failed(String),
}

impl Onward {
    pub(crate) fn value(&self) -> Value {
        let (id, why) = match &self.how {
            How::Driven(id, _) => (Some(id), None),
            How::Waits(why) | How::Failed(why) => (None, Some(why)),
        };
        json!({"from": self.from, "environment": self.to, "version": self.version, "id": id, "why": why})
    }

    pub(crate) fn text(&self) -> String {
        let Self { from, to, version, how } = self;
        match how {
            How::Driven(id, _) => format!("{to} {id}: {version} goes on from {from}\n"),
            How::Waits(why) => format!("{to}: {version} does not go on from {from}: {why}\n"),
            How::Failed(_) => String::new(),
        }
    }
}

/// Asks for what passed at the begin of each automatic path and was never tried at its end, and drives it. What is in the
/// way of one path is not in the way of the others. Nothing is asked for any more once somebody interrupts.
pub(crate) async fn onward(run: &Run<'_>, wired: &Wired, who: &Who, interrupt: &Interrupt) -> Vec<Onward> {
    let mut seen = Vec::new();
    for ((from, to), rules) in wired.project.paths() {
        if rules.trigger.value != Trigger::Automatic || interrupt.is_requested() {
            continue;
        }
        let names = (find::environment(from.as_str()), find::environment(to.as_str()));
        let (Ok(from), Ok(to)) = names else { continue };
        let (version, how) = match ready(wired, &from, &to).await {
            Ok(None) => continue,
            Ok(Some(found)) => {
                let version = found.release.version.to_string();
                let how = put(run, wired, who, interrupt, (&to, &found)).await;
                (version, how.unwrap_or_else(|failure| How::Failed(said(&to, &failure))))
            }
            Err(failure) => (String::new(), How::Failed(said(&to, &failure))),
        };
        seen.push(Onward { from, to, version, how });
    }
    seen
}

fn said(to: &EnvironmentName, failure: &Failure) -> String {
    format!("{to}: what passed before it does not go on: {failure}")
}

/// What passed in `from` and is to go on to `to`.
async fn ready(
    wired: &Wired,
    from: &EnvironmentName,
    to: &EnvironmentName,
) -> Result<Option<Found>, Failure> {
    let view = wired.engine.view(from).await.map_err(find::engine_failure)?;
    let there = wired.engine.view(to).await.map_err(find::engine_failure)?;
    Ok(view.goes_on_to(&there).map(of_promotion))
}

async fn put(
    run: &Run<'_>,
    wired: &Wired,
    who: &Who,
    interrupt: &Interrupt,
    (to, found): (&EnvironmentName, &Found),
) -> Result<How, Failure> {
    let paths = wired.project.paths().keys().filter(|(_, into)| into.as_str() == to.as_str());
    if paths.count() > 1 {
        return Ok(How::Waits(
            "several environments lead there, and whose rules hold is not said".to_owned(),
        ));
    }
    let asker = match keys::asker(run.context, who, wired) {
        Ok(asker) => asker,
        Err(failure) => return Ok(How::Waits(failure.to_string())),
    };
    // Nobody signs for an answer that may be no.
    let looker = keys::looker(run.context, &Who::default(), wired)?;
    let ask = ask::put(wired, to.as_str(), Kind::Promote, found, &looker)?;
    if let Some(why) = closed(wired, ask).await? {
        return Ok(How::Waits(why));
    }
    if interrupt.is_requested() {
        return Ok(How::Waits("somebody interrupted this tick".to_owned()));
    }
    let ask = ask::put(wired, to.as_str(), Kind::Promote, found, &asker)?;
    let handle = match wired.engine.request_untried(ask).await {
        Ok(handle) => handle,
        // Somebody else was there first, or what was open is not.
        Err(EngineError::Refused { why }) => return Ok(How::Waits(why)),
        Err(error) => return Err(find::engine_failure(error)),
    };
    match handle.drive().await {
        Ok(outcome) => Ok(How::Driven(handle.id, outcome)),
        Err(error) => Err(find::engine_failure(error).with_why(format!("{} was asked for", handle.id))),
    }
}

/// What is in the way: what the journal says without a look at the provider, then what `promote start` looks at first, then
/// the gates.
async fn closed(wired: &Wired, ask: Ask) -> Result<Option<String>, Failure> {
    let (engine, environment) = (&wired.engine, &ask.environment);
    if let Some(why) = engine.in_the_way(environment, &ask.release).await.map_err(find::engine_failure)? {
        return Ok(Some(why));
    }
    let _remarks = preflight::look(wired, &ask).await?;
    match engine.plan(ask).await {
        Ok(planned) => Ok(planned.gates.err().map(|closed| closed.to_string())),
        Err(EngineError::Refused { why }) => Ok(Some(why)),
        Err(error) => Err(find::engine_failure(error)),
    }
}
