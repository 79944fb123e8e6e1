//! What only several sections together tell.

use std::collections::BTreeMap;

use super::{FlyToml, app_group};
use crate::{
    Code, ProcessGroup, Severity,
    project::Strategy,
    reading::{Section, Sink, Value, suggest},
};

/// The process groups that sections may name.
#[derive(Debug)]
pub(super) struct Groups {
    /// Whether `[processes]` lists them.
    is_explicit: bool,
    names: Vec<ProcessGroup>,
}

impl Groups {
    pub(super) fn new(names: Vec<ProcessGroup>) -> Self {
        let is_explicit = !names.is_empty();
        Self { is_explicit, names: if is_explicit { names } else { vec![app_group()] } }
    }

    /// The groups that a section names.
    pub(super) fn of(&self, section: &Section<'_>) -> Vec<ProcessGroup> {
        let Some(value) = section.get("processes") else { return Vec::new() };
        let mut groups = Vec::new();
        for item in value.one_or_many() {
            let Some(name) = item.parse::<ProcessGroup>() else { continue };
            if !self.names.contains(&name) {
                let names: Vec<&str> = self.names.iter().map(ProcessGroup::as_str).collect();
                let what = format!("there is no process group `{name}`");
                let why = match self.is_explicit {
                    true => "`[processes]` does not list it, so the section would be for nobody",
                    false => "without `[processes]` there is only `app`, so the section would be for nobody",
                };
                item.error(Code::NoProcessGroup, what, why, suggest(name.as_str(), &names));
            }
            groups.push(name);
        }
        groups
    }

    /// The groups of a service, which has to name them where there are several to choose from.
    pub(super) fn of_service(&self, section: &Section<'_>, value: &Value<'_>) -> Vec<ProcessGroup> {
        let groups = self.of(section);
        if groups.is_empty() && self.is_explicit {
            let what = format!("`{}` does not say which processes it serves", section.path);
            let names: Vec<String> = self.names.iter().map(|name| format!("\"{name}\"")).collect();
            let hint = format!("add `processes = [{}]` with those it is for", names.join(", "));
            let why = "flyctl refuses a service without `processes` where `[processes]` exists";
            value.sink.error(Code::NoProcesses, &value.key_span, &section.path, what, why, Some(hint));
        }
        groups
    }
}

pub(super) fn check(sink: &Sink<'_>, root: &Section<'_>, fly: &FlyToml) {
    ports(sink, root, fly);
    mounts(sink, root, fly);
    check_ports(sink, root, fly);
}

/// Public ports that two services of one group take.
fn ports(sink: &Sink<'_>, root: &Section<'_>, fly: &FlyToml) {
    let default = fly.default_group();
    let named = fly.http_service.iter().map(|s| ("http_service".to_owned(), s));
    let listed = fly.services.iter().enumerate().map(|(n, s)| (format!("services[{n}]"), s));
    let services: Vec<_> = named.chain(listed).collect();
    for group in fly.groups() {
        let mut taken: BTreeMap<(String, u16), &str> = BTreeMap::new();
        for (path, service) in services.iter().filter(|(_, s)| s.applies_to(&group, &default)) {
            for port in service.value.ports.iter().filter_map(|port| port.port) {
                let Some(first) = taken.insert((service.value.protocol.clone(), port), path) else {
                    continue;
                };
                let what = format!("the public port {port} is taken twice");
                let why = format!("by `{first}` and by `{path}`, for the process group `{group}`");
                let at = root.get("services").or_else(|| root.get("http_service"));
                let span = at.map_or(0..0, |v| v.key_span);
                sink.report(Severity::Warning, Code::PortTwice, &span, path, what, why, None);
            }
        }
    }
}

/// One volume per group, and no strategy that needs a second fleet.
fn mounts(sink: &Sink<'_>, root: &Section<'_>, fly: &FlyToml) {
    let default = fly.default_group();
    let at = root.get("mounts").or_else(|| root.get("mount"));
    let span = at.map_or(0..0, |v| v.key_span);
    for group in fly.groups() {
        if fly.mounts.iter().filter(|mount| mount.applies_to(&group, &default)).count() > 1 {
            let what = format!("the process group `{group}` has more than one mount");
            sink.error(Code::MountTwice, &span, "mounts", what, "a machine has at most one volume", None);
        }
    }
    if let Some(strategy @ (Strategy::BlueGreen | Strategy::Canary)) = fly.deploy.strategy
        && !fly.mounts.is_empty()
    {
        let strategy_value = root.get("deploy").and_then(|v| v.section()).and_then(|s| s.get("strategy"));
        let span = strategy_value.map_or(span, |v| v.node.span.clone());
        let what = format!("the strategy `{strategy}` cannot be used with volumes");
        let why = "it needs a second fleet, and a volume belongs to one machine";
        let hint = Some("use `strategy = \"rolling\"`".to_owned());
        sink.report(Severity::Warning, Code::StrategyVolumes, &span, "deploy.strategy", what, why, hint);
    }
}

/// A check of the app without a port takes `http_service`'s, if its group has one.
fn check_ports(sink: &Sink<'_>, root: &Section<'_>, fly: &FlyToml) {
    let default = fly.default_group();
    for (name, check) in fly.checks.iter().filter(|(_, check)| check.value.port.is_none()) {
        let has_port = |group: &ProcessGroup| {
            fly.http_service.as_ref().is_some_and(|service| service.applies_to(group, &default))
        };
        let groups = fly.groups();
        let lacking = groups.iter().filter(|group| check.applies_to(group, &default)).find(|g| !has_port(g));
        if let Some(group) = lacking {
            let entry = root.get("checks").and_then(|v| v.section()).and_then(|s| s.get(name));
            let span = entry.or_else(|| root.get("checks")).map_or(0..0, |v| v.key_span);
            let what = format!("the check `{name}` has no port");
            let why = format!("the process group `{group}` has no `http_service` to take it from");
            sink.error(Code::CheckWithoutPort, &span, &format!("checks.{name}"), what, why, None);
        }
    }
}
