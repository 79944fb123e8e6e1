//! Secrets under two names with one value.

use crate::{
    Code, EnvironmentName, Problem, Resolved, SecretRef, Severity, Source,
    project::{Environment, Project},
};

/// Tokens of two environments that are told apart by their references and not by what is behind them. `value` is asked
/// for what a reference stands for, as far as it is known here; no value is kept or shown.
pub(crate) fn findings(
    project: &Project,
    file: &str,
    value: impl Fn(&SecretRef) -> Option<String>,
) -> Vec<Problem> {
    let mut known: Vec<(&EnvironmentName, &SecretRef, String)> = Vec::new();
    let mut list = Vec::new();
    for environment in project.environments().values() {
        for (field, token) in tokens_of(environment) {
            let reference = &token.value;
            let Some(text) = value(reference).map(|text| text.trim().to_owned()) else { continue };
            if text.is_empty() || project.shared_secrets().contains(reference) {
                continue;
            }
            let twin = known.iter().find(|(name, other, same)| {
                **name != environment.name && *other != reference && *same == text
            });
            if let Some((name, other, _)) = twin.filter(|_| !cfg!(feature = "sabotage-p11")) {
                list.push(problem(file, &environment.name, field, token, name, other));
            }
            known.push((&environment.name, reference, text));
        }
    }
    list
}

fn problem(
    file: &str,
    here: &EnvironmentName,
    field: &str,
    token: &Resolved<SecretRef>,
    other: &EnvironmentName,
    twin: &SecretRef,
) -> Problem {
    let what = format!("`{}` of `{here}` and `{twin}` of `{other}` have the same value", token.value);
    let mut problem = Problem::about_file(Severity::Error, Code::SharedSecret, file, what)
        .because("whoever holds one environment's token can change the other")
        .with_hint(format!(
            "make a token per environment, or say that it is shared: `[shared]` `secrets = [\"{}\", \"{twin}\"]`",
            token.value
        ));
    problem.key = format!("environments.{here}.{field}");
    if let Source::File { line, column } = token.source {
        (problem.line, problem.column) = (line, column);
    }
    problem
}

/// The environment's own ones; a right to images that nobody names is its token.
fn tokens_of(environment: &Environment) -> impl Iterator<Item = (&'static str, &Resolved<SecretRef>)> {
    let rights =
        [("registry.pull", &environment.registry.pull), ("registry.push", &environment.registry.push)];
    let own = rights.into_iter().filter(|(_, right)| !right.is_default());
    std::iter::once(("fly.token", &environment.fly.token)).chain(own)
}
