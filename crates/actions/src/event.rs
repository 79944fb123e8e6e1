//! What starts a workflow.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::workflow::Workflow;

/// Something that happened to a repository.
#[derive(Debug, Clone)]
pub struct Event {
    /// `push`, `workflow_dispatch`, `repository_dispatch`, `workflow_run`, `schedule`, `pull_request`, `issue_comment`.
    pub name: String,
    /// `refs/heads/BRANCH`.
    pub reference: String,
    /// The commit.
    pub sha: String,
    /// Where the commit is cloned from.
    pub repository: PathBuf,
    /// `OWNER/REPO`.
    pub slug: String,
    /// What `github.event` is.
    pub payload: Value,
}

impl Event {
    /// A push of `sha` to `branch`.
    pub fn push(repository: impl Into<PathBuf>, branch: &str, sha: &str) -> Self {
        Self {
            name: "push".to_owned(),
            reference: format!("refs/heads/{branch}"),
            sha: sha.to_owned(),
            repository: repository.into(),
            slug: "owner/repository".to_owned(),
            payload: json!({"ref": format!("refs/heads/{branch}"), "after": sha}),
        }
    }

    /// Another event on the same commit.
    #[must_use]
    pub fn named(mut self, name: &str, payload: Value) -> Self {
        self.name = name.to_owned();
        self.payload = payload;
        self
    }

    fn branch(&self) -> Option<&str> {
        self.reference.strip_prefix("refs/heads/")
    }
}

impl Workflow {
    /// Whether `event` starts it. Of filters, those by branch, type and workflow count; [`Workflow::parse`] refuses others.
    pub fn is_started_by(&self, event: &Event) -> bool {
        let asked = match &self.on {
            Value::String(name) => return *name == event.name,
            Value::Array(names) => return names.iter().any(|name| name == event.name.as_str()),
            Value::Object(events) => events.get(&event.name),
            Value::Null | Value::Bool(_) | Value::Number(_) => None,
        };
        let Some(filter) = asked else { return false };
        let has = |key: &str, value: Option<&str>| {
            let Some(list) = filter.get(key).map(list) else { return true };
            value.is_some_and(|value| list.iter().any(|pattern| matches(pattern, value)))
        };
        let payload = |path: &str| event.payload.pointer(path).and_then(Value::as_str);
        match event.name.as_str() {
            "push" => has("branches", event.branch()),
            "pull_request" => has("branches", payload("/pull_request/base/ref")),
            "repository_dispatch" => has("types", payload("/action")),
            "workflow_run" => {
                has("workflows", payload("/workflow_run/name")) && has("types", payload("/action"))
            }
            "issue_comment" | "pull_request_review" | "issues" => has("types", payload("/action")),
            _ => true,
        }
    }
}

fn list(value: &Value) -> Vec<String> {
    match value {
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::String(one) => vec![one.clone()],
        _ => Vec::new(),
    }
}

/// `*` is anything within a part of a name, `**` anything at all: GitHub's "Filter pattern cheat sheet".
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => {
            let Some(left) = name.strip_prefix(head) else { return false };
            let (rest, is_deep) = rest.strip_prefix('*').map_or((rest, false), |rest| (rest, true));
            let ends = (0..=left.len()).filter(|n| left.is_char_boundary(*n));
            ends.take_while(|n| is_deep || !left[..*n].contains('/')).any(|n| matches(rest, &left[n..]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_of_branches_are_githubs() {
        for (pattern, name, is) in [
            ("main", "main", true),
            ("main", "maintenance", false),
            ("feature/*", "feature/a", true),
            ("feature/*", "feature/a/b", false),
            ("feature/**", "feature/a/b", true),
            ("*", "main", true),
            ("*", "a/b", false),
            ("**", "a/b", true),
            ("*-x", "a-x", true),
        ] {
            assert_eq!(matches(pattern, name), is, "{pattern} {name}");
        }
    }
}
