//! What a plan says about how a fleet will change, in words.

use std::collections::BTreeSet;

use super::call::Job;
use super::pool::on_trial;
use super::role::Want;
use super::seen::Seen;
use super::sets::sets;
use super::waves::{Scope, Waves};
use crate::model::{ComponentTarget, Fleet, GroupName, Strategy};

/// What a reader should know before approving: why it goes this way, who is on trial, which groups come and go. One line
/// for each.
pub fn remarks(job: Job<'_>, fleet: &Fleet) -> Vec<String> {
    let mut lines = Vec::new();
    let (target, name) = (job.target, &job.target.place.name);
    if let Some(because) = &target.because {
        let how = match target.strategy {
            Strategy::BlueGreen => "by a second fleet",
            Strategy::Rolling => "machine by machine, where they stand",
            Strategy::Canary => "where they stand, the first of them on trial",
            Strategy::Immediate => "all at once",
        };
        lines.push(format!("`{name}` changes {how}: {because}"));
    }
    if job.snapshot.units.is_empty() {
        return lines;
    }
    if target.strategy == Strategy::Canary {
        trial(job, fleet, &mut lines);
    }
    waves(job, &mut lines);
    groups(job, &mut lines);
    lines
}

/// Who is on trial, wave by wave.
fn trial(job: Job<'_>, fleet: &Fleet, lines: &mut Vec<String>) {
    let (name, bake) = (&job.target.place.name, job.target.limits.bake);
    let (seen, waves) = (Seen::new(job, fleet), Waves::new(job));
    for n in 0..waves.count() {
        let wants = sets(job, &seen, &waves, Scope::One(n), None).in_place;
        let on_trial = on_trial(&wants);
        let title = waves.title(n);
        if !on_trial.is_empty() {
            let ids: Vec<&str> = on_trial.iter().map(|unit| unit.as_str()).collect();
            let (machines, serve) =
                if ids.len() == 1 { ("machine", "serves") } else { ("machines", "serve") };
            lines.push(format!(
                "`{name}`{title}: {machines} {} {serve} the new release for {bake} before any other changes; there are \
                 no traffic weights, so what they get is their share of the machines",
                ids.join(", ")
            ));
        }
        let serving = || wants.iter().filter(|want| want.role.duty.runs() && want.served);
        let group = |want: &Want<'_>| want.role.shape.group.clone();
        let tried: BTreeSet<GroupName> =
            serving().filter(|want| on_trial.contains(want.unit)).map(group).collect();
        let all: BTreeSet<GroupName> = serving().map(group).collect();
        for group in all.difference(&tried) {
            lines.push(format!(
                "`{name}`{title}: one machine of group `{group}` serves there, which is nobody's share: it changes \
                 without a trial, as in a rolling update"
            ));
        }
    }
}

/// Which regions change when, and which names of waves mean nobody.
fn waves(job: Job<'_>, lines: &mut Vec<String>) {
    let (target, name) = (job.target, &job.target.place.name);
    if target.waves.is_empty() {
        return;
    }
    if target.strategy == Strategy::Immediate {
        lines.push(format!("`{name}` changes all at once: its waves do not count"));
        return;
    }
    let waves = Waves::new(job);
    let titles: Vec<String> = (0..waves.count()).map(|n| waves.regions(n)).collect();
    lines.push(format!("`{name}` changes region by region: {}", titles.join("; then ")));
    let known = waves.all();
    for region in target.waves.iter().flatten().filter(|region| !known.contains(region)) {
        lines.push(format!("`{name}` has no machine in region {region}, which a wave names"));
    }
}

/// Groups that come and go.
fn groups(job: Job<'_>, lines: &mut Vec<String>) {
    let (target, name) = (job.target, &job.target.place.name);
    let found: BTreeSet<&GroupName> = job.snapshot.units.iter().map(|record| &record.unit.group).collect();
    for (group, shape) in target.groups.iter().filter(|(group, _)| !found.contains(group)) {
        let n: u32 = shape.counts.values().sum();
        let machines = if n == 1 { "machine is" } else { "machines are" };
        lines.push(format!("`{name}`: group `{group}` is new: {n} {machines} made for it"));
    }
    for group in found.iter().filter(|group| !target.groups.contains_key(**group)) {
        let n = job.snapshot.units.iter().filter(|record| record.unit.group == **group).count();
        let machines = if n == 1 { "machine is" } else { "machines are" };
        lines.push(format!(
            "`{name}`: group `{group}` is not in the configuration any more: its {n} {machines} parked like an old \
             fleet, and a rollback brings them back"
        ));
    }
}

/// Why `target` may not be put beside `fleet`: none of its groups runs there, and each of those that run would be put
/// away for a second fleet. That is what a missing list of processes looks like (flyctl #4886, #4982).
pub fn is_second_fleet(target: &ComponentTarget, fleet: &Fleet) -> Option<String> {
    let found: BTreeSet<&GroupName> = fleet.live().map(|unit| &unit.group).collect();
    if found.is_empty() || found.iter().any(|group| target.groups.contains_key(*group)) {
        return None;
    }
    let list = |groups: Vec<&GroupName>| {
        let quoted: Vec<String> = groups.into_iter().map(|group| format!("`{group}`")).collect();
        quoted.join(", ")
    };
    Some(format!(
        "the machines of `{}` are of group {}, and the configuration has only {}: is its [processes] missing? To \
         rename a group, promote once with both, then without the old one",
        target.place.name,
        list(found.into_iter().collect()),
        list(target.groups.keys().collect()),
    ))
}
