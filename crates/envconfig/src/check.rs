//! The project file and everything it names, checked together.

use std::collections::BTreeSet;

use crate::{
    Code, Parsed, Person, Problem, Problems, SecretRef, Severity, cross, equal,
    fly_toml::FlyToml,
    project::{Component, Project},
};

/// Checks a project file's `text` and every fly.toml that it names.
///
/// `file` is the project file's name for messages. `read` gets the path of a fly.toml as it is written in the project
/// file, relative to it, and answers the name for messages and the content, or why it cannot be read; it is asked for the
/// suites' files and for the keys of those who approve too. `beside` gets the path of a fly.toml in the same way and one
/// that stands in it, relative to it. `value` answers what stands behind a reference to a secret, where that is known.
///
/// Returns every finding: the project file's first, then those of each component's file.
pub fn check(
    file: &str,
    text: &str,
    mut read: impl FnMut(&str) -> (String, Result<String, String>),
    beside: impl Fn(&str, &str) -> Result<Vec<u8>, String>,
    value: impl Fn(&SecretRef) -> Option<String>,
) -> Vec<Problem> {
    let parsed = match Project::parse(file, text) {
        Ok(parsed) => parsed,
        Err(problems) => return problems.list,
    };
    let project = parsed.value;
    let mut findings = parsed.findings;
    findings.extend(equal::findings(&project, file, value));
    findings.extend(no_signers(&project, file, &mut read));
    for (name, suite) in project.suites() {
        let (suite_file, content) = read(suite.file.value.as_str());
        let Err(why) = content else { continue };
        let mut problem = unreadable(file, &format!("suites.{name}.file"), &suite_file, why, &suite.file);
        if matches!(suite.file.source, crate::Source::Default { .. }) {
            // Nobody wrote the path: a policy names the suite.
            let asks = project.paths().values().find(|policy| policy.suites.value.contains(name));
            if let Some(crate::Source::File { line, column }) = asks.map(|policy| &policy.suites.source) {
                (problem.line, problem.column) = (*line, *column);
            }
            problem = problem.with_hint("write its file, or say in `[suites]` where it is");
        }
        findings.push(problem);
    }
    let mut seen = BTreeSet::new();
    for (name, component) in project.components() {
        let Component::Fly { config, .. } = component else { continue };
        let (fly_file, content) = read(config.value.as_str());
        let is_new = seen.insert(config.value.clone());
        let named = |path: &str| beside(config.value.as_str(), path);
        match content.map(|text| FlyToml::parse_beside(&fly_file, &text, &named)) {
            Err(why) => {
                findings.push(unreadable(file, &format!("components.{name}.config"), &fly_file, why, config));
            }
            Ok(Ok(fly)) => {
                // Two components may share a file; what is wrong in it is said once.
                findings.extend(fly.findings.into_iter().filter(|_| is_new));
                findings.extend(cross::findings(&project, file, name, &fly_file, &fly.value));
            }
            Ok(Err(problems)) => findings.extend(problems.list.into_iter().filter(|_| is_new)),
        }
    }
    findings
}

/// The keys whose signatures count, beside the project file.
pub(crate) const SIGNERS: &str = ".understudy/allowed_signers";

/// People who approve by SSH, where no signature would be believed.
fn no_signers(
    project: &Project,
    file: &str,
    mut read: impl FnMut(&str) -> (String, Result<String, String>),
) -> Option<Problem> {
    let signs = |person: &&Person| matches!(person, Person::Ssh(_));
    let asking = project.paths().iter().find(|(_, policy)| {
        let from = &policy.approvals.from.value;
        policy.approvals.count.value > 0 && project.people().in_groups(from).iter().any(signs)
    });
    let ((from, to), policy) = asking?;
    let (name, content) = read(SIGNERS);
    let is_line = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let why = match content {
        Ok(text) if text.lines().any(is_line) => return None,
        Ok(_) => format!("`{name}` holds no key"),
        Err(why) => format!("`{name}` cannot be read: {why}"),
    };
    let what = format!("a promotion to `{to}` asks people for signatures, and none would count");
    let mut problem = Problem::about_file(Severity::Warning, Code::NoSigners, file, what)
        .because(why)
        .with_hint("a line for each person: a name, then the public half of the key (ssh-keygen(1), ALLOWED SIGNERS)");
    problem.key = format!("promotion.{from}.{to}.approvals");
    if let crate::Source::File { line, column } = policy.approvals.from.source {
        (problem.line, problem.column) = (line, column);
    }
    Some(problem)
}

/// Checks one fly.toml, fly.json or fly.yaml by itself. `file` is its name, which also tells its format.
///
/// Nobody can say here how a group without checks proves that it works, so it is a warning and not an error.
///
/// What other files say that it names is left out, with a warning: [`check_fly_beside`] reads them.
pub fn check_fly(file: &str, text: &str) -> Vec<Problem> {
    findings_of(FlyToml::parse(file, text), file)
}

/// The same with the files that it names; `beside` as for [`FlyToml::parse_beside`].
pub fn check_fly_beside(
    file: &str,
    text: &str,
    beside: &dyn Fn(&str) -> Result<Vec<u8>, String>,
) -> Vec<Problem> {
    findings_of(FlyToml::parse_beside(file, text, beside), file)
}

fn findings_of(parsed: Result<Parsed<FlyToml>, Problems>, file: &str) -> Vec<Problem> {
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(problems) => return problems.list,
    };
    let mut findings = parsed.findings;
    findings.extend(parsed.value.unchecked().iter().map(|group| {
        let what = format!("the process group `{group}` has no health check");
        let mut problem = Problem::about_file(Severity::Warning, Code::NoChecks, file, what);
        if let Some(place) = parsed.value.group_places.get(group) {
            (problem.line, problem.column) = *place;
        }
        problem
            .because("a machine that started is not a machine that works, so nothing proves that it is healthy")
            .with_hint("add a check, or name another proof in the project file: `healthy = { started-for = \"30s\" }`")
    }));
    findings
}

fn unreadable(
    file: &str,
    key: &str,
    named: &str,
    why: String,
    config: &crate::Resolved<crate::ProjectPath>,
) -> Problem {
    let what = format!("`{named}` cannot be read");
    let mut problem = Problem::about_file(Severity::Error, Code::Unreadable, file, what)
        .because(why)
        .with_hint("the path is relative to the project file");
    problem.key = key.to_owned();
    if let crate::Source::File { line, column } = config.source {
        (problem.line, problem.column) = (line, column);
    }
    problem
}
