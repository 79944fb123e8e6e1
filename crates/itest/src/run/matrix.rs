//! From one case with a matrix to one case for each value.

use serde_json::Value;

use crate::{
    json_path::JsonPath,
    run::{case::Progress, plan::Planned, session::Session},
    suite::{
        assertion::{Assertion, Expect, StatusMatch},
        model::{Matrix, MatrixValues, Request, Step},
    },
    variables::as_text,
};

impl Session<'_> {
    /// The cases of a matrix, in the order of its list; one errored case if there is no list.
    pub(super) async fn expand<'a>(&self, planned: Planned<'a>) -> Vec<Planned<'a>> {
        let Some(matrix) = &planned.case.matrix else { return vec![planned] };
        let values = match &matrix.values {
            MatrixValues::Given(values) => Ok(values.clone()),
            MatrixValues::Asked { request, path } => self.list(&planned, matrix, request, path).await,
        };
        let cases = match values {
            Ok(values) => values.iter().map(|value| one(&planned, matrix, value)).collect(),
            Err(error) => vec![Planned { error: Some(error), ..planned }],
        };
        cases.into_iter().filter(|case| self.run.filter.takes_name(&case.suite.name, &case.name)).collect()
    }

    /// Asks for the list as a step would, with its retries and its deadline.
    async fn list(
        &self,
        planned: &Planned<'_>,
        matrix: &Matrix,
        request: &Request,
        path: &JsonPath,
    ) -> Result<Vec<Value>, String> {
        let expect = Expect::Status { any_of: vec![StatusMatch::Class(2)], implied: true };
        let step = Step {
            label: "matrix".to_owned(),
            line: matrix.line,
            request: request.clone(),
            captures: Vec::new(),
            assertions: vec![Assertion { line: matrix.line, expect }],
        };
        let mut progress = Progress::default();
        let answer = tokio::time::timeout_at(self.deadline(planned), async {
            self.step(planned, &step, &mut planned.variables.clone(), &mut progress).await
        });
        let lost = |why: &str| format!("the list of the matrix cannot be had: {why}");
        let answer = match answer.await {
            Ok(Ok(Some(answer))) => answer,
            Ok(Ok(None)) => {
                let status = progress.exchange.and_then(|exchange| exchange.status);
                return Err(lost(&format!("status {}", status.unwrap_or_default())));
            }
            Ok(Err(error)) => return Err(lost(&error)),
            Err(_) => return Err(lost("the suite's deadline is over")),
        };
        let document: Value =
            serde_json::from_slice(&answer.body).map_err(|error| lost(&format!("not JSON: {error}")))?;
        let mut values: Vec<Value> = Vec::new();
        for node in path.select(&document) {
            if node.is_array() || node.is_object() {
                return Err(lost(&format!("{path} selects {node}, which is no string, number or boolean")));
            }
            if !values.contains(node) {
                values.push(node.clone());
            }
        }
        if values.is_empty() { Err(lost(&format!("nothing is at {path}"))) } else { Ok(values) }
    }
}

fn one<'a>(planned: &Planned<'a>, matrix: &Matrix, value: &Value) -> Planned<'a> {
    let mut case = planned.clone();
    let text = as_text(value);
    case.variables.set(matrix.name.clone(), value.clone());
    if let Some(each) = &matrix.each {
        match each.get(&text) {
            Some(variables) => case.variables.overlay(variables),
            None => case.error = Some(format!("the matrix gives nothing under `each` for `{text}`")),
        }
    }
    let names_it = case.case.name.names().any(|name| name == matrix.name);
    case.name = match case.case.name.fill(&case.variables) {
        Ok(name) if names_it => name,
        Ok(name) => format!("{name} [{text}]"),
        Err(_) => format!("{} [{text}]", case.case.label),
    };
    case
}
