//! What is wrong at the end of a promotion in which somebody was killed.

use std::collections::BTreeMap;

use flytypes::wire::MachineState;
use promotion::machine::{Event, Phase};

use super::play::{Model, Play};
use super::report::Report;
use super::trace::Trace;
use crate::support::{PRODUCTION, Stage};

/// State, cordon, whether it runs the new release, region, whether somebody leases it; per machine.
pub(super) type Shape = Vec<(String, bool, bool, String, bool)>;

/// The fleets that earlier promotions parked: not to be touched. Machine → version and cordon.
pub(super) type Parked = BTreeMap<String, String>;

pub(super) async fn parked(stage: &Stage) -> Parked {
    let machines = stage.machines(PRODUCTION).await;
    let stopped = machines.iter().filter(|machine| machine.state == MachineState::Stopped);
    stopped
        .map(|machine| (machine.id.to_string(), format!("{:?} {}", machine.instance_id, machine.cordoned)))
        .collect()
}

pub(super) async fn shape(stage: &Stage, parked: &Parked, version: &str) -> Shape {
    let mut shape = Shape::new();
    for machine in stage.machines(PRODUCTION).await {
        if machine.state == MachineState::Destroyed || parked.contains_key(machine.id.as_str()) {
            continue;
        }
        let config = serde_json::to_value(&machine.config).unwrap();
        let labels = serde_json::to_value(&machine.image_ref).unwrap();
        let is_new = labels["labels"]["org.opencontainers.image.version"] == version
            || config["image"].as_str().is_some_and(|image| image.contains(version));
        let state = format!("{:?}", machine.state);
        let leased = machine.nonce.is_some() || machine.lease.is_some();
        shape.push((state, machine.cordoned, is_new, machine.region.to_string(), leased));
    }
    shape.sort();
    shape
}

/// Whether machines of both releases take traffic.
fn is_mixed(shape: &Shape) -> bool {
    let serves = |new: bool| {
        shape.iter().any(|(state, cordoned, is_new, ..)| state == "Started" && !cordoned && *is_new == new)
    };
    serves(true) && serves(false)
}

/// What became of the word of the person who said yes (P1: it counts over this plan, and is asked for once).
fn approvals(trace: &Trace, was_told: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let given = trace.phases().position(|(event, _)| matches!(event, Event::Approve(_)));
    let Some(given) = given else {
        if was_told {
            wrong.push("`approve` ended with 0 and the journal has no approval".to_owned());
        }
        if trace.effects().next().is_some() {
            wrong.push("machines were changed and nobody had approved it".to_owned());
        }
        return wrong;
    };
    let again: Vec<Phase> = trace.phases().skip(given + 1).map(|(_, phase)| phase).collect();
    if again.iter().any(|phase| matches!(phase, Phase::Planned | Phase::AwaitingApproval)) {
        wrong.push(format!("it was approved and asked again: {again:?}"));
    }
    wrong
}

/// Compares with the undisturbed promotion. Where the stand-in died as well, the last lines of its log may be gone with it,
/// and `has_lost_lines`: then nothing may have landed more often. What did not come to its end is judged for its approval alone.
pub(super) async fn judge(
    stage: &Stage,
    play: &Play<'_>,
    model: &Model,
    version: &str,
    (line, has_lost_lines): (&str, bool),
    report: &mut Report,
) {
    let trace = &play.watch.trace;
    let id = trace.id().map(ToString::to_string).unwrap_or_default();
    let say = |what: &str| format!("{line}: {id}: {what}");
    report.lost_approvals.extend(approvals(trace, play.was_approved).iter().map(|what| say(what)));
    if !trace.is_over() {
        return;
    }
    for key in trace.twins() {
        report.double_effects.push(say(&format!("two machines under {key}")));
    }
    let landed = trace.landed();
    let sum = |times: Option<&Vec<usize>>| times.map_or(0, |times| times.iter().sum::<usize>());
    let more: Vec<_> = landed.keys().filter(|it| sum(landed.get(*it)) > sum(model.landed.get(*it))).collect();
    if !more.is_empty() {
        let what = format!("{more:?} landed more often: {landed:?} and undisturbed {:?}", model.landed);
        report.double_effects.push(say(&what));
    } else if landed != model.landed && !has_lost_lines {
        report.violations.push(say(&format!("landed {landed:?} and undisturbed {:?}", model.landed)));
    }
    if trace.phase() != model.act.end() {
        report.violations.push(say(&format!("ended as {}", trace.phase())));
    }
    let parked_after = parked(stage).await;
    if !play.parked.iter().all(|(id, was)| parked_after.get(id) == Some(was)) {
        report.violations.push(say(&format!("parked before {:?} and after {parked_after:?}", play.parked)));
    }
    let shape = shape(stage, &play.parked, version).await;
    if is_mixed(&shape) && trace.phase() != Phase::RollbackFailed {
        report.mixed_fleets.push(say(&format!("both releases serve: {shape:?}")));
    } else if shape != model.shape {
        report.violations.push(say(&format!("left {shape:?} and undisturbed {:?}", model.shape)));
    }
}
