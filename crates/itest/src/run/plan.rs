//! Which cases there are, and what keeps some of them from being run.

use crate::{
    run::Run,
    suite::{Suite, model::Case, problem::Problem},
    variables::Variables,
};

/// One case that was selected.
#[derive(Clone)]
pub(super) struct Planned<'a> {
    /// Index into the run's suites.
    pub(super) at: usize,
    pub(super) suite: &'a Suite,
    pub(super) case: &'a Case,
    pub(super) name: String,
    /// The suite's variables, the run's and those of the matrix value.
    pub(super) variables: Variables,
    /// Known before it starts: it cannot be judged, for this reason.
    pub(super) error: Option<String>,
}

/// The selected cases of one suite, and what the caller forgot to give it.
pub(super) struct SuitePlan<'a> {
    pub(super) cases: Vec<Planned<'a>>,
    pub(super) problems: Vec<Problem>,
}

/// Selects from one suite. Names of a matrix are only known after its expansion and are filtered then.
pub(super) fn plan<'a>(run: &'a Run, at: usize, suite: &'a Suite) -> SuitePlan<'a> {
    let mut variables = suite.variables.clone();
    variables.overlay(&run.variables);
    let selected = suite.cases.iter().filter(|case| {
        run.filter.takes_tags(suite.tags.iter().chain(&case.tags))
            && (case.matrix.is_some() || run.filter.takes_name(&suite.name, &case.label))
    });
    let cases: Vec<_> = selected
        .map(|case| Planned {
            at,
            suite,
            case,
            name: case.name.fill(&variables).unwrap_or_else(|_| case.label.clone()),
            variables: variables.clone(),
            error: None,
        })
        .collect();
    let problems = if cases.is_empty() { Vec::new() } else { missing(run, suite, &cases, &variables) };
    SuitePlan { cases, problems }
}

fn missing(run: &Run, suite: &Suite, cases: &[Planned<'_>], variables: &Variables) -> Vec<Problem> {
    let mut targets: Vec<_> = cases.iter().flat_map(|planned| planned.case.targets()).collect();
    targets.sort_unstable();
    targets.dedup();
    let unknown = targets.into_iter().filter(|name| !run.targets.contains_key(*name));
    let targets = unknown.map(|name| Problem::whole(format!("no URL was given for the target `{name}`")));
    let inputs = suite.inputs.iter().filter(|name| variables.get(name).is_none());
    let inputs = inputs.map(|name| Problem::whole(format!("no value was given for the input `{name}`")));
    targets.chain(inputs).collect()
}
