//! Whether the tables that stand in a schema are ours, by the catalogue alone: nothing of theirs is read before.

use std::collections::BTreeMap;

use super::OpenError;
use super::row::Origin;
use super::server::Server;
use super::value::Value;

/// Each table with its columns, their types as the catalogue names them. More columns than these are somebody's own
/// affair.
const TABLES: [(&str, &[(&str, &str)]); 3] = [
    ("meta", &[("key", "text"), ("value", "text")]),
    (
        "record",
        &[("environment", "text"), ("seq", "bigint"), ("body", "text"), ("hash", "text"), ("writer", "text")],
    ),
    (
        "lease",
        &[
            ("environment", "text"),
            ("epoch", "bigint"),
            ("holder", "text"),
            ("until", "timestamp with time zone"),
        ],
    ),
];

/// One row for each column; one without a column for what has none.
const LOOK: &str = "
select c.relname::text, c.relkind::text, coalesce(a.attname::text, ''),
    coalesce(format_type(a.atttypid, a.atttypmod), '')
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where n.nspname = $1 and c.relname = any ($2)";

/// What has one of our names in the schema.
#[derive(Debug)]
pub(super) struct Shape(BTreeMap<String, Relation>);

/// A table, or what else can have a table's name.
#[derive(Debug, Default)]
struct Relation {
    is_table: bool,
    columns: BTreeMap<String, String>,
}

impl Shape {
    /// Looks into the catalogue, which every role may read.
    pub(super) async fn of(server: &Server) -> Result<Self, OpenError> {
        let step = "looking for the store";
        let names = TABLES.iter().map(|(name, _)| (*name).to_owned()).collect();
        let values = [Value::Text(&server.address.schema), Value::Texts(names)];
        let rows = server.query(LOOK, &values).await.map_err(|failed| failed.opening(server, step))?;
        let origin = Origin { place: &server.address, step };
        let mut found: BTreeMap<String, Relation> = BTreeMap::new();
        for row in &rows {
            let relation = found.entry(origin.opened(row, 0)?).or_default();
            let (kind, column): (&str, String) = (origin.opened(row, 1)?, origin.opened(row, 2)?);
            // Ordinary or partitioned (pg_class.relkind).
            relation.is_table = matches!(kind, "r" | "p");
            relation.columns.insert(column, origin.opened(row, 3)?);
        }
        Ok(Self(found))
    }

    /// Nothing there has one of our names.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Why the table with the marks is not ours.
    pub(super) fn fault_of_marks(&self) -> Option<String> {
        self.fault("meta", TABLES.iter().find(|(name, _)| *name == "meta")?.1)
    }

    /// Why one of the tables is not ours. They are made all at once, so one that is missing is a fault as well.
    pub(super) fn fault_of_any(&self) -> Option<String> {
        TABLES.iter().find_map(|(name, columns)| self.fault(name, columns))
    }

    fn fault(&self, name: &str, columns: &[(&str, &str)]) -> Option<String> {
        let Some(relation) = self.0.get(name) else {
            let beside: Vec<&str> = self.0.keys().map(String::as_str).collect();
            return Some(format!("there is `{}` and no `{name}`", beside.join("`, `")));
        };
        if !relation.is_table {
            return Some(format!("`{name}` is no table"));
        }
        columns.iter().find_map(|(column, ours)| match relation.columns.get(*column) {
            None => Some(format!("`{name}` has no column `{column}`")),
            Some(theirs) if theirs != ours => {
                Some(format!("column `{column}` of `{name}` is {theirs}, and ours is {ours}"))
            }
            Some(_) => None,
        })
    }
}
