//! What only several sections together tell.

use std::{collections::BTreeSet, ops::RangeInclusive};

use flytypes::machine::{Port, Service};

use super::{FlyToml, Scoped, app_group, service};
use crate::{
    Code, ProcessGroup, Severity,
    project::Strategy,
    reading::{Kind, Section, Sink, Span, suggest},
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
    pub(super) fn of_service(&self, section: &Section<'_>) -> Vec<ProcessGroup> {
        let groups = self.of(section);
        if groups.is_empty() && self.is_explicit {
            let what = format!("`{}` does not say which processes it serves", section.path);
            let names: Vec<String> = self.names.iter().map(|name| format!("\"{name}\"")).collect();
            let hint = format!("add `processes = [{}]` with those it is for", names.join(", "));
            let why = "flyctl refuses a service without `processes` where `[processes]` exists";
            section.sink.error(Code::NoProcesses, &section.span, &section.path, what, why, Some(hint));
        }
        groups
    }
}

pub(super) fn check(sink: &Sink<'_>, root: &Section<'_>, fly: &FlyToml) {
    // Where a service could not be read, nobody can tell which one stands where.
    if places(root).len() == services_of(fly).count() {
        ports(sink, root, fly);
        least_machines(sink, root, fly);
    }
    signal(sink, root);
    secrets(sink, root, fly);
    mounts(sink, root, fly);
    check_ports(sink, root, fly);
}

/// Where each service stands, in the order of [`services_of`].
fn places(root: &Section<'_>) -> Vec<(String, Span)> {
    let http = root.get("http_service").map(|v| (v.path, v.key_span));
    let listed = service::listed(root).into_iter();
    http.into_iter().chain(listed.map(|v| (v.path.clone(), v.span().clone()))).collect()
}

fn services_of(fly: &FlyToml) -> impl Iterator<Item = &Scoped<Service>> {
    fly.http_service.iter().chain(&fly.services)
}

/// The public ports of one entry, as a range.
fn range(port: &Port) -> Option<RangeInclusive<u16>> {
    match (port.port, port.start_port, port.end_port) {
        (Some(port), ..) => Some(port..=port),
        (None, None, None) => None,
        // As flyctl reads a range with one end.
        (None, start, end) => Some(start.unwrap_or(0)..=end.unwrap_or(u16::MAX)),
    }
}

/// Public ports that two services of one group take.
fn ports(sink: &Sink<'_>, root: &Section<'_>, fly: &FlyToml) {
    let default = fly.default_group();
    let places = places(root);
    let mut said = BTreeSet::new();
    for group in fly.groups() {
        let mut taken: Vec<(&str, RangeInclusive<u16>, usize)> = Vec::new();
        for (n, service) in services_of(fly).enumerate().filter(|(_, s)| s.applies_to(&group, &default)) {
            let service = &service.value;
            for ports in service.ports.iter().filter_map(range) {
                let (start, end) = (*ports.start(), *ports.end());
                let overlaps = |other: &RangeInclusive<u16>| *other.start() <= end && start <= *other.end();
                let first = taken
                    .iter()
                    .find(|(protocol, other, _)| *protocol == service.protocol && overlaps(other));
                let Some((_, other, first)) = first else {
                    taken.push((&service.protocol, ports, n));
                    continue;
                };
                let port = start.max(*other.start());
                if !said.insert((n, port)) {
                    continue;
                }
                let ((first, _), (path, span)) = (&places[*first], &places[n]);
                let what = format!("the public port {port} is taken twice");
                let why = format!("by `{first}` and by `{path}`, for the process group `{group}`");
                sink.report(Severity::Warning, Code::PortTwice, span, path, what, why, None);
            }
        }
    }
}

