//! `[[case]]`: a name, tags, a matrix and steps.

use std::collections::BTreeMap;

use super::{
    matrix,
    reader::{Entry, Source, Table},
    scope::Scope,
    step,
};
use crate::{suite::model::Case, template::Template};

/// All cases of the file; names must differ, since reports and filters go by them.
pub(super) fn cases(
    source: &Source<'_>,
    root: &Table<'_, '_>,
    scope: &mut Scope,
    target: Option<&str>,
) -> Vec<Case> {
    let entries = root.get("case").and_then(|entry| entry.array()).unwrap_or_default();
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    let mut cases = Vec::new();
    for entry in &entries {
        let Some(table) = entry.table() else { continue };
        let outer = scope.mark();
        let case = case(source, &table, scope, target);
        scope.back_to(outer);
        table.finish();
        let Some(case) = case else { continue };
        if let Some(first) = lines.insert(case.label.clone(), case.line) {
            source.problem(
                &table.span,
                format!("the case `{}` has the name of the one on line {first}", case.label),
            );
        }
        cases.push(case);
    }
    cases
}

fn case(source: &Source<'_>, table: &Table<'_, '_>, scope: &mut Scope, target: Option<&str>) -> Option<Case> {
    let own = table.string("target");
    let target = own.as_deref().or(target);
    let tags = table.strings("tags").iter().filter_map(Entry::string).collect();
    let matrix = table.get("matrix").map(|entry| matrix::matrix(source, &entry, scope, target));
    let label = match table.get("name") {
        Some(entry) => scope.template(&entry).and(entry.string()),
        None => {
            source.missing(&table.span, "the case has no `name`");
            None
        }
    };
    let steps = match table.get("step") {
        Some(entry) => entry.array().unwrap_or_default(),
        None => Vec::new(),
    };
    if steps.is_empty() {
        source.missing(&table.span, "the case has no [[case.step]]");
    }
    let steps: Vec<_> =
        steps.iter().filter_map(|entry| step::step(source, &entry.table()?, scope, target)).collect();
    let label = label?;
    Some(Case {
        name: Template::parse(&label),
        label,
        tags,
        line: table.line(),
        matrix: match matrix {
            Some(matrix) => Some(matrix?),
            None => None,
        },
        steps,
    })
}
