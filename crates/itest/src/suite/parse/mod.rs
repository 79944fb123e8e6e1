//! From the text of a suite file to a [`Suite`], or to everything that is wrong with it.

mod case;
mod expect;
mod matrix;
mod reader;
mod scope;
mod step;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeTable;

use self::{
    reader::{Entry, Source, Table, nearest},
    scope::Scope,
};
use super::{
    Suite,
    model::IdentitySource,
    problem::{Problem, Problems},
};
use crate::{
    redact::SHORTEST,
    run::RetryPolicy,
    variables::{Variables, as_text},
};

const NOT_TOML: &str = "not TOML: ";

/// Reads a whole file.
pub(super) fn suite(file: &str, text: &str) -> Result<Suite, Problems> {
    let (root, syntax) = DeTable::parse_recoverable(text);
    let source = Source::new(text, !syntax.is_empty());
    // The first error of a line is the cause of the others on it.
    let mut broken = BTreeSet::new();
    for error in &syntax {
        let span = error.span().unwrap_or(0..0);
        if broken.insert(source.line(&span)) {
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            source.problem(&span, format!("{NOT_TOML}{message}"));
        }
    }
    let suite = read(file, &source, &Table::new(&source, 0..0, root.get_ref()));
    let mut problems = source.into_problems();
    // What the parser guessed on a broken line is not worth a second complaint.
    problems.retain(|problem| problem.message.starts_with(NOT_TOML) || !broken.contains(&problem.line));
    match suite {
        Some(suite) if problems.is_empty() => Ok(suite),
        _ => {
            if problems.is_empty() {
                problems.push(Problem::whole("the suite cannot be read"));
            }
            Err(Problems { file: file.to_owned(), problems })
        }
    }
}

fn read(file: &str, source: &Source<'_>, root: &Table<'_, '_>) -> Option<Suite> {
    let name = root.string("name");
    if root.get("name").is_none() {
        source.missing(&root.span, "the suite has no `name`");
    }
    let tags = root.strings("tags").iter().filter_map(Entry::string).collect();
    let variables = variables(root);
    let inputs = inputs(root, &variables);
    let retry = retry(root);
    let targets = targets(root);
    let default_target = root.string("target");
    let (deadline, step_timeout) = (root.duration("deadline"), root.duration("step-timeout"));
    let mut scope = Scope::new(variables.names().chain(inputs.iter().map(String::as_str)));
    let cases = case::cases(source, root, &mut scope, default_target.as_deref());
    let secrets = secrets(root, &variables, &scope);
    root.finish();
    let suite = Suite {
        file: file.to_owned(),
        name: name?,
        tags,
        variables,
        inputs,
        secrets,
        deadline,
        step_timeout,
        retry,
        targets,
        cases,
    };
    unused_targets(root, &suite);
    Some(suite)
}

fn variables(root: &Table<'_, '_>) -> Variables {
    root.free("variables").iter().filter_map(|entry| Some((entry.key_name()?, entry.json()?))).collect()
}

fn inputs(root: &Table<'_, '_>, variables: &Variables) -> BTreeSet<String> {
    let mut inputs = BTreeSet::new();
    for entry in root.strings("inputs") {
        if let Some(name) = entry.name() {
            if variables.get(&name).is_some() {
                entry.problem::<()>(format!(
                    "`{name}` has a value under [variables], which a run may replace: take it out of `inputs`"
                ));
            }
            inputs.insert(name);
        }
    }
    inputs
}

/// Names of variables, inputs or captures whose values must not be shown.
fn secrets(root: &Table<'_, '_>, variables: &Variables, scope: &Scope) -> BTreeSet<String> {
    let mut secrets = BTreeSet::new();
    for entry in root.strings("secrets") {
        let Some(name) = entry.string() else { continue };
        if !scope.was_ever_defined(&name) {
            entry.problem_with_help::<()>(
                format!("no variable, input or capture is named `{name}`"),
                nearest(&name, scope.ever_defined()),
            );
        }
        if let Some(value) = variables.get(&name).map(as_text)
            && value.chars().count() < SHORTEST
        {
            entry.problem::<()>(format!(
                "the secret `{name}` is shorter than {SHORTEST} characters: hiding it would blot out unrelated text"
            ));
        }
        secrets.insert(name);
    }
    secrets
}

fn retry(root: &Table<'_, '_>) -> Option<RetryPolicy> {
    let table = root.get("retry")?.table()?;
    let mut policy = RetryPolicy::default();
    if let Some(entry) = table.get("attempts")
        && let Some(attempts) = entry.integer()
    {
        match u32::try_from(attempts) {
            Ok(attempts @ 1..=10) => policy.attempts = attempts,
            _ => return entry.problem("`attempts` must be from 1 (never repeat) to 10"),
        }
    }
    policy.delay = table.duration("delay").unwrap_or(policy.delay);
    table.finish();
    Some(policy)
}

fn targets(root: &Table<'_, '_>) -> BTreeMap<String, IdentitySource> {
    root.free("targets")
        .iter()
        .filter_map(|entry| {
            let table = entry.table()?;
            let source = identity(&table);
            table.finish();
            Some((entry.key.clone(), source?))
        })
        .collect()
}

fn identity(table: &Table<'_, '_>) -> Option<IdentitySource> {
    let reason = table.get("reason");
    let Some(entry) = table.get("identity") else {
        return Some(IdentitySource::default());
    };
    if entry.is_string() {
        if entry.string()? != "none" {
            return entry.problem("`identity` is \"none\" with a `reason`, or a table with `path`");
        }
        let reason = reason.and_then(|r| r.string()).filter(|text| !text.trim().is_empty());
        return match reason {
            Some(reason) => Some(IdentitySource::Waived { reason }),
            None => entry.problem("`identity = \"none\"` needs a `reason` beside it"),
        };
    }
    if let Some(reason) = reason {
        reason.problem::<()>("`reason` belongs to `identity = \"none\"` only");
    }
    let page = entry.table()?;
    let path = page.get("path").map_or(Some(IdentitySource::DEFAULT_PATH.to_owned()), |p| page_path(&p));
    let build_path = page.get("build-path").and_then(|p| page_path(&p));
    page.finish();
    Some(IdentitySource::Page { path: path?, build_path })
}

fn page_path(entry: &Entry<'_, '_>) -> Option<String> {
    let path = entry.string()?;
    if path.starts_with('/') { Some(path) } else { entry.problem(format!("`{path}` must begin with `/`")) }
}

/// A `[targets.x]` that no request goes to is a misspelling.
fn unused_targets(root: &Table<'_, '_>, suite: &Suite) {
    let used = suite.targets();
    for entry in root.free("targets") {
        if !used.is_empty() && !used.contains(entry.key.as_str()) {
            let help = nearest(&entry.key, used.iter().copied());
            entry.problem_with_help::<()>(format!("no request goes to the target `{}`", entry.key), help);
        }
    }
}
