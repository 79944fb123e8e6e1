//! The project file and its fly.toml files against each other.

use std::collections::BTreeSet;

use crate::{
    Code, ComponentName, Problem, SecretRef, Severity,
    fly_toml::{FlyToml, impossible},
    project::{Class, Component, Project, StoreUrl, Strategy},
};

/// What a component's fly.toml and the project file say that does not fit. `file` is the fly.toml's name for messages,
/// `project_file` the project file's.
pub fn findings(
    project: &Project,
    project_file: &str,
    component: &ComponentName,
    file: &str,
    fly: &FlyToml,
) -> Vec<Problem> {
    let mut list = Vec::new();
    list.extend(other_app(project, component, file, fly));
    list.extend(no_checks(project, component, file, fly));
    list.extend(secrets(project, file, fly));
    list.extend(required(project, component, file, fly));
    list.extend(sizes(project, project_file, component, file, fly));
    list.extend(volumes(project, project_file, component, file, fly));
    list
}

/// `fly deploy` by hand would go to another app than ours.
fn other_app(project: &Project, component: &ComponentName, file: &str, fly: &FlyToml) -> Option<Problem> {
    let app = fly.app.as_ref()?;
    let mut bound = project
        .environments()
        .values()
        .filter_map(|e| Some((e, e.bindings.get(component)?.as_fly()?)))
        .peekable();
    bound.peek()?;
    let production = bound.find(|(e, _)| e.class.value == Class::Production);
    let (environment, binding) = production?;
    if binding.app.value == *app {
        return None;
    }
    let what = format!(
        "`{file}` is for the app `{app}`, and `{}` binds `{component}` to `{}`",
        environment.name, binding.app.value
    );
    let problem = Problem::about_file(Severity::Warning, Code::OtherApp, file, what);
    Some(
        problem
            .because("the file is production's, and `fly deploy` by hand would change the wrong app")
            .with_hint(format!("set `app = \"{}\"` in `{file}`", binding.app.value)),
    )
}

/// A machine that started is not a machine that works.
fn no_checks(project: &Project, component: &ComponentName, file: &str, fly: &FlyToml) -> Vec<Problem> {
    let Some(Component::Fly { healthy: None, .. }) = project.components().get(component) else {
        return Vec::new();
    };
    fly.unchecked()
        .iter()
        .map(|group| {
            let what = format!("the process group `{group}` of `{component}` has no health check");
            let mut problem = Problem::about_file(Severity::Error, Code::NoChecks, file, what);
            if let Some(place) = fly.group_places.get(group) {
                (problem.line, problem.column) = *place;
            }
            problem
                .because("a machine that started is not a machine that works, so nothing proves that it is healthy")
                .with_hint(format!(
                    "add a check to `{file}`, or name another proof: `[components.{component}]` \
                     `healthy = {{ started-for = \"30s\" }}`"
                ))
        })
        .collect()
}

/// Sizes that Fly does not have, and that only an overlay makes.
fn sizes(
    project: &Project,
    project_file: &str,
    component: &ComponentName,
    file: &str,
    fly: &FlyToml,
) -> Vec<Problem> {
    let mut list = Vec::new();
    let production = fly.flatten();
    for environment in project.environments().values() {
        let Some(binding) = environment.bindings.get(component).and_then(|b| b.as_fly()) else { continue };
        let mut overlaid = fly.clone();
        overlaid.apply_overlay(&binding.overlay);
        for (group, config) in overlaid.flatten() {
            let is_new = production.get(&group).is_none_or(|before| before.guest != config.guest);
            let Some(why) = config.guest.as_ref().filter(|_| is_new).and_then(impossible) else { continue };
            let what = format!(
                "the overlay of `{}` makes a size that Fly does not have, for the group `{group}` of `{file}`",
                environment.name
            );
            let mut problem =
                Problem::about_file(Severity::Warning, Code::Guest, project_file, what).because(why);
            if let crate::Source::File { line, column } = binding.app.source {
                (problem.line, problem.column) = (line, column);
            }
            problem.key = format!("environments.{}.{component}.overlay.vm", environment.name);
            list.push(problem);
        }
    }
    list
}

/// A variable of the app with the name under which we look for a secret of ours.
fn secrets(project: &Project, file: &str, fly: &FlyToml) -> Vec<Problem> {
    let tokens = project
        .environments()
        .values()
        .flat_map(|e| [&e.fly.token.value, &e.registry.pull.value, &e.registry.push.value]);
    let store = match project.store().map(|store| &store.url) {
        Some(StoreUrl::Secret(reference)) => Some(reference),
        _ => None,
    };
    let names: BTreeSet<&str> = tokens
        .chain(store)
        .filter_map(|reference| match reference {
            SecretRef::Variable(name) => Some(name.as_str()),
            SecretRef::File(_) => None,
        })
        .collect();
    let clashes = names.into_iter().filter(|name| fly.env.contains_key(*name));
    clashes
        .map(|name| {
            let what = format!("`{name}` is a secret of the project file and stands in `[env]` too");
            let mut problem = Problem::about_file(Severity::Warning, Code::EnvSecret, file, what)
                .because("what stands in `[env]` is in git, and every machine of the app gets it")
                .with_hint("remove the variable; if a real secret was written there, replace it");
            problem.key = format!("env.{name}");
            if let Some(place) = fly.env_places.get(name) {
                (problem.line, problem.column) = *place;
            }
            problem
        })
        .collect()
}

/// A secret that the component cannot do without, with a value in plain sight beside it.
fn required(project: &Project, component: &ComponentName, file: &str, fly: &FlyToml) -> Vec<Problem> {
    let Some(Component::Fly { required_secrets, .. }) = project.components().get(component) else {
        return Vec::new();
    };
    let names = required_secrets.value.iter().filter(|name| fly.env.contains_key(name.as_str()));
    names
        .map(|name| {
            let what = format!("`{name}` is a secret that `{component}` requires and stands in `[env]` too");
            let mut problem = Problem::about_file(Severity::Warning, Code::EnvSecret, file, what)
                .because("a machine gets one of the two, and what stands in `[env]` is in git")
                .with_hint("remove the variable; if a real secret was written there, replace it");
            problem.key = format!("env.{name}");
            if let Some(place) = fly.env_places.get(name.as_str()) {
                (problem.line, problem.column) = *place;
            }
            problem
        })
        .collect()
}

fn volumes(
    project: &Project,
    project_file: &str,
    component: &ComponentName,
    file: &str,
    fly: &FlyToml,
) -> Vec<Problem> {
    if fly.mounts.is_empty() {
        return Vec::new();
    }
    let mut list = Vec::new();
    for ((from, to), policy) in project.paths() {
        let Some(strategy) = &policy.strategy else { continue };
        if strategy.value != Strategy::BlueGreen {
            continue;
        }
        let what = format!("the strategy `{}` cannot be used for `{component}`", strategy.value);
        let mut problem = Problem::about_file(Severity::Error, Code::PolicyVolumes, project_file, what)
            .because(format!(
                "`{file}` has volumes, and a volume belongs to one machine and cannot be in two fleets"
            ))
            .with_hint("use `strategy = \"rolling\"`, or leave it out");
        if let crate::Source::File { line, column } = strategy.source {
            (problem.line, problem.column) = (line, column);
        }
        problem.key = format!("promotion.{from}.{to}.strategy");
        list.push(problem);
    }
    list
}
