//! The top of the file.

use std::collections::BTreeMap;

use flytypes::machine::{Check, MachineConfig, Metrics};

use super::{
    FlyToml, Scoped, build,
    check::{self, Kinded},
    env,
    lint::{self, Groups},
    path_check, sections, service,
    tolerant::{self, Unit},
    vm,
};
use crate::{
    Code, ProcessGroup, Severity,
    reading::{Entry, Kind, Section, Sink, Value},
};

pub(super) fn read(sink: &Sink<'_>, root: &Section<'_>) -> Option<FlyToml> {
    let text = |key: &str| root.get(key).and_then(|v| v.text().map(str::to_owned));
    let processes = root.get("processes").map(|v| processes(&v)).unwrap_or_default();
    let groups = Groups::new(processes.keys().cloned().collect());
    let (experimental, old_metrics, old_kill_timeout) =
        root.get("experimental").map(|v| sections::experimental(&v)).unwrap_or_default();
    let kill_timeout = root.get("kill_timeout").and_then(|v| tolerant::duration(&v, Unit::Seconds));
    let http_service = root.get("http_service").and_then(|v| service::http_service(&v, &groups));
    let services = service::listed(root).iter().filter_map(|v| service::service(v, &groups)).collect();
    let fly = FlyToml {
        app: root.get("app").and_then(|v| v.parse_as("a Fly app name")),
        primary_region: root.get("primary_region").and_then(|v| v.parse_as("a Fly region")),
        kill_signal: text("kill_signal"),
        // The legacy key counts only where the other one does not stand at all.
        kill_timeout: if root.get("kill_timeout").is_some() { kill_timeout } else { old_kill_timeout },
        swap_size_mb: root.get("swap_size_mb").and_then(|v| v.count(0)),
        host_dedication_id: text("host_dedication_id"),
        deploy: root.get("deploy").map(|v| sections::deploy(&v)).unwrap_or_default(),
        env: values(root, &["env"]).iter().flat_map(env::read).collect(),
        checks: root.get("checks").map(|v| checks(&v, &groups)).unwrap_or_default(),
        vm: scoped(root, &["compute", "computes", "vm"], &groups, |s| Some(vm::read(s))),
        mounts: scoped(root, &["mount", "mounts"], &groups, |s| Some(sections::mount(s))),
        restart: scoped(root, &["restart"], &groups, |s| Some(sections::restart(s))),
        metrics: all_metrics(root, &groups, old_metrics),
        statics: values(root, &["statics"]).iter().filter_map(|v| whole(v, sections::statics)).collect(),
        files: scoped(root, &["files"], &groups, sections::file),
        processes,
        http_service,
        services,
        experimental,
        machine_config: machine_config(root),
        group_places: root.get("processes").map(|v| group_places(&v)).unwrap_or_default(),
        path_places: path_check::places(sink, root),
        env_places: values(root, &["env"]).iter().flat_map(env::places).collect(),
    };
    // Known, and without a meaning for machines: about images, and about flyctl.
    root.get("console_command").map(|v| tolerant::command(&v));
    root.get("container").and_then(|v| v.text());
    root.get("build").iter().for_each(build::build);
    root.get("machine_checks").iter().for_each(build::machine_checks);
    root.finish();
    lint::check(sink, root, &fly);
    Some(fly)
}

/// The tables under one of several names, each as a table or a list of tables.
fn values<'a>(root: &Section<'a>, names: &[&str]) -> Vec<Value<'a>> {
    names.iter().filter_map(|name| root.get(name)).flat_map(|value| value.one_or_many()).collect()
}

fn whole<T>(value: &Value<'_>, read: impl Fn(&Section<'_>) -> T) -> Option<T> {
    let section = value.section()?;
    let read = read(&section);
    section.finish();
    Some(read)
}

/// Sections with `processes`.
fn scoped<T>(
    root: &Section<'_>,
    names: &[&str],
    groups: &Groups,
    read: impl Fn(&Section<'_>) -> Option<T>,
) -> Vec<Scoped<T>> {
    let one = |value: &Value<'_>| {
        whole(value, |section| {
            let processes = groups.of(section);
            Some(Scoped { value: read(section)?, processes })
        })?
    };
    values(root, names).iter().filter_map(one).collect()
}

fn all_metrics(root: &Section<'_>, groups: &Groups, old: Option<Metrics>) -> Vec<Scoped<Metrics>> {
    let mut all = scoped(root, &["metric", "metrics"], groups, sections::metrics);
    // The legacy keys of `[experimental]` count only where there is no `[metrics]`.
    let old = old.filter(|_| root.get("metrics").is_none());
    all.extend(old.map(|value| Scoped { processes: Vec::new(), value }));
    all
}

