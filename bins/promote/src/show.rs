//! What promotions look like: as JSON and for people.

use std::fmt::Write as _;

use clikit::Table;
use promotion::engine::Outcome;
use promotion::journal::{DriftEnd, DriftView, EnvironmentView, PromotionView};
use promotion::machine::{Phase, State};
use promotion::model::{
    At, ChecklistItem, ComponentName, DeploymentInfo, EnvironmentName, ImagePreview, Kind, OneOffEnd, Person,
    Plan, PromotionId, RollbackVerdict,
};
use serde_json::{Value, json};

use crate::commands::closing::closed;
use crate::rules::differences;
use crate::watch::{bytes, bytes_of};

/// How a drive of `id` came out, as the word for `state`.
pub(crate) fn state(id: &PromotionId, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ended(phase) => phase.to_string(),
        Outcome::Waiting { .. } => "waiting".to_owned(),
        Outcome::Busy { by } if runner(id, by).is_some() => "driven".to_owned(),
        Outcome::Busy { .. } => "queued".to_owned(),
        Outcome::Interrupted => "interrupted".to_owned(),
    }
}

/// The same for people, with who holds what it waits for.
pub(crate) fn state_text(id: &PromotionId, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Busy { by } => match runner(id, by) {
            Some(runner) => format!("driven by another runner ({runner})"),
            None => format!("queued behind {by}"),
        },
        Outcome::Ended(_) | Outcome::Waiting { .. } | Outcome::Interrupted => state(id, outcome),
    }
}

/// Who holds what a drive waits for.
pub(crate) fn holder(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Busy { by } => Some(by),
        Outcome::Ended(_) | Outcome::Waiting { .. } | Outcome::Interrupted => None,
    }
}

/// The other runner that drives this very promotion; a lease's holder is `RUNNER for PROMOTION`.
fn runner<'h>(id: &PromotionId, holder: &'h str) -> Option<&'h str> {
    match holder.split_once(" for ") {
        Some((runner, promotion)) => (promotion == id.as_str()).then_some(runner),
        // Whoever took it from us while we drove.
        None => (holder == "another runner").then_some("it took over"),
    }
}

/// A value that has a name on the wire, in words: `settling-in` is "settling in".
pub(crate) fn words(value: impl serde::Serialize) -> String {
    let name = serde_json::to_value(value).unwrap_or_default();
    name.as_str().unwrap_or_default().replace('-', " ")
}

/// Since when that runs which runs now: the end of the last promotion that put something there, or back.
pub(crate) fn since(view: &EnvironmentView) -> Option<At> {
    let put = |phase| matches!(phase, Phase::Succeeded | Phase::RolledBack);
    let last = view.ended().filter(|promotion| put(promotion.state.phase)).last();
    view.current().and(last).map(|promotion| promotion.state.facts.phase_since)
}

/// One promotion as JSON.
pub(crate) fn promotion(view: &PromotionView) -> Value {
    let facts = &view.state.facts;
    json!({
        "id": view.id(),
        "environment": facts.request.environment,
        "verb": facts.request.kind.verb(),
        "phase": view.state.phase,
        "since": facts.phase_since.to_string(),
        "version": facts.request.release.version,
        "commit": facts.request.release.commit,
        "tree": facts.request.release.tree,
        "release": facts.request.release.id(),
        "digests": facts.request.release.components,
        "requested_by": facts.request.requested_by,
        "plan": facts.plan.as_ref().map(|plan| plan.hash.clone()),
        "checklist": checklist(&view.state),
        "approvals": facts.approvals.iter().map(|approval| json!({"by": approval.by, "at": approval.at.to_string()})).collect::<Vec<_>>(),
        "attestations": facts.attestations.iter().map(|it| json!({"suite": it.statement.suite, "by": it.by})).collect::<Vec<_>>(),
        "images": facts.images,
        "release_commands": commands(view).map(|(component, end)| json!({
            "component": component, "exit_code": end.exit_code, "why": end.why, "log": end.log,
        })).collect::<Vec<_>>(),
        "why": facts.failure.as_ref().map(|failure| failure.why.clone()),
        "stalled": facts.stalled,
    })
}

