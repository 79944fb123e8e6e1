//! `promote migrate-store`: the journal goes on in another store.

use clikit::{Exit, Failure, Table};
use serde_json::{Value, json};
use wiring::moving;

use super::Run;
use crate::args::MigrateStore;

pub(crate) async fn exec(run: &Run<'_>, args: MigrateStore) -> Result<Exit, Failure> {
    let MigrateStore { from, to, dry_run } = args;
    let pair = moving::pair(run.context, run.common, (&from, &to), dry_run).await?;
    let moved = pair.migrate().await?;
    run.warn(&moved.warnings);
    let chains: Vec<Value> = moved
        .chains
        .iter()
        .map(|chain| {
            json!({"environment": chain.environment, "records": chain.records, "copied": chain.copied})
        })
        .collect();
    let value = json!({
        "ok": true, "store": pair.id, "dry_run": dry_run, "environments": chains, "warnings": moved.warnings,
    });
    run.out.emit(&value, |_| {
        let mut table = Table::new(["environment", "records", if dry_run { "to copy" } else { "copied" }]);
        for chain in &moved.chains {
            table.row([chain.environment.as_str(), &chain.records.to_string(), &chain.copied.to_string()]);
        }
        let next = if dry_run {
            "nothing was changed\n"
        } else {
            "every record is there and verified; the old store is closed\n\
             next       name the new one under [store] in the project file, and wherever promote runs\n"
        };
        format!("{table}{next}")
    })?;
    Ok(Exit::Done)
}
