//! Actions are named by what cannot change.

use super::super::model::Workflow;
use crate::{Code, Severity, reading::Sink};

pub(super) fn check(sink: &Sink<'_>, workflow: &Workflow) {
    let of_steps = workflow.jobs.iter().flat_map(|job| &job.steps).filter_map(|step| step.uses.as_ref());
    for uses in workflow.jobs.iter().filter_map(|job| job.uses.as_ref()).chain(of_steps) {
        // Of this repository, or worked out.
        if uses.value.starts_with("./") || uses.value.contains("${{") {
            continue;
        }
        let (action, version) = uses.value.split_once('@').unwrap_or((&uses.value, ""));
        let is_hash = |text: &str, len| text.len() == len && text.bytes().all(|b| b.is_ascii_hexdigit());
        let is_pinned = match uses.value.starts_with("docker://") {
            true => version.strip_prefix("sha256:").is_some_and(|digest| is_hash(digest, 64)),
            false => is_hash(version, 40),
        };
        if is_pinned {
            continue;
        }
        let is_version = version.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
        let why = match is_version {
            true => "a tag can be moved, and what it points to then runs with this job's secrets",
            false => "it is whatever somebody pushed there last, and runs with this job's secrets",
        };
        let what = format!("`{action}` is not pinned to a commit");
        let hint = match uses.value.starts_with("docker://") {
            true => "name the image by its digest: `docker://IMAGE@sha256:…`".to_owned(),
            false => format!("`uses: {action}@<40 digits of the commit> # {version}`"),
        };
        sink.report(Severity::Warning, Code::ActionUnpinned, &uses.span, &uses.path, what, why, Some(hint));
    }
}
