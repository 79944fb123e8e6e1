//! A look at every place before anything is asked for: a wrong token, a missing app or an API that does not answer is
//! told to the person who typed, and leaves nothing behind.

use clikit::Failure;
use promotion::engine::Ask;
use promotion::model::{ComponentTarget, Fleet, GroupName, Kind, Place};
use promotion::ports::{Deployer as _, PortError, PortErrorKind};

use crate::wire::Wired;

/// Looks at what `ask` would change; answers what a reader should know before anything is.
///
/// # Errors
/// 2 when the provider refuses the look (token, app) or a suite cannot run, 8 when it does not answer.
pub async fn look(wired: &Wired, ask: &Ask) -> Result<Vec<String>, Failure> {
    let suites = ask.policy.evidence.iter().flat_map(|rule| &rule.suites).chain(&ask.policy.verify);
    if let Some(problems) = suites.filter_map(|suite| wired.unreadable.get(suite)).next() {
        return Err(
            Failure::usage(problems.clone()).with_hint("nothing was changed; itest list FILE reads it, too")
        );
    }
    let mut lines = Vec::new();
    for target in &ask.components {
        let place = &target.place;
        let looked = wired.deployer.observe_fleet(place).await;
        let fleet = looked.map_err(|error| failure(place, error))?;
        if !matches!(ask.kind, Kind::Rollback { .. } | Kind::Adopt | Kind::Repair) {
            lines.extend(volumes(target, &fleet));
        }
    }
    Ok(lines)
}

/// Groups whose first machines want volumes: nobody makes those (fly.md 2.2 has it as a step of `fly deploy` alone).
fn volumes(target: &ComponentTarget, fleet: &Fleet) -> Vec<String> {
    let name = &target.place.name;
    let is_new = |group: &GroupName| !fleet.live().any(|unit| unit.group == *group);
    let mut lines = Vec::new();
    for (group, shape) in target.groups.iter().filter(|(group, _)| is_new(group)) {
        let mounts = shape.config.get("mounts").and_then(|mounts| mounts.as_array());
        let volumes = mounts.into_iter().flatten().filter_map(|mount| mount.get("name")?.as_str());
        for volume in volumes {
            let each = shape.counts.iter().map(|(region, n)| {
                format!("`fly volumes create {volume} --app {name} --region {region} --count {n}`")
            });
            lines.push(format!(
                "group `{group}` of `{name}` is new and mounts the volume `{volume}`, which this version does not make; \
                 before anything is changed: {}",
                each.collect::<Vec<_>>().join(", ")
            ));
        }
    }
    lines
}

/// Why nothing can be done anywhere: no environment's provider can be reached. One that answers is worth a try.
pub async fn away(wired: &Wired) -> Option<Failure> {
    let mut last = None;
    for name in wired.project.environments().keys() {
        let targets = wired.targets(name.as_str()).ok()?;
        let place = targets.components().first().and_then(|component| targets.place(component).ok())?;
        match wired.deployer.observe_fleet(&place).await {
            Err(error) if error.kind == PortErrorKind::NotSent => last = Some(failure(&place, error)),
            Err(_) | Ok(_) => return None,
        }
    }
    last
}

/// A place that could not be looked at, for people.
pub fn failure(place: &Place, error: PortError) -> Failure {
    let what = format!("`{}` in {} cannot be looked at", place.name, place.environment);
    match error.kind {
        PortErrorKind::Refused | PortErrorKind::Fenced => Failure::usage(what)
            .with_why(error.message)
            .with_hint(format!("check app and token of [environments.{}]", place.environment)),
        PortErrorKind::NotSent | PortErrorKind::Ambiguous | PortErrorKind::Held => Failure::unavailable(what)
            .with_why(error.message)
            .with_hint("try again when the provider answers; nothing was changed"),
    }
}
