//! Every value in force, with its provenance.

use std::{collections::BTreeMap, fmt::Display};

use serde::Serialize;

use super::{Project, component::Component, environment::Environment, policy::PromotionPolicy};
use crate::{Resolved, ShellScript, Source, fly_toml::FlyToml};

/// One value in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explained {
    /// The key's path in the project file, whether it is written there or not.
    pub key: String,
    /// The value as it would be written.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
}

pub(super) fn explain(project: &Project, configs: &BTreeMap<String, FlyToml>) -> Vec<Explained> {
    let mut rows = Vec::new();
    if let Some(name) = &project.name {
        rows.push(row("project.name", name));
    }
    if let Some(store) = &project.store {
        let (value, source) = (store.url.to_string(), store.source.clone());
        rows.push(Explained { key: "store.url".to_owned(), value, source });
        if let Some(anchor) = &store.anchor {
            let (value, source) = (anchor.url.to_string(), anchor.source.clone());
            rows.push(Explained { key: "store.anchor".to_owned(), value, source });
        }
    }
    if let Some(ci) = &project.ci {
        rows.push(row("ci.action", &ci.action));
        rows.push(row("ci.runs-on", &ci.runs_on));
        // What stands in a script is nobody's business, and has many lines.
        let script = |key: &str, script: &Resolved<ShellScript>| {
            let value = format!("{} lines", script.value.as_str().lines().count());
            Explained { key: key.to_owned(), value, source: script.source.clone() }
        };
        rows.extend(ci.test.iter().map(|test| script("ci.test", test)));
        rows.extend(ci.build.iter().map(|build| script("ci.build", build)));
        rows.push(row("ci.rescue", &ci.rescue));
    }
    for (name, component) in &project.components {
        if let Component::Fly { required_secrets, .. } = component {
            rows.push(row(&format!("components.{name}.secrets.required"), &list(required_secrets)));
        }
    }
    for (name, suite) in &project.suites {
        rows.push(row(&format!("suites.{name}.file"), &suite.file));
    }
    for environment in project.environments.values() {
        environment_rows(environment, &mut rows);
    }
    for ((from, to), policy) in &project.paths {
        let path = format!("promotion.{from}.{to}");
        policy_rows(&path, policy, &mut rows);
        for (component, fly) in configs {
            component_rows(&path, component, policy, fly, &mut rows);
        }
    }
    rows
}

fn row<T: Display>(key: &str, value: &Resolved<T>) -> Explained {
    Explained { key: key.to_owned(), value: value.value.to_string(), source: value.source.clone() }
}

fn list<T: Display>(items: &Resolved<Vec<T>>) -> Resolved<String> {
    let texts: Vec<String> = items.value.iter().map(|item| format!("\"{item}\"")).collect();
    Resolved { value: format!("[{}]", texts.join(", ")), source: items.source.clone() }
}

fn environment_rows(environment: &Environment, rows: &mut Vec<Explained>) {
    let key = |field: &str| format!("environments.{}.{field}", environment.name);
    rows.push(row(&key("class"), &environment.class));
    rows.extend(environment.branch.iter().map(|branch| row(&key("branch"), branch)));
    rows.extend(environment.mirrors.iter().map(|mirrors| row(&key("mirrors"), mirrors)));
    rows.push(row(&key("lifecycle"), &environment.lifecycle));
    rows.push(row(&key("access"), &environment.access));
    rows.push(row(&key("freeze"), &list(&environment.freeze)));
    rows.push(row(&key("fly.token"), &environment.fly.token));
    rows.push(row(&key("registry.pull"), &environment.registry.pull));
    rows.push(row(&key("registry.push"), &environment.registry.push));
    rows.push(row(&key("limits.num-runners"), &environment.limits.num_runners));
    rows.push(row(&key("limits.timeout"), &environment.limits.timeout));
}

/// What a component's own fly.toml says of how it is changed, where the project file leaves it open.
fn component_rows(
    path: &str,
    component: &str,
    policy: &PromotionPolicy,
    fly: &FlyToml,
    rows: &mut Vec<Explained>,
) {
    let key = |field: &str| format!("{path}.{field} (component {component})");
    if policy.strategy.is_none() && fly.deploy.strategy.is_some() {
        rows.push(row(&key("strategy"), &fly.strategy(None)));
    }
    if policy.max_unavailable.is_default()
        && let Some(own) = fly.own_max_unavailable()
    {
        rows.push(row(&key("max-unavailable"), &own));
    }
    if policy.wait_timeout.is_default()
        && let Some(own) = fly.own_wait_timeout()
    {
        rows.push(row(&key("wait-timeout"), &own));
    }
}

fn policy_rows(path: &str, policy: &PromotionPolicy, rows: &mut Vec<Explained>) {
    let key = |field: &str| format!("{path}.{field}");
    rows.push(row(&key("suites"), &list(&policy.suites)));
    rows.push(row(&key("tests"), &policy.tests));
    rows.push(row(&key("attestation-max-age"), &policy.attestation_max_age));
    rows.push(row(&key("base-data"), &list(&policy.base_data)));
    rows.push(row(&key("approvals.count"), &policy.approvals.count));
    rows.push(row(&key("approvals.from"), &list(&policy.approvals.from)));
    rows.push(row(&key("approvals.expires"), &policy.approvals.expires));
    rows.push(row(&key("checklist"), &list(&policy.checklist)));
    match &policy.sarif {
        Some(sarif) => rows.push(row(&key("sarif"), sarif)),
        None => rows.push(row(&key("sarif"), &Resolved::default_of("none", "nobody asks for a scan"))),
    }
    match &policy.strategy {
        Some(strategy) => rows.push(row(&key("strategy"), strategy)),
        None => {
            for (volumes, note) in [(false, ""), (true, " (components with volumes)")] {
                let strategy = policy.strategy_for(volumes);
                rows.push(row(&format!("{}{note}", key("strategy")), &strategy));
            }
        }
    }
    rows.push(row(&key("soak"), &policy.soak));
    rows.push(row(&key("settle"), &policy.settle));
    rows.push(row(&key("drain"), &policy.drain));
    rows.push(row(&key("wait-timeout"), &policy.wait_timeout));
    rows.push(row(&key("max-unavailable"), &policy.max_unavailable));
    rows.push(row(&key("bake"), &policy.bake));
    rows.push(row(&key("waves"), &policy.waves));
    rows.push(row(&key("park-for"), &policy.park_for));
    rows.push(row(&key("breaker.failures"), &policy.breaker.failures));
    rows.push(row(&key("breaker.window"), &policy.breaker.window));
    rows.push(row(&key("queue"), &policy.queue));
    rows.push(row(&key("trigger"), &policy.trigger));
}
