//! Variables and contexts of a job.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::event::Event;
use crate::workflow::Workflow;

/// Which run of which workflow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunOf<'r> {
    pub(crate) workflow: &'r Workflow,
    pub(crate) event: &'r Event,
    pub(crate) id: u64,
}

impl RunOf<'_> {
    fn reference_name(&self) -> &str {
        let reference = self.event.reference.as_str();
        reference
            .strip_prefix("refs/heads/")
            .or_else(|| reference.strip_prefix("refs/tags/"))
            .unwrap_or(reference)
    }

    /// The context `github`.
    pub(crate) fn github(&self) -> Value {
        json!({
            "event_name": self.event.name, "event": self.event.payload, "ref": self.event.reference,
            "ref_name": self.reference_name(), "sha": self.event.sha, "repository": self.event.slug,
            "run_id": self.id.to_string(), "run_attempt": "1",
            "workflow": self.workflow.name, "actor": "nobody",
        })
    }

    /// The context `inputs`.
    pub(crate) fn inputs(&self) -> Value {
        self.event.payload.get("inputs").cloned().unwrap_or_else(|| json!({}))
    }

    /// "Default environment variables", as far as scripts of ours look.
    pub(crate) fn variables(&self, job: &str, work: &Path) -> BTreeMap<String, String> {
        let path = |name: &str| work.join(name).display().to_string();
        [
            ("CI", "true".to_owned()),
            ("GITHUB_ACTIONS", "true".to_owned()),
            ("GITHUB_EVENT_NAME", self.event.name.clone()),
            ("GITHUB_JOB", job.to_owned()),
            ("GITHUB_REF", self.event.reference.clone()),
            ("GITHUB_REF_NAME", self.reference_name().to_owned()),
            ("GITHUB_REPOSITORY", self.event.slug.clone()),
            ("GITHUB_RUN_ATTEMPT", "1".to_owned()),
            ("GITHUB_RUN_ID", self.id.to_string()),
            ("GITHUB_SHA", self.event.sha.clone()),
            ("GITHUB_WORKFLOW", self.workflow.name.clone().unwrap_or_default()),
            ("GITHUB_WORKSPACE", path("workspace")),
            ("HOME", path("home")),
            ("RUNNER_OS", "Linux".to_owned()),
            ("RUNNER_TEMP", path("temp")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

/// Contexts by name.
pub(crate) fn contexts(pairs: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Object(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}