/// How release commands ended.
fn commands(view: &PromotionView) -> impl Iterator<Item = (&ComponentName, &OneOffEnd)> {
    view.one_offs.iter().filter_map(|(component, command)| Some((component, command.ended.as_ref()?)))
}

/// One promotion for people.
pub(crate) fn promotion_text(view: &PromotionView) -> String {
    let facts = &view.state.facts;
    let request = &facts.request;
    let mut out = String::new();
    let _ = writeln!(out, "promotion  {}", view.id());
    let _ = writeln!(
        out,
        "what       {} {} into {}",
        request.kind.verb(),
        request.release.version,
        request.environment
    );
    let _ = writeln!(out, "commit     {}", request.release.commit);
    for (component, digest) in &request.release.components {
        let _ = writeln!(out, "image      {component} {digest}");
    }
    let _ = writeln!(out, "asked by   {}", request.requested_by);
    out.push_str(&checklist_text(&view.state));
    for approval in &facts.approvals {
        let _ = writeln!(out, "approved   {} at {}", approval.by, approval.at);
    }
    if let Some(glass) = &request.break_glass {
        let _ = writeln!(out, "exception  {glass}");
    }
    if let Some(plan) = &facts.plan {
        let _ = writeln!(out, "plan       {}", plan.hash);
    }
    for (component, end) in commands(view) {
        let code = end.exit_code.map_or_else(|| "unknown".to_owned(), |code| code.to_string());
        let _ = writeln!(out, "command    {component}: exit code {code}");
        for line in &end.log {
            let _ = writeln!(out, "           | {line}");
        }
    }
    let _ = writeln!(out, "phase      {} since {}", view.state.phase, facts.phase_since);
    if let Some(why) = facts.failure.as_ref().map(|failure| &failure.why).or(facts.stalled.as_ref()) {
        let _ = writeln!(out, "why        {why}");
    }
    out
}

/// The checklist of a promotion, item by item; empty where there is none to be done.
fn checklist(state: &State) -> Value {
    let items = state.policy().checklist.iter().filter(|_| state.needs_checklist());
    let item = |item: &ChecklistItem| {
        let word = state.checked(&item.id);
        json!({
            "id": item.id, "text": item.text, "by": item.by, "done": word.is_some(),
            "checked_by": word.map(|it| &it.by), "at": word.map(|it| it.at.to_string()),
            "comment": word.and_then(|it| it.comment.as_ref()),
        })
    };
    items.map(item).collect()
}

/// The same for people.
pub(crate) fn checklist_text(state: &State) -> String {
    let mut out = String::new();
    for item in state.policy().checklist.iter().filter(|_| state.needs_checklist()) {
        let _ = match state.checked(&item.id) {
            Some(word) => {
                let comment = word.comment.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
                writeln!(out, "checked    {} ({}) by {} at {}{comment}", item.id, item.text, word.by, word.at)
            }
            None => writeln!(out, "open       {} ({}), by {}", item.id, item.text, item.people()),
        };
    }
    out
}

