//! Whether the journal can be read, and how long that takes.

use std::sync::Arc;

use clikit::{Common, Context, Failure};
use promotion::model::EnvironmentName;
use promotion::ports::Ids as _;
use providers::{SystemClock, UuidIds};

use super::Finding;
use crate::store;
use crate::wire::{Files, secret};

pub(super) async fn look(context: &Context, common: &Common, files: &Files) -> Finding {
    let found = read(context, common, files).await;
    found.unwrap_or_else(|failure| Finding::failed("store", &failure)).needed_for(["everything"])
}

async fn read(context: &Context, common: &Common, files: &Files) -> Result<Finding, Failure> {
    let reveal = |reference: &_| secret(context, &files.root, reference);
    let address = store::address(context, common.store.as_deref(), &files.project, &files.root, reveal)?;
    let (ids, begun) = (UuidIds::default(), context.instant());
    let fresh = (&*ids.runner(), ids.store());
    let Some(journal) = store::find(context, &address, Arc::new(SystemClock), fresh).await? else {
        let seen = format!("there is no journal at {} yet", address.place);
        let begun = "`promote adopt` begins one over what runs, `promote deploy` one with a first release";
        return Ok(Finding::unknown("store", seen).advised(begun));
    };
    let unreadable = |error: promotion::ports::JournalError| {
        Failure::unavailable("the store cannot be read").with_source(error).with_hint("promote audit verify")
    };
    let mut records = 0;
    for name in files.project.environments().keys() {
        let name = EnvironmentName::new(name.as_str()).map_err(|error| Failure::usage(error.to_string()))?;
        records += journal.read(&name, 0).await.map_err(unreadable)?.len();
    }
    let took = context.instant().duration_since(begun).as_millis();
    Ok(Finding::good("store", format!("{}: opened, and {records} records read, in {took} ms", address.place)))
}
