//! What an environment looks like at rest, ids and versions apart.

use std::collections::BTreeMap;

use super::world::World;
use crate::model::{UnitState, label};
use crate::rollout::UnitCall;
use flytypes::Digest;

/// Every unit of production by what it is, sorted; two environments are alike when these are equal.
pub async fn shape(world: &World) -> Vec<String> {
    let mut shapes = Vec::new();
    for component in ["api", "web"] {
        for unit in world.fleet("production", component).await.units {
            let labels: BTreeMap<&str, &str> = unit
                .labels
                .iter()
                // The one trace of a unit that was made again because its forerunner was gone.
                .filter(|(key, _)| *key != label::RESTORES)
                .map(|(key, value)| {
                    (key.as_str(), if key == label::PARKED_UNTIL { "…" } else { value.as_str() })
                })
                .collect();
            // Whoever fell asleep in traffic is one that runs, until a request wakes it.
            let naps = !unit.cordoned && (unit.is_asleep() || unit.woken().is_some());
            let state = if naps { UnitState::Started } else { unit.state };
            shapes.push(format!(
                "{component} {}/{} {} {:?} cordoned={} managed={} leased={} {} {labels:?}",
                unit.group,
                unit.region,
                unit.digest.as_ref().map_or("-", Digest::short),
                state,
                unit.cordoned,
                unit.managed,
                unit.lease.is_some_and(|lease| lease.expires_at > world.now()),
                *unit.config,
            ));
        }
    }
    shapes.sort();
    shapes
}

/// The commands that ran, each with its place and image; two of one kind are one too many.
pub fn commands(world: &World) -> Vec<(String, String)> {
    let of = |it: super::Executed| (it.place.name, it.digest);
    let mut ran: Vec<_> = world.provider.executed().into_iter().map(of).collect();
    ran.sort();
    ran
}

/// What is wrong with the commands that ran: one that ran twice, or a machine of one that is still there.
pub fn strays(world: &World) -> Option<String> {
    let ran = commands(world);
    let twice =
        ran.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| format!("ran twice: {:?}", pair[0]));
    let there = world.provider.commands_there();
    twice.or_else(|| (there > 0).then(|| format!("{there} machines of commands are left")))
}

/// How often each kind of call landed at production's places: those that are no mere repetition when they land twice.
pub fn landed(world: &World, since: usize) -> BTreeMap<(String, &'static str), usize> {
    let mut counts = BTreeMap::new();
    for (place, call) in world.provider.calls().into_iter().skip(since) {
        if matches!(call, UnitCall::Create { .. } | UnitCall::Update { .. } | UnitCall::Destroy { .. }) {
            *counts.entry((place.name, call.verb())).or_default() += 1;
        }
    }
    counts
}