/// A plan for people: the target, what leads there, what to know. Where the glass was broken nobody is asked for its checklist.
pub(crate) fn plan_text(plan: &Plan, is_broken: bool) -> String {
    let target = &plan.target;
    let mut out = String::new();
    let _ = writeln!(out, "plan {}", plan.hash);
    let _ = writeln!(
        out,
        "{} {} ({}) into {}",
        target.kind.verb(),
        target.release.version,
        target.release.commit,
        target.environment
    );
    for component in &target.components {
        let now = target.baseline.get(&component.place.component);
        let now: Vec<_> =
            now.into_iter().flat_map(|base| &base.digests).map(flytypes::Digest::short).collect();
        let digest = component.digest().map_or("", |digest| digest.short());
        let before = if now.is_empty() { "nothing".to_owned() } else { now.join(", ") };
        let _ =
            writeln!(out, "  {} `{}`: {before} -> {digest}", component.place.component, component.place.name);
        let images = plan.images.iter().filter(|image| image.component == component.place.component);
        for image in images {
            let _ = writeln!(out, "    {}", image_text(image));
        }
        for (group, shape) in &component.groups {
            let counts: Vec<_> = shape.counts.iter().map(|(region, n)| format!("{n} in {region}")).collect();
            let _ = writeln!(out, "    {group}: {} by {}", counts.join(", "), words(component.strategy));
        }
    }
    for (file, hash) in &target.base_data {
        let _ = writeln!(out, "  base data: {file} {}", hash.short());
    }
    let rollback = match &target.rollback {
        RollbackVerdict::Allowed => "allowed: images, configuration, counts and cordons come back".to_owned(),
        RollbackVerdict::Nothing => "there is nothing to go back to".to_owned(),
        RollbackVerdict::Caveat(why) | RollbackVerdict::Unknown(why) => why.clone(),
    };
    let _ = writeln!(out, "  rollback: {rollback}");
    for item in target.policy.checklist.iter().filter(|_| target.kind == Kind::Promote && !is_broken) {
        let _ = writeln!(out, "  checklist: {} ({}), by {}", item.id, item.text, item.people());
    }
    if let Some(rule) = target.policy.approvals.as_ref().filter(|rule| rule.count > 0)
        && matches!(target.kind, Kind::Promote | Kind::Repair)
    {
        let from: Vec<_> = rule.from.iter().map(Person::as_str).collect();
        let _ = writeln!(out, "  approval: {} of {}, who did not ask", rule.count, from.join(", "));
    }
    if let Some(change) = &target.policy_change {
        let _ =
            writeln!(out, "  this release brings other rules; it is judged by those of the release before:");
        for (rule, before, brought) in differences(&target.policy, change) {
            let _ = writeln!(out, "    {rule}: {before}; the release brings {brought}");
        }
    }
    for warning in &plan.warnings {
        let _ = writeln!(out, "  warning: {warning}");
    }
    let _ = writeln!(out, "calls if nothing goes wrong:");
    for line in &plan.preview {
        let _ = writeln!(out, "  {} {}", line.component, line.call);
    }
    out
}

/// Where an image comes from, where it goes, and what that moves.
fn image_text(image: &ImagePreview) -> String {
    let (from, to) = (&image.from, &image.to);
    if !image.is_copied() {
        return format!("image {from}: stays where it is");
    }
    let to = format!("{}/{}", to.registry(), to.repository());
    let moves = match (image.bytes_missing, image.can_mount) {
        (0, _) => format!("all of its {} are there", bytes(image.bytes_total)),
        (missing, true) => {
            format!("{} to move, which the registry may link by itself", bytes_of(missing, image.bytes_total))
        }
        (missing, false) => format!("{} to move, through here", bytes_of(missing, image.bytes_total)),
    };
    format!("image {from} -> {to}: {moves}")
}

/// One time that an environment was taken out of our hands.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Eject {
    pub(crate) environment: EnvironmentName,
    #[serde(serialize_with = "as_text")]
    pub(crate) at: At,
    pub(crate) by: Person,
    pub(crate) reason: Option<String>,
}

