//! From the text to what the rules look at. What a rule does not look at may be anything: whether a workflow is one is
//! GitHub's to say.

use super::model::{Concurrency, Filter, Job, Step, Text, Texts, Workflow};
use crate::reading::{Entry, Kind, Node, Section, Sink, Value};

pub(super) fn workflow(root: &Section<'_>) -> Workflow {
    let jobs = root.require("jobs", "without a job nothing runs");
    let jobs = jobs.as_ref().and_then(table).map(|jobs| jobs.all()).unwrap_or_default();
    let jobs = jobs.into_iter().map(|(entry, value)| job(&entry.name, &value)).collect();
    let start = ["name", "on", "jobs"].iter().find_map(|key| root.get(key)).map(|value| value.key_span);
    let (events, push) = root.get("on").map(|on| triggers(&on)).unwrap_or_default();
    Workflow {
        name: root.get("name").and_then(|name| scalar(name.node)),
        span: start.unwrap_or(0..0),
        events,
        push,
        has_permissions: root.get("permissions").is_some(),
        concurrency: root.get("concurrency").map(|value| concurrency(&value)),
        env: values(root.get("env").as_ref()),
        jobs,
    }
}

/// What starts it, and which branches and tags do.
fn triggers(on: &Value<'_>) -> (Vec<String>, Option<Filter>) {
    let Some(entries) = table_of(on.node) else {
        let events = many(on.node);
        let push =
            events.iter().any(|event| event == "push" || event == "workflow_run").then(Filter::default);
        return (events, push);
    };
    let events = entries.iter().map(|entry| entry.name.clone()).collect();
    let pushes = entries.iter().find(|entry| entry.name == "push" || entry.name == "workflow_run");
    let filter = pushes.map(|entry| {
        let filters = table_of(&entry.node).unwrap_or_default();
        let list =
            |name: &str| filters.iter().find(|entry| entry.name == name).map(|entry| many(&entry.node));
        Filter {
            branches: list("branches").unwrap_or_default(),
            ignored: list("branches-ignore").unwrap_or_default(),
            tags: list("tags").unwrap_or_default(),
        }
    });
    (events, filter)
}

fn job(id: &str, value: &Value<'_>) -> Job {
    let mut job =
        Job { id: id.to_owned(), span: value.key_span.clone(), path: value.path.clone(), ..Job::default() };
    let Some(section) = table(value) else { return job };
    for (entry, value) in section.all() {
        if entry.name != "steps" && entry.name != "if" {
            gather(&entry.node, &value.path, &mut job.texts);
        }
    }
    job.name = section.get("name").and_then(|value| scalar(value.node));
    job.needs = section.get("needs").map(|value| items(&value)).unwrap_or_default();
    job.condition = section.get("if").and_then(|value| text(&value));
    job.outputs = texts(section.get("outputs").as_ref());
    job.env = values(section.get("env").as_ref());
    job.environment = section.get("environment").and_then(|value| match &value.node.kind {
        Kind::Table(entries) => scalar(&entries.iter().find(|entry| entry.name == "name")?.node),
        _ => scalar(value.node),
    });
    let strategy = section.get("strategy").and_then(|value| table(&value));
    if let Some(matrix) = strategy.and_then(|strategy| strategy.get("matrix")) {
        gather(matrix.node, &matrix.path, &mut job.matrix);
    }
    job.has_permissions = section.get("permissions").is_some();
    job.concurrency = section.get("concurrency").map(|value| concurrency(&value));
    job.has_timeout = section.get("timeout-minutes").is_some();
    job.uses = section.get("uses").and_then(|value| text(&value));
    let machine = section.get("runs-on").and_then(|value| scalar(value.node)).unwrap_or_default();
    let is_githubs = ["ubuntu-", "windows-", "macos-"].iter().any(|system| machine.starts_with(system));
    job.is_hosted = is_githubs && section.get("container").is_none();
    if let Some(steps) = section.get("steps").filter(|steps| matches!(steps.node.kind, Kind::Array(_))) {
        job.steps = steps.one_or_many().iter().map(step).collect();
    }
    job
}

