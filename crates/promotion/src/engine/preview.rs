//! The preview: the rollout run against a provider that does everything at once and never fails.

use crate::model::{
    At, CheckResult, ComponentSnapshot, ComponentTarget, Fleet, Millis, PreviewLine, Proof, Unit, UnitId,
    UnitSpec, UnitState, UnitVersion,
};
use crate::rollout::{Direction, FIRST, Job, Observed, Progress, Stamp, UnitCall, Verdict, next};

/// More looks than any plan needs; a preview is for people and must end.
const LOOKS_MAX: usize = 10_000;

/// The calls that lead from `fleet` to `target` if nothing goes wrong.
pub(super) fn preview(target: &ComponentTarget, fleet: &Fleet, stamp: &Stamp, now: At) -> Vec<PreviewLine> {
    let Ok(snapshot) = ComponentSnapshot::take(target.place.clone(), fleet) else { return Vec::new() };
    let mut world = Perfect { fleet: fleet.clone(), target, made: 0 };
    let job = Job { target, snapshot: &snapshot, stamp, direction: Direction::Forward, undone: None };
    let mut now = now;
    let mut progress = Progress::new(FIRST, now);
    let mut lines = Vec::new();
    for _ in 0..LOOKS_MAX {
        let observed = Observed { fleet: world.fleet.clone(), ..Observed::default() };
        let decision = next(job, &observed, &progress, now);
        progress = decision.progress;
        for call in &decision.calls {
            lines.push(PreviewLine { component: target.place.component.clone(), call: call.title() });
            world.apply(call, now);
        }
        match decision.verdict {
            Verdict::Done | Verdict::Failed(_) => break,
            Verdict::Going { wake, .. } => now = wake.unwrap_or(now).max(now.plus(Millis(1))),
        }
    }
    lines
}

struct Perfect<'t> {
    fleet: Fleet,
    target: &'t ComponentTarget,
    made: u32,
}

impl Perfect<'_> {
    fn apply(&mut self, call: &UnitCall, now: At) {
        match call {
            UnitCall::Create { spec, labels, open, .. } => {
                self.made += 1;
                let (Ok(id), Ok(version)) =
                    (UnitId::new(format!("new-{}", self.made)), UnitVersion::new(format!("v{}", self.made)))
                else {
                    return;
                };
                let mut unit = Unit::new(id, version, spec);
                unit.state =
                    if spec.standby_for.is_empty() { UnitState::Started } else { UnitState::Stopped };
                unit.cordoned = !open;
                unit.labels.clone_from(labels);
                unit.concurrency = Some(0);
                self.become_spec(&mut unit, spec, now);
                self.fleet.units.push(unit);
            }
            UnitCall::Update { unit, spec, labels, start, .. } => {
                self.made += 1;
                let version = UnitVersion::new(format!("v{}", self.made));
                let Some(n) = self.fleet.units.iter().position(|seen| seen.id == *unit) else { return };
                let mut seen = self.fleet.units[n].clone();
                if let Ok(version) = version {
                    seen.version = version;
                }
                self.become_spec(&mut seen, spec, now);
                seen.state = if *start { UnitState::Started } else { UnitState::Stopped };
                seen.relabel(labels);
                self.fleet.units[n] = seen;
            }
            UnitCall::Destroy { unit } => self.fleet.units.retain(|seen| seen.id != *unit),
            UnitCall::Start { unit } => self.change(unit, |seen| seen.state = UnitState::Started),
            UnitCall::Stop { unit } => self.change(unit, |seen| seen.state = UnitState::Stopped),
            UnitCall::Cordon { unit } => self.change(unit, |seen| seen.cordoned = true),
            UnitCall::Uncordon { unit } => self.change(unit, |seen| seen.cordoned = false),
            UnitCall::Tag { unit, labels } => self.change(unit, |seen| seen.relabel(labels)),
            UnitCall::Lease { .. } | UnitCall::Unlease { .. } => {}
        }
    }

    fn change(&mut self, id: &UnitId, change: impl FnOnce(&mut Unit)) {
        if let Some(unit) = self.fleet.units.iter_mut().find(|unit| unit.id == *id) {
            change(unit);
        }
    }

    fn become_spec(&self, unit: &mut Unit, spec: &UnitSpec, now: At) {
        unit.digest = spec.image.digest().cloned();
        unit.image = Some(spec.image.clone());
        unit.config = spec.config.clone();
        unit.standby_for = spec.standby_for.clone();
        // A version long enough ago, so that proofs by time hold at once.
        unit.version_since = Some(At(0));
        unit.checks = match self.target.groups.get(&spec.group).map(|group| &group.proof) {
            Some(Proof::Checks(names)) => names
                .iter()
                .map(|name| CheckResult {
                    name: name.clone(),
                    passing: true,
                    at: Some(now),
                    output: String::new(),
                })
                .collect(),
            _ => Vec::new(),
        };
    }
}