fn as_text<S: serde::Serializer>(at: &At, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// Deployments as a table, environment by environment; an eject stands behind what was over by then.
pub(crate) fn history_text(history: &[(Vec<DeploymentInfo>, Vec<Eject>)]) -> String {
    let mut table = Table::new(["id", "environment", "verb", "version", "status", "at", "by", "why"]);
    for (deployments, ejects) in history {
        let place = |eject: &Eject| deployments.iter().rposition(|it| it.deployed_at <= eject.at);
        let mut ejects = ejects.iter().map(|eject| (place(eject).map_or(0, |n| n + 1), eject)).peekable();
        for n in 0..=deployments.len() {
            while let Some((_, eject)) = ejects.next_if(|(place, _)| *place <= n) {
                let (environment, by) = (eject.environment.as_str(), eject.by.as_str());
                let why = eject.reason.as_deref().unwrap_or("");
                table.row(["", environment, "eject", "", "ejected", &eject.at.to_string(), by, why]);
            }
            let Some(it) = deployments.get(n) else { break };
            let glass = it.break_glass.as_ref().map(ToString::to_string);
            let why: Vec<&str> = glass.as_deref().into_iter().chain(it.why.as_deref()).collect();
            let status = serde_json::to_value(it.status).unwrap_or_default();
            table.row([
                it.id.as_str(),
                it.environment.as_str(),
                it.verb.as_str(),
                it.version.as_str(),
                status.as_str().unwrap_or_default(),
                &it.deployed_at.to_string(),
                it.deployed_by.as_str(),
                &why.join("; "),
            ]);
        }
    }
    table.to_string()
}

/// A deployment as JSON: the fields readers outside know, and ours.
pub(crate) fn deployment(info: &DeploymentInfo) -> Value {
    let mut value = serde_json::to_value(info).unwrap_or_default();
    if let Some(glass) = &info.break_glass {
        value["breakGlass"] =
            json!({"by": glass.by, "reason": glass.reason, "until": glass.until.to_string()});
    }
    value["deployedAt"] = Value::from(info.deployed_at.to_string());
    value
}

/// What runs in an environment and what is under way.
pub(crate) fn environment(view: &EnvironmentView) -> Value {
    let live = view.promotions.values().filter(|view| !view.state.phase.is_final());
    let mut value = json!({
        "environment": view.name,
        "current": view.current().map(promotion),
        "since": since(view).map(|at| at.to_string()),
        "under_way": live.map(promotion).collect::<Vec<_>>(),
        "records": view.head,
    });
    value["drift"] = view.drift().map(drift).unwrap_or_default();
    value["closed"] = closed(view);
    let ended = view.drifts_ended().iter().map(|(it, at, end)| {
        let mut value = drift(it);
        value["ended"] = json!(at.to_string());
        value["end"] = drift_end(end);
        value
    });
    value["drift_ended"] = ended.collect();
    if let Some((at, by)) = view.ejected() {
        value["ejected"] = json!({"at": at.to_string(), "by": by});
    }
    value
}

/// Drift as JSON.
pub(crate) fn drift(drift: &DriftView) -> Value {
    let differences = drift.differences.iter().map(|difference| {
        let mut value = serde_json::to_value(difference).unwrap_or_default();
        value["since"] = json!(difference.since.map(|at| at.to_string()));
        value
    });
    json!({
        "record": drift.seq,
        "of": drift.of,
        "opened": drift.opened.to_string(),
        "changed": drift.changed.to_string(),
        "differences": differences.collect::<Vec<_>>(),
    })
}

fn drift_end(end: &DriftEnd) -> Value {
    match end {
        DriftEnd::Gone => json!({"how": "gone"}),
        DriftEnd::Accepted { by, promotion } => {
            json!({"how": "accepted", "by": by, "promotion": promotion})
        }
        DriftEnd::Repaired { by, promotion } => {
            json!({"how": "repaired", "by": by, "promotion": promotion})
        }
        DriftEnd::Replaced { promotion } => json!({"how": "replaced", "promotion": promotion}),
        DriftEnd::Ejected { by } => json!({"how": "ejected", "by": by}),
    }
}

/// Drift for people: what differs, a line each.
pub(crate) fn drift_text(drift: &DriftView) -> String {
    drift.differences.iter().map(|difference| format!("  {difference}\n")).collect()
}