fn step(value: &Value<'_>) -> Step {
    let section = table(value);
    let get = |name: &str| section.as_ref().and_then(|section| section.get(name));
    let mut all = Vec::new();
    for (entry, value) in section.iter().flat_map(|section| section.all()) {
        if entry.name != "if" {
            gather(&entry.node, &value.path, &mut all);
        }
    }
    let (uses, run) = (get("uses").and_then(|value| text(&value)), get("run").and_then(|value| text(&value)));
    if let Some(run) = &run {
        hide_assigned(value.sink, run);
    }
    let with = values(get("with").as_ref());
    Step {
        span: value.span().clone(),
        path: value.path.clone(),
        id: get("id").and_then(|value| scalar(value.node)),
        name: get("name").and_then(|value| scalar(value.node)),
        condition: get("if").and_then(|value| text(&value)),
        directory: get("working-directory").and_then(|value| scalar(value.node)),
        env: values(get("env").as_ref()),
        has_timeout: get("timeout-minutes").is_some(),
        commands: Step::read_commands(run.as_ref(), uses.as_ref(), &with),
        texts: all,
        uses,
        run,
        with,
    }
}

/// What a script sets a variable to may be a secret: it is not quoted.
fn hide_assigned(sink: &Sink<'_>, run: &Text) {
    let written = sink.text_at(&run.span);
    for (at, _) in written.match_indices('=') {
        let is_name = written[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let value = &written[at + 1..];
        let len = value.find(char::is_whitespace).unwrap_or(value.len());
        if is_name && !value[..len].contains("${{") {
            let start = run.span.start + at + 1;
            sink.hide(&(start..start + len));
        }
    }
}

fn concurrency(value: &Value<'_>) -> Concurrency {
    let Some(entries) = table_of(value.node) else {
        return Concurrency { group: text(value), cancels: None };
    };
    let find = |name: &str| {
        let entry = entries.iter().find(|entry| entry.name == name)?;
        let path = format!("{}.{name}", value.path);
        Some(Text { value: scalar(&entry.node)?, span: entry.span.clone(), path })
    };
    let cancels = find("cancel-in-progress").filter(|said| said.value == "true");
    Concurrency { group: find("group"), cancels }
}

/// Texts that may be secrets: those that are written out are not quoted.
fn values(value: Option<&Value<'_>>) -> Texts {
    let texts = texts(value);
    for (_, text) in texts.iter().filter(|(_, text)| !text.value.contains("${{")) {
        if let Some(value) = value {
            value.sink.hide(&text.span);
        }
    }
    texts
}

fn table<'a>(value: &Value<'a>) -> Option<Section<'a>> {
    table_of(value.node)?;
    value.section()
}

fn table_of(node: &Node) -> Option<&[Entry]> {
    match &node.kind {
        Kind::Table(entries) => Some(entries),
        _ => None,
    }
}

/// A value as it would be written.
fn scalar(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Text(text) => Some(text.clone()),
        Kind::Boolean(truth) => Some(truth.to_string()),
        Kind::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

fn many(node: &Node) -> Vec<String> {
    match &node.kind {
        Kind::Array(list) => list.iter().filter_map(scalar).collect(),
        _ => scalar(node).into_iter().collect(),
    }
}

fn text(value: &Value<'_>) -> Option<Text> {
    let text = scalar(value.node)?;
    Some(Text { value: text, span: value.span().clone(), path: value.path.clone() })
}

fn items(value: &Value<'_>) -> Vec<Text> {
    value.one_or_many().iter().filter_map(text).collect()
}

fn texts(value: Option<&Value<'_>>) -> Texts {
    let Some(section) = value.and_then(table) else { return Vec::new() };
    section.all().into_iter().filter_map(|(entry, value)| Some((entry.name.clone(), text(&value)?))).collect()
}

/// Every text below `node`.
fn gather(node: &Node, path: &str, found: &mut Vec<Text>) {
    match &node.kind {
        Kind::Text(text) => {
            found.push(Text { value: text.clone(), span: node.span.clone(), path: path.to_owned() });
        }
        Kind::Array(list) => {
            for (n, node) in list.iter().enumerate() {
                gather(node, &format!("{path}[{n}]"), found);
            }
        }
        Kind::Table(entries) => {
            for entry in entries {
                gather(&entry.node, &format!("{path}.{}", entry.name), found);
            }
        }
        Kind::Null | Kind::Integer(_) | Kind::Float(_) | Kind::Boolean(_) | Kind::Datetime(_) => {}
    }
}
