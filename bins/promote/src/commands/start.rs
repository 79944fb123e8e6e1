//! `promote plan` and `promote start`: an attested release into the next environment.

use clikit::{Exit, Failure, Table};
use envconfig::project::{Project, PromotionPolicy};
use flytypes::ImageRef;
use promotion::engine::{Ask, Outcome};
use promotion::model::{ComponentTarget, Kind, Policy};
use providers::Targets;
use serde_json::json;
use wiring::Absent;

use super::ask::{self, Source};
use super::release::Found;
use super::{Run, alone, repair};
use crate::args::Start;
use crate::keys::Asker;
use crate::wire::Wired;
use crate::{apart, find, keys, preflight, show, watch};

/// How often `--wait` looks whether somebody decided.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// The rules that lead into `to`, else those of the path that begins there.
pub(crate) fn rules_into<'p>(project: &'p Project, to: &str) -> Option<&'p PromotionPolicy> {
    let paths = project.paths();
    let into = paths.iter().find(|((_, into), _)| into.as_str() == to);
    into.or_else(|| paths.iter().find(|((from, _), _)| from.as_str() == to)).map(|(_, rules)| rules)
}

/// The rules of promotions into `to`, or, where none lead there, those under which evidence is made there.
///
/// The rules of what is put there first decide over what comes next, so also a bootstrap brings all of them.
pub(crate) fn policy_into(project: &Project, to: &str) -> Result<Policy, Failure> {
    let into = project.paths().iter().find(|((_, into), _)| into.as_str() == to);
    let policy = match into {
        Some(((from, _), rules)) => policy_for(project, Some(from.as_str()), Some(rules)),
        None => policy_for(project, None, rules_into(project, to)),
    }?;
    let ignored = project.environment(to).into_iter().flat_map(|environment| &environment.drift_ignored);
    let drift_ignored = ignored.map(ToString::to_string).collect();
    Ok(Policy { drift_ignored, freezes: providers::freezes(project, to), ..policy })
}

/// The engine's form of them; without a path, nothing is asked and nothing is run.
fn policy_for(
    project: &Project,
    from: Option<&str>,
    rules: Option<&PromotionPolicy>,
) -> Result<Policy, Failure> {
    rules.map_or_else(
        || Ok(Policy::default()),
        |rules| providers::policy(project, from, rules).map_err(|error| Failure::usage(error.to_string())),
    )
}

/// What every component shall become. Within one registry and organisation an image is run from where it was pushed;
/// into another it is copied under the target's own name.
pub(crate) fn targets_for(
    wired: &Wired,
    targets: &Targets<'_>,
    environment: &str,
    found: &Found,
    rules: Option<&PromotionPolicy>,
) -> Result<Vec<ComponentTarget>, Failure> {
    let usage = |error: &dyn std::fmt::Display| Failure::usage(error.to_string());
    let registry = wired.registry(environment)?.host();
    let mut list = Vec::new();
    for component in targets.components() {
        let Some(source) = found.images.get(&component) else { continue };
        let image = if !apart::is_apart(&wired.project, environment, registry, source) {
            source.clone()
        } else {
            let place = targets.place(&component).map_err(|error| usage(&error))?;
            let digest = source.digest().cloned().ok_or_else(|| usage(&format!("{source} has no digest")))?;
            ImageRef::by_digest(registry, &place.name, digest).map_err(|error| usage(&error))?
        };
        list.push(targets.target(&component, image, source.clone(), rules).map_err(|error| usage(&error))?);
    }
    Ok(list)
}

async fn ask(wired: &Wired, args: &Start, asker: &Asker) -> Result<Ask, Failure> {
    if args.repair {
        wired.can_reach(&args.to)?;
        return repair::ask(wired, &args.to, asker).await;
    }
    wired.can_promote(&args.to)?;
    let source = args.release.clone().map_or(Source::Current, Source::Promotion);
    let kind = if args.bootstrap { Kind::Bootstrap } else { Kind::Promote };
    ask::of_environment(wired, &args.to, &source, kind, asker).await
}

/// `promote plan`.
pub(crate) async fn plan(run: &Run<'_>, args: Start) -> Result<Exit, Failure> {
    let wired = run.wire(Absent::Imagine).await?;
    if args.explain_defaults {
        return explain(run, &wired);
    }
    let ask = ask(&wired, &args, &keys::looker(run.context, &args.who, &wired)?).await?;
    let remarks = preflight::look(&wired, &ask).await?;
    is_expected(&wired, &args, &ask).await?;
    show_plan(run, &wired, ask, remarks).await
}

