//! `promote check-off`: an item of a promotion's checklist, looked at by somebody whom it names.

use std::sync::Arc;

use clikit::{Exit, Failure};
use promotion::journal::EnvironmentView;
use promotion::machine::Phase;
use promotion::model::{CheckOff as Word, ItemName, PromotionId};
use promotion::ports::Clock as _;
use serde_json::json;
use wiring::Absent;

use super::Run;
use crate::args::CheckOff;
use crate::wire::Wired;
use crate::{find, keys, show};

pub(crate) async fn exec(run: &Run<'_>, args: CheckOff) -> Result<Exit, Failure> {
    let wired = run.wire(Absent::Refuse).await?;
    let (view, id) = meant(&wired, &args).await?;
    let state = &view.promotions[&id].state;
    let plan = state.facts.plan.as_ref().ok_or_else(|| Failure::refused(format!("{id} has no plan yet")))?;
    if args.plan.as_ref().is_some_and(|typed| !plan.hash.answers_to(typed)) {
        return Err(Failure::refused(format!("the plan of {id} is {}", plan.hash))
            .with_why("a word binds to the plan that was looked at")
            .with_hint(format!("promote show {id}")));
    }
    let item = ItemName::new(args.item.as_str()).map_err(|error| Failure::usage(error.to_string()))?;
    let asker = keys::asker(run.context, &args.who, &wired)?;
    let word = Word {
        promotion: id.clone(),
        plan: plan.hash.clone(),
        item,
        is_done: !args.take_back,
        comment: args.comment,
        by: asker.person().clone(),
        at: providers::SystemClock.now(),
        signed: None,
    };
    let signed = asker.sign(&word.wish())?;
    let said =
        wired.engine.check_off(&view.name, Word { signed, ..word }).await.map_err(|error| {
            find::engine_failure(error).with_hint(run.paste(format!("promote explain {id}")))
        })?;
    let after = wired.engine.view(&view.name).await.map_err(find::engine_failure)?;
    let state = &after.promotions[&id].state;
    let open: Vec<_> = state.unchecked(None).iter().map(|item| item.id.clone()).collect();
    let value = json!({
        "ok": true, "id": id, "item": said.item, "done": said.is_done, "by": said.by, "phase": state.phase, "open": open,
    });
    run.out.emit(&value, |_| {
        let verb = if said.is_done { "checked off" } else { "taken back" };
        let next = if state.phase.is_final() { "show" } else { "resume" };
        format!(
            "{verb} {} by {}: {id} is {}\n{}next       {}\n",
            said.item,
            said.by,
            state.phase,
            show::checklist_text(state),
            run.paste(format!("promote {next} {id}"))
        )
    })?;
    Ok(Exit::Done)
}

/// The promotion that was named, or the one that waits for people in the environment.
async fn meant(wired: &Wired, args: &CheckOff) -> Result<(Arc<EnvironmentView>, PromotionId), Failure> {
    if let Some(id) = &args.id {
        return find::promotion(&wired.engine, wired.journal.as_ref(), id).await;
    }
    let name = args.env.as_deref().unwrap_or_default();
    wired.targets(name)?;
    let view = wired.engine.view(&find::environment(name)?).await.map_err(find::engine_failure)?;
    let waits = |phase: Phase| phase.is_human_wait() || (phase == Phase::Queued && args.take_back);
    let waiting = view.promotions.values().filter(|promotion| waits(promotion.state.phase));
    let ids: Vec<PromotionId> = waiting.map(|promotion| promotion.id().clone()).collect();
    match ids.as_slice() {
        [one] => Ok((view, one.clone())),
        [] => Err(Failure::refused(format!("no promotion waits for people in `{name}`"))
            .with_hint(format!("promote status --env {name}"))),
        [first, ..] => Err(Failure::usage(format!("{} promotions wait for people in `{name}`", ids.len()))
            .with_hint(format!("promote check-off {} --id {first}", args.item))),
    }
}
