//! `[case.matrix]`: one case for each value of a list.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    reader::{Entry, Source, Table},
    scope::Scope,
    step,
};
use crate::{
    suite::model::{Matrix, MatrixValues},
    variables::{Variables, as_text},
};

/// Reads the matrix and defines its variables in `scope`.
pub(super) fn matrix(
    source: &Source<'_>,
    entry: &Entry<'_, '_>,
    scope: &mut Scope,
    target: Option<&str>,
) -> Option<Matrix> {
    let table = entry.table()?;
    let values = values(source, entry, &table, scope, target);
    let name = match table.get("as") {
        Some(name) => name.name(),
        None => entry.problem("a matrix names its variable with `as = \"…\"`"),
    };
    let each = table.get("each").map(|each| self::each(&each, scope));
    table.finish();
    if let Some(name) = &name {
        scope.define(name);
    }
    Some(Matrix {
        name: name?,
        line: entry.line(),
        values: values?,
        each: match each {
            Some(each) => Some(each?),
            None => None,
        },
    })
}

fn values(
    source: &Source<'_>,
    entry: &Entry<'_, '_>,
    table: &Table<'_, '_>,
    scope: &Scope,
    target: Option<&str>,
) -> Option<MatrixValues> {
    let (given, list) = (table.get("values"), table.get("list"));
    if given.is_some() == list.is_some() {
        return entry.problem("a matrix has either `values`, or a `request` with `list`, a JSON path");
    }
    let Some(list) = list else {
        let values = given?;
        let scalars: Vec<_> = values.array()?.iter().map(scalar).collect::<Option<_>>()?;
        let distinct: BTreeSet<_> = scalars.iter().map(as_text).collect();
        return if scalars.is_empty() {
            values.problem("`values` is empty, so the case would never run")
        } else if distinct.len() < scalars.len() {
            values.problem("a value occurs twice")
        } else {
            Some(MatrixValues::Given(scalars))
        };
    };
    let request = step::request(source, table, scope, target);
    let path = step::json_path(&list, &list.string()?)?;
    Some(MatrixValues::Asked { request: Box::new(request?), path })
}

fn scalar(entry: &Entry<'_, '_>) -> Option<Value> {
    match entry.json()? {
        Value::Array(_) | Value::Object(_) => entry.problem("a value is a string, a number or a boolean"),
        value => Some(value),
    }
}

/// The variables that go with each value. Every value must give the same ones.
fn each(entry: &Entry<'_, '_>, scope: &mut Scope) -> Option<BTreeMap<String, Variables>> {
    let rows = entry.table()?.entries();
    let read = |row: &Entry<'_, '_>| {
        let table = row.table()?;
        let variables: Variables =
            table.entries().iter().filter_map(|e| Some((e.key_name()?, e.json()?))).collect();
        Some((row.key.clone(), variables))
    };
    let each: BTreeMap<_, _> = rows.iter().filter_map(read).collect();
    let all: BTreeSet<&str> = each.values().flat_map(Variables::names).collect();
    for row in &rows {
        let Some(variables) = each.get(&row.key) else { continue };
        for name in all.iter().filter(|name| variables.get(name).is_none()) {
            row.problem::<()>(format!("`{}` gives no `{name}`, which other values do", row.key));
        }
    }
    all.iter().for_each(|name| scope.define(name));
    Some(each)
}