/// `--plan HASH`: whether the plan is the one that was looked at.
async fn is_expected(wired: &Wired, args: &Start, ask: &Ask) -> Result<(), Failure> {
    let Some(hash) = &args.plan else { return Ok(()) };
    let planned = wired.engine.plan(ask.clone()).await.map_err(find::engine_failure)?;
    if planned.plan.hash.answers_to(hash) {
        return Ok(());
    }
    Err(Failure::refused(format!("the plan is {} and not {hash}", planned.plan.hash))
        .with_why("what runs, the configuration or the rules changed since you looked")
        .with_hint(format!("promote plan --to {}", args.to)))
}

fn explain(run: &Run<'_>, wired: &Wired) -> Result<Exit, Failure> {
    let lines = wired.project.explain_defaults(&wired.configs);
    let rows: Vec<_> = lines
        .iter()
        .map(|it| json!({"key": it.key, "value": it.value, "source": it.source.to_string()}))
        .collect();
    run.out.emit(&json!({"ok": true, "defaults": rows}), |_| {
        let mut table = Table::new(["key", "value", "source"]);
        for it in &lines {
            table.row([it.key.as_str(), it.value.as_str(), &it.source.to_string()]);
        }
        table.to_string()
    })?;
    Ok(Exit::Done)
}

/// Prints a plan and whether the gates are open; 3 when one is closed.
pub(crate) async fn show_plan(
    run: &Run<'_>,
    wired: &Wired,
    ask: Ask,
    remarks: Vec<String>,
) -> Result<Exit, Failure> {
    let strong = apart::strong_tokens(wired, &ask);
    let mut planned = wired.engine.plan(ask).await.map_err(find::engine_failure)?;
    planned.plan.warnings.extend(remarks.into_iter().chain(strong));
    let closed = planned.gates.as_ref().err().cloned();
    let is_broken = planned.gates.iter().flatten().any(|line| line.starts_with("break-glass: "));
    let value = json!({
        "ok": closed.is_none(), "plan": planned.plan, "hash": planned.plan.hash,
        "gates": planned.gates.clone().unwrap_or_default(), "closed": closed,
    });
    run.out.emit(&value, |_| {
        let mut text = show::plan_text(&planned.plan, is_broken);
        match &planned.gates {
            Ok(lines) => lines.iter().for_each(|line| text.push_str(&format!("gate {line}\n"))),
            Err(why) => text.push_str(&format!("gate closed: {why}\n")),
        }
        text
    })?;
    Ok(if closed.is_none() { Exit::Done } else { Exit::Refused })
}

/// `promote start`.
pub(crate) async fn exec(run: &Run<'_>, args: Start) -> Result<Exit, Failure> {
    let is_dry_run = args.dry_run || args.explain_defaults;
    let wired = run.wire_to_sign(is_dry_run, Absent::of_change(is_dry_run)).await?;
    if args.explain_defaults {
        return explain(run, &wired);
    }
    let who = if args.dry_run { keys::looker } else { keys::asker };
    let ask = ask(&wired, &args, &who(run.context, &args.who, &wired)?).await?;
    let remarks = preflight::look(&wired, &ask).await?;
    is_expected(&wired, &args, &ask).await?;
    if args.dry_run {
        return show_plan(run, &wired, ask, remarks).await;
    }
    run.warn(&remarks);
    alone::nobody_holds(&wired, &ask.environment).await?;
    alone::name_waiting(run, &wired, &ask.environment).await?;
    let handle = wired.engine.request(ask).await.map_err(find::engine_failure)?;
    let waiting = if args.exit_code { Exit::Waiting } else { Exit::Done };
    let interrupt = watch::listen(run, handle.id.as_str())?;
    let mut outcome = watch::drive(run.context, &interrupt, &wired.engine, &handle).await?;
    while args.wait && matches!(outcome, Outcome::Waiting { .. } | Outcome::Busy { .. }) {
        tokio::select! {
            biased;
            () = interrupt.requested() => outcome = Outcome::Interrupted,
            () = tokio::time::sleep(LOOK_AGAIN) => {
                outcome = watch::drive(run.context, &interrupt, &wired.engine, &handle).await?;
            }
        }
    }
    run.tell(&wired, &handle, &outcome, waiting).await
}
