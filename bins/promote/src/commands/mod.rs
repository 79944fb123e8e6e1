//! The verbs.

pub(crate) mod adopt;
mod alone;
pub(crate) mod ask;
pub(crate) mod attest;
pub(crate) mod audit;
pub(crate) mod check_off;
pub(crate) mod closing;
pub(crate) mod decide;
pub(crate) mod deploy;
pub(crate) mod look;
pub(crate) mod migrate_store;
mod onward;
pub(crate) mod receipt;
mod release;
mod repair;
pub(crate) mod rollback;
mod scan;
pub(crate) mod start;
pub(crate) mod tick;

use clikit::{Common, Context, Exit, Failure, Output, Progress};
use promotion::engine::{Handle, Outcome};
use promotion::journal::PromotionView;
use serde_json::{Value, json};
use wiring::Absent;

use crate::wire::{Wired, can_sign, wire};
use crate::{find, given, show, watch};

/// What every verb gets.
pub(crate) struct Run<'a> {
    pub(crate) context: &'a Context,
    pub(crate) out: &'a Output,
    pub(crate) common: &'a Common,
}

impl Run<'_> {
    pub(crate) async fn wire(&self, absent: Absent) -> Result<Wired, Failure> {
        wire(self.context, self.common, absent).await
    }

    /// The same for a verb at whose end something is signed, unless it only shows what it would do: without the key nothing
    /// is begun.
    pub(crate) async fn wire_to_sign(&self, is_dry_run: bool, absent: Absent) -> Result<Wired, Failure> {
        if !is_dry_run {
            can_sign(self.context, self.common)?;
        }
        self.wire(absent).await
    }

    /// A command for people to paste, with the project and the store that were given here.
    pub(crate) fn paste(&self, command: impl Into<String>) -> String {
        given::along(self.common, command.into())
    }

    /// What somebody should know at once, on stderr.
    pub(crate) fn warn(&self, lines: &[String]) {
        let progress = Progress::stderr(self.context);
        lines.iter().for_each(|line| progress.line(format!("warning: {line}")));
    }

    pub(crate) async fn view(&self, wired: &Wired, handle: &Handle) -> Result<PromotionView, Failure> {
        let view = wired.engine.view(&handle.environment).await.map_err(find::engine_failure)?;
        view.promotions
            .get(&handle.id)
            .cloned()
            .ok_or_else(|| Failure::bug(format!("promotion {} vanished from the journal", handle.id)))
    }

    /// Drives, prints how it came out, and says what to do next.
    pub(crate) async fn finish(
        &self,
        wired: &Wired,
        handle: &Handle,
        waiting: Exit,
    ) -> Result<Exit, Failure> {
        let interrupt = watch::listen(self, handle.id.as_str())?;
        let outcome = watch::drive(self.context, &interrupt, &wired.engine, handle).await?;
        self.tell(wired, handle, &outcome, waiting).await
    }

    pub(crate) async fn tell(
        &self,
        wired: &Wired,
        handle: &Handle,
        outcome: &Outcome,
        waiting: Exit,
    ) -> Result<Exit, Failure> {
        let view = self.view(wired, handle).await?;
        let exit = watch::exit(outcome, waiting);
        let mut value = show::promotion(&view);
        value["ok"] = Value::from(exit == Exit::Done);
        value["state"] = Value::from(show::state(&handle.id, outcome));
        if exit != Exit::Done {
            let what = view.state.facts.failure.as_ref().map(|failure| failure.why.as_str());
            let behind = show::holder(outcome).map(|_| show::state_text(&handle.id, outcome));
            let what = what.or(behind.as_deref()).unwrap_or_else(|| exit.meaning());
            value["error"] = json!({"exit": exit.number(), "name": exit.name(), "what": what});
        }
        if let Some(plan) = &view.state.facts.plan {
            value["warnings"] = json!(plan.warnings);
        }
        let holder = show::holder(outcome);
        if let Some(holder) = holder {
            value["held_by"] = Value::from(holder);
        }
        let next = Self::next(&view, outcome).map(|next| self.paste(next));
        if let Some(next) = &next {
            value["next"] = Value::from(next.clone());
        }
        self.out.conclude(exit, &value, |_| {
            let mut text = String::new();
            if let (Outcome::Waiting { .. }, Some(plan)) = (outcome, &view.state.facts.plan) {
                text.push_str(&show::plan_text(plan, view.state.facts.request.break_glass.is_some()));
            }
            text.push_str(&show::promotion_text(&view));
            // What waits shows its plan, and that says them.
            let plan = view.state.facts.plan.as_ref().filter(|_| !matches!(outcome, Outcome::Waiting { .. }));
            for warning in plan.into_iter().flat_map(|plan| &plan.warnings) {
                text.push_str(&format!("warning    {warning}\n"));
            }
            if let Some(holder) = holder {
                text.push_str(&format!("held by    {holder}\n"));
            }
            if let Some(next) = next {
                text.push_str(&format!("next       {next}\n"));
            }
            text
        })
    }

    fn next(view: &PromotionView, outcome: &Outcome) -> Option<String> {
        let plan = view.state.facts.plan.as_ref().map(|plan| plan.hash.to_string());
        match (outcome, plan) {
            (Outcome::Waiting { .. }, Some(plan)) => {
                Some(format!("promote approve {} --plan {plan}", view.id()))
            }
            (Outcome::Busy { .. }, _) => Some(format!("promote resume {}", view.id())),
            (Outcome::Interrupted, _) => Some("promote tick".to_owned()),
            _ => None,
        }
    }
}