/// More machines that shall run than a deployment makes: two for a group with services, one with a volume.
fn least_machines(sink: &Sink<'_>, root: &Section<'_>, fly: &FlyToml) {
    let default = fly.default_group();
    let http = root.get("http_service").into_iter();
    for (value, service) in http.chain(service::listed(root)).zip(services_of(fly)) {
        let Some(least) = service.value.min_machines_running else { continue };
        let groups = fly.groups();
        let scarce = groups.iter().filter(|group| service.applies_to(group, &default)).find_map(|group| {
            let made = if fly.has_mounts(group) { 1 } else { 2 };
            (least > made).then_some((group, made))
        });
        let (Some((group, made)), Some(section)) = (scarce, value.section()) else { continue };
        let Some(key) = section.get("min_machines_running") else { continue };
        let what = format!("{least} machines of `{group}` are to run, and a first deployment makes {made}");
        let why = "the setting only keeps machines from being stopped: Fly never makes one because of it";
        let hint = Some(format!("check that there are as many: `fly scale count {group}={least}`"));
        sink.report(Severity::Note, Code::MinMachines, key.span(), &key.path, what, why, hint);
    }
}

/// The signals of Linux by their names (signal(7)).
const SIGNALS: [&str; 34] = [
    "SIGABRT",
    "SIGALRM",
    "SIGBUS",
    "SIGCHLD",
    "SIGCLD",
    "SIGCONT",
    "SIGFPE",
    "SIGHUP",
    "SIGILL",
    "SIGINT",
    "SIGIO",
    "SIGIOT",
    "SIGKILL",
    "SIGPIPE",
    "SIGPOLL",
    "SIGPROF",
    "SIGPWR",
    "SIGQUIT",
    "SIGSEGV",
    "SIGSTKFLT",
    "SIGSTOP",
    "SIGSYS",
    "SIGTERM",
    "SIGTRAP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGUSR1",
    "SIGUSR2",
    "SIGVTALRM",
    "SIGWINCH",
    "SIGXCPU",
    "SIGXFSZ",
];

/// A signal that no program could get.
fn signal(sink: &Sink<'_>, root: &Section<'_>) {
    let Some(value) = root.get("kill_signal") else { return };
    let Kind::Text(text) = &value.node.kind else { return };
    if SIGNALS.contains(&text.as_str()) {
        return;
    }
    let what = format!("there is no signal `{}`", text.escape_debug());
    let why = "the program is not told to end, and is killed when `kill_timeout` is over";
    let hint = suggest(text, &SIGNALS);
    sink.report(Severity::Warning, Code::NoSignal, value.span(), &value.path, what, why, hint);
}

/// A variable and a secret of one name: the machine gets one of the two.
fn secrets(sink: &Sink<'_>, root: &Section<'_>, fly: &FlyToml) {
    for value in root.get("files").into_iter().flat_map(|v| v.one_or_many()) {
        let name = value.section().and_then(|section| section.get("secret_name"));
        let Some(name) = name else { continue };
        let Kind::Text(text) = &name.node.kind else { continue };
        if fly.env.contains_key(text) {
            let what = format!("`{text}` is a secret and stands in `[env]` too");
            let why = "the machine gets one of the two, and what stands in the file is in git";
            let hint = Some("keep the secret, and remove the variable".to_owned());
            sink.report(Severity::Warning, Code::EnvSecret, name.span(), &name.path, what, why, hint);
        }
    }
}

/// One volume per group, and no strategy that needs a second fleet.
fn mounts(sink: &Sink<'_>, root: &Section<'_>, fly: &FlyToml) {
    let default = fly.default_group();
    let places: Vec<Span> = ["mount", "mounts"]
        .iter()
        .filter_map(|name| root.get(name))
        .flat_map(|value| value.one_or_many())
        .map(|value| value.span().clone())
        .collect();
    let span = places.first().cloned().unwrap_or(0..0);
    for group in fly.groups() {
        let own = fly.mounts.iter().zip(&places).filter(|(mount, _)| mount.applies_to(&group, &default));
        if let Some((_, second)) = own.into_iter().nth(1) {
            let what = format!("the process group `{group}` has more than one mount");
            sink.error(Code::MountTwice, second, "mounts", what, "a machine has at most one volume", None);
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
