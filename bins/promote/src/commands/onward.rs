//! `trigger = "automatic"`: what passed everything where it was tested goes on by itself.

use clikit::Failure;
use envconfig::project::Trigger;
use promotion::engine::EngineError;
use promotion::journal::PromotionView;
use promotion::model::{Kind, PromotionId};
use serde_json::{Value, json};

use super::Run;
use super::ask;
use super::release::of_promotion;
use crate::keys::Who;
use crate::wire::Wired;
use crate::{find, keys};

/// What became of one path.
pub(crate) struct Onward {
    from: String,
    to: String,
    version: String,
    how: How,
}

enum How {
    /// It was asked for.
    Asked(PromotionId),
    /// It would be, but for this.
    Waits(String),
}

impl Onward {
    pub(crate) fn value(&self) -> Value {
        let (id, why) = match &self.how {
            How::Asked(id) => (Some(id), None),
            How::Waits(why) => (None, Some(why)),
        };
        json!({"from": self.from, "environment": self.to, "version": self.version, "id": id, "why": why})
    }

    pub(crate) fn text(&self) -> String {
        let Self { from, to, version, how } = self;
        match how {
            How::Asked(id) => format!("{to} {id}: {version} goes on from {from}\n"),
            How::Waits(why) => format!("{to}: {version} does not go on from {from}: {why}\n"),
        }
    }
}

/// Asks for what stands at the begin of each automatic path and was never tried at its end. Whoever drives comes next.
pub(crate) async fn onward(run: &Run<'_>, wired: &Wired, who: &Who) -> Result<Vec<Onward>, Failure> {
    let mut seen = Vec::new();
    for ((from, to), rules) in wired.project.paths() {
        if rules.trigger.value != Trigger::Automatic {
            continue;
        }
        let view =
            wired.engine.view(&find::environment(from.as_str())?).await.map_err(find::engine_failure)?;
        let there =
            wired.engine.view(&find::environment(to.as_str())?).await.map_err(find::engine_failure)?;
        let Some(current) = view.current() else { continue };
        // A release that was taken over was never put through anything, and the first one anywhere is a bootstrap's.
        if matches!(current.state.facts.request.kind, Kind::Adopt) || there.current().is_none() {
            continue;
        }
        let release = &current.state.facts.request.release;
        if there.tried(release).is_some() || stands(there.current(), current) {
            continue;
        }
        let how = asked(run, wired, who, (to.as_str(), current)).await?;
        let version = release.version.to_string();
        seen.push(Onward { from: from.to_string(), to: to.to_string(), version, how });
    }
    Ok(seen)
}

/// Whether what stands there is this release, whatever put it there.
fn stands(there: Option<&PromotionView>, current: &PromotionView) -> bool {
    let release = |view: &PromotionView| view.state.facts.request.release.id();
    there.is_some_and(|there| release(there) == release(current))
}

async fn asked(
    run: &Run<'_>,
    wired: &Wired,
    who: &Who,
    (to, current): (&str, &PromotionView),
) -> Result<How, Failure> {
    let asker = match keys::asker(run.context, who, wired) {
        Ok(asker) => asker,
        Err(failure) => return Ok(How::Waits(failure.to_string())),
    };
    let ask = ask::put(wired, to, Kind::Promote, &of_promotion(current), &asker)?;
    let planned = wired.engine.plan(ask.clone()).await.map_err(find::engine_failure)?;
    if let Err(closed) = planned.gates {
        return Ok(How::Waits(closed.to_string()));
    }
    match wired.engine.request_untried(ask).await {
        Ok(handle) => Ok(How::Asked(handle.id)),
        // Somebody else was there first, or the queue takes nobody in.
        Err(EngineError::Refused { why }) => Ok(How::Waits(why)),
        Err(error) => Err(find::engine_failure(error)),
    }
}