/// The configuration below all others: JSON in a text, or in a file that it names.
fn machine_config(root: &Section<'_>) -> Option<MachineConfig> {
    let experimental = root.get("experimental").and_then(|v| match &v.node.kind {
        Kind::Table(_) => v.section()?.get("machine_config"),
        _ => None,
    });
    let value = root.get("machine_config").or(experimental)?;
    // It may hold what nobody should see.
    value.sink.hide_all(value.node);
    let text = value.text()?;
    let read = if text.trim_start().starts_with('{') {
        serde_json::from_str(text)
    } else {
        serde_json::from_slice(&sections::beside(&value, "the configuration")?)
    };
    if let Err(error) = &read {
        let what = format!("`{}` is no machine configuration", value.path);
        let why = format!("line {}, column {} of its JSON cannot be read", error.line(), error.column());
        value.error(Code::Malformed, what, why, None);
    }
    read.ok()
}

/// A table of names and commands, or a list of tables with `name` and `command`.
fn processes(value: &Value<'_>) -> BTreeMap<ProcessGroup, Vec<String>> {
    let mut processes = BTreeMap::new();
    if matches!(value.node.kind, Kind::Array(_)) {
        for section in value.one_or_many().iter().filter_map(Value::section) {
            let name = section.require("name", "a process group has a name").and_then(|v| v.parse());
            let command = section.get("command").map(|v| tolerant::command(&v)).unwrap_or_default();
            section.finish();
            processes.extend(name.map(|name: ProcessGroup| (name, command)));
        }
        return processes;
    }
    let Some(section) = value.section() else { return processes };
    for (entry, value) in section.all() {
        let command = tolerant::command(&value);
        processes.extend(group_name(entry, &value).map(|name| (name, command)));
    }
    processes
}

/// Where each group stands.
fn group_places(value: &Value<'_>) -> BTreeMap<ProcessGroup, (u32, u32)> {
    let place = |name: &str, at: usize| Some((name.parse().ok()?, value.sink.position(at)));
    match &value.node.kind {
        Kind::Table(entries) => entries.iter().filter_map(|e| place(&e.name, e.span.start)).collect(),
        Kind::Array(_) => {
            let names = value.one_or_many().into_iter().filter_map(|v| match &v.node.kind {
                Kind::Table(_) => v.section()?.get("name"),
                _ => None,
            });
            let named = |v: Value<'_>| match &v.node.kind {
                Kind::Text(text) => place(text, v.node.span.start),
                _ => None,
            };
            names.filter_map(named).collect()
        }
        _ => BTreeMap::new(),
    }
}

fn group_name(entry: &Entry, value: &Value<'_>) -> Option<ProcessGroup> {
    match entry.name.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            let error: crate::Malformed = error;
            let what = error.what_is_wrong();
            value.sink.error(Code::Malformed, &entry.span, &value.path, what, error.why, None);
            None
        }
    }
}

/// A table of checks, or a list of checks with `name`.
fn checks(value: &Value<'_>, groups: &Groups) -> BTreeMap<String, Scoped<Check>> {
    let one = |value: &Value<'_>, name: Option<String>| {
        let section = value.section()?;
        let given = match &name {
            Some(_) => section.get("name"),
            None => section.require("name", "a check in a list has a name"),
        };
        let given = given.and_then(|v| v.text().map(str::to_owned));
        let mut check = check::read(&section, Kinded::Top);
        check.port = section.get("port").and_then(|v| tolerant::port(&v));
        check.kind = section.get("kind").and_then(|v| v.text().map(str::to_owned));
        let processes = groups.of(&section);
        section.finish();
        Some((name.or(given)?, Scoped { processes, value: check }))
    };
    if matches!(value.node.kind, Kind::Array(_)) {
        let mut checks = BTreeMap::new();
        for value in value.one_or_many() {
            let Some((name, check)) = one(&value, None) else { continue };
            if checks.insert(name.clone(), check).is_some() {
                let what = format!("two checks are called `{}`", name.escape_debug());
                let why = "only the last one counts";
                let (span, path) = (value.span(), &value.path);
                value.sink.report(Severity::Warning, Code::CheckTwice, span, path, what, why, None);
            }
        }
        return checks;
    }
    let Some(section) = value.section() else { return BTreeMap::new() };
    section.all().iter().filter_map(|(entry, v)| one(v, Some(entry.name.clone()))).collect()
}
