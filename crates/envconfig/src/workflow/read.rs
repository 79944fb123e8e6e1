//! From the text to what the rules look at. What a rule does not look at may be anything: whether a workflow is one is
//! GitHub's to say.

use super::model::{Concurrency, Job, Push, Step, Text, Texts, Workflow};
use crate::reading::{Entry, Kind, Node, Section, Value};

pub(super) fn workflow(root: &Section<'_>) -> Workflow {
    let jobs = root.require("jobs", "without a job nothing runs");
    let jobs = jobs.as_ref().and_then(table).map(|jobs| jobs.all()).unwrap_or_default();
    let jobs = jobs.into_iter().map(|(entry, value)| job(&entry.name, &value)).collect();
    let name = root.get("name");
    let start = ["name", "on", "jobs"].iter().find_map(|key| root.get(key)).map(|value| value.key_span);
    Workflow {
        name: name.and_then(|name| scalar(name.node)),
        span: start.unwrap_or(0..0),
        push: root.get("on").and_then(|on| push(&on)),
        has_permissions: root.get("permissions").is_some(),
        concurrency: root.get("concurrency").map(|value| concurrency(&value)),
        env: texts(root.get("env").as_ref()),
        jobs,
    }
}

fn push(on: &Value<'_>) -> Option<Push> {
    match &on.node.kind {
        Kind::Text(event) => (event == "push").then(Push::default),
        Kind::Array(_) => {
            let is_push = |value: &Value<'_>| scalar(value.node).as_deref() == Some("push");
            on.one_or_many().iter().any(is_push).then(Push::default)
        }
        Kind::Table(entries) => {
            let push = entries.iter().find(|entry| entry.name == "push")?;
            let Kind::Table(filters) = &push.node.kind else { return Some(Push::default()) };
            let list = |name: &str| match filters.iter().find(|entry| entry.name == name) {
                Some(entry) => many(&entry.node),
                None => Vec::new(),
            };
            Some(Push { branches: list("branches"), tags: list("tags") })
        }
        _ => None,
    }
}

fn job(id: &str, value: &Value<'_>) -> Job {
    let mut job = Job {
        id: id.to_owned(),
        span: value.key_span.clone(),
        path: value.path.clone(),
        name: None,
        needs: Vec::new(),
        condition: None,
        outputs: Vec::new(),
        env: Vec::new(),
        environment: None,
        matrix: Vec::new(),
        has_permissions: false,
        concurrency: None,
        has_timeout: false,
        is_elsewhere: false,
        steps: Vec::new(),
        texts: Vec::new(),
    };
    let Some(section) = table(value) else { return job };
    for (entry, value) in section.all() {
        if entry.name != "steps" {
            gather(&entry.node, &value.path, &mut job.texts);
        }
    }
    job.name = section.get("name").and_then(|value| scalar(value.node));
    job.needs = section.get("needs").map(|value| items(&value)).unwrap_or_default();
    job.condition = section.get("if").and_then(|value| text(&value));
    job.outputs = texts(section.get("outputs").as_ref());
    job.env = texts(section.get("env").as_ref());
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
    job.is_elsewhere = section.get("uses").is_some();
    if let Some(steps) = section.get("steps").filter(|steps| matches!(steps.node.kind, Kind::Array(_))) {
        job.steps = steps.one_or_many().iter().map(step).collect();
    }
    job
}

fn step(value: &Value<'_>) -> Step {
    let mut all = Vec::new();
    gather(value.node, &value.path, &mut all);
    let section = table(value);
    let get = |name: &str| section.as_ref().and_then(|section| section.get(name));
    Step {
        span: value.span().clone(),
        path: value.path.clone(),
        id: get("id").and_then(|value| scalar(value.node)),
        name: get("name").and_then(|value| scalar(value.node)),
        condition: get("if").and_then(|value| text(&value)),
        uses: get("uses").and_then(|value| text(&value)),
        run: get("run").and_then(|value| text(&value)),
        with: texts(get("with").as_ref()),
        env: texts(get("env").as_ref()),
        texts: all,
    }
}

fn concurrency(value: &Value<'_>) -> Concurrency {
    let entries = table_of(value.node).unwrap_or_default();
    let cancels = entries.iter().find(|entry| entry.name == "cancel-in-progress").and_then(|entry| {
        let said = scalar(&entry.node).filter(|said| said != "false")?;
        let path = format!("{}.cancel-in-progress", value.path);
        Some(Text { value: said, span: entry.span.clone(), path })
    });
    Concurrency { cancels }
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
