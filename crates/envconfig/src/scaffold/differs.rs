//! How staging's fly.toml differs from production's, in the words of an overlay.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{FoundStaging, credential::is_one_environments};
use crate::{
    VariableName,
    fly_toml::{FlyToml, Overlay, Vm, VmOverlay},
};

/// What `staging`, read from `config`, says differently from `production`.
pub(super) fn from(production: &FlyToml, staging: &FlyToml, config: &str) -> FoundStaging {
    let secrets = named(staging, is_one_environments);
    let overlay = overlay(production, staging, &secrets);
    let (mut overlaid, mut shown) = (production.clone(), staging.clone());
    overlaid.apply_overlay(&overlay);
    shown.env.retain(|name, _| !secrets.contains(name));
    FoundStaging {
        config: config.to_owned(),
        app: staging.app.clone(),
        beyond: beyond(&overlaid, &shown),
        overlay,
        secrets,
    }
}

/// Variables of `fly` of which `is` holds.
pub(super) fn named(fly: &FlyToml, is: impl Fn(&str, &str) -> bool) -> BTreeSet<String> {
    fly.env.iter().filter(|(name, value)| is(name, value)).map(|(name, _)| name.clone()).collect()
}

/// Those that an overlay can leave out: a project file has no other names.
pub(super) fn without(names: &BTreeSet<String>) -> BTreeSet<VariableName> {
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

fn overlay(production: &FlyToml, staging: &FlyToml, secrets: &BTreeSet<String>) -> Overlay {
    let is_secret = |name: &str| secrets.contains(name);
    let is_other =
        |(name, value): &(&String, &String)| production.env.get(*name) != Some(*value) && !is_secret(name);
    let env =
        staging.env.iter().filter(is_other).map(|(name, value)| (name.clone(), value.clone())).collect();
    // What staging has not, or has as a secret of its own.
    let without_env =
        without(&named(production, |name, _| !staging.env.contains_key(name) || is_secret(name)));
    let mut overlay = Overlay { env, without_env, ..Overlay::default() };
    overlay.primary_region =
        staging.primary_region.clone().filter(|it| Some(it) != production.primary_region.as_ref());
    if staging.vm != production.vm
        && let [only] = staging.vm.as_slice()
    {
        overlay.vm = Some(VmOverlay::of(sized(only.value.clone(), production)));
    }
    overlay.min_machines_running = one(production, staging, |service| service.min_machines_running);
    overlay.auto_stop_machines = one(production, staging, |service| service.autostop.clone());
    overlay.auto_start_machines = one(production, staging, |service| service.autostart);
    overlay
}

/// Where production has a preset, one has to be said, or the preset's values would stay beside staging's.
fn sized(vm: Vm, production: &FlyToml) -> Vm {
    let is_over = production.vm.iter().any(|own| own.value.size.is_some());
    Vm { size: vm.size.or_else(|| is_over.then(|| "shared-cpu-1x".to_owned())), ..vm }
}

/// What all services of staging say alike, where those of production say something else.
fn one<T: PartialEq>(
    production: &FlyToml,
    staging: &FlyToml,
    of: impl Fn(&flytypes::machine::Service) -> Option<T>,
) -> Option<T> {
    let all = |fly: &FlyToml| {
        let services = fly.http_service.iter().chain(&fly.services);
        services.map(|service| of(&service.value)).collect::<Vec<_>>()
    };
    let (before, mut wanted) = (all(production), all(staging));
    let first = wanted.pop()??;
    let is_one = wanted.iter().all(|it| it.as_ref() == Some(&first));
    (is_one && before.iter().any(|it| it.as_ref() != Some(&first))).then_some(first)
}

/// In what they would still differ: sections of fly.toml, and paths of the Machines API's configuration.
fn beyond(overlaid: &FlyToml, staging: &FlyToml) -> Vec<String> {
    let (ours, theirs) = (overlaid.flatten(), staging.flatten());
    let mut paths = BTreeSet::new();
    let sections = [
        ("deploy", overlaid.deploy != staging.deploy),
        ("statics", overlaid.statics != staging.statics),
        ("primary_region", overlaid.primary_region != staging.primary_region),
    ];
    paths.extend(sections.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned()));
    for group in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        match (ours.get(group), theirs.get(group)) {
            (Some(ours), Some(theirs)) => {
                let json = |config| serde_json::to_value(config).unwrap_or_default();
                compare(&json(ours), &json(theirs), "", &mut paths);
            }
            _ => drop(paths.insert(format!("processes.{group}"))),
        }
    }
    // It follows from the region.
    paths.remove("env.PRIMARY_REGION");
    paths.into_iter().collect()
}

fn compare(ours: &Json, theirs: &Json, path: &str, paths: &mut BTreeSet<String>) {
    match (ours, theirs) {
        (Json::Object(ours), Json::Object(theirs)) => {
            for key in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let get = |of: &serde_json::Map<String, Json>| of.get(key).cloned().unwrap_or_default();
                compare(&get(ours), &get(theirs), &below, paths);
            }
        }
        _ if ours == theirs => {}
        _ => drop(paths.insert(path.to_owned())),
    }
}
