//! `promote audit verify`: whether the journal is what was written.

use std::fmt::Write as _;

use clikit::{Exit, Failure, Table};
use promotion::journal::Finding;
use serde_json::{Value, json};
use wiring::audit::{self, Checked};

use super::Run;
use crate::args::{Audit, Environment};

pub(crate) async fn exec(run: &Run<'_>, args: Audit) -> Result<Exit, Failure> {
    match args {
        Audit::Verify(args) => verify(run, args).await,
    }
}

async fn verify(run: &Run<'_>, args: Environment) -> Result<Exit, Failure> {
    let audit = audit::verify(run.context, run.common, args.env.as_deref()).await?;
    let n_findings: usize = audit.chains.iter().map(|chain| chain.audited.findings.len()).sum();
    let exit = if n_findings == 0 { Exit::Done } else { Exit::Findings };
    let mut value = json!({
        "ok": exit == Exit::Done,
        "store": audit.store,
        "environments": audit.chains.iter().map(chain).collect::<Vec<_>>(),
    });
    if exit != Exit::Done {
        let what = format!("the journal is not what was written: {n_findings} findings");
        value["error"] = json!({"exit": exit.number(), "name": exit.name(), "what": what});
    }
    run.out.conclude(exit, &value, |_| text(&audit.chains))
}

fn chain(chain: &Checked) -> Value {
    let Checked { audited, anchor, notes } = chain;
    json!({
        "environment": audited.environment,
        "records": audited.records,
        "head": audited.head.as_ref().map(|(seq, hash, at)| json!({"seq": seq, "hash": hash, "at": at.to_string()})),
        "anchor": anchor.as_ref().map(|(point, by)| json!({
            "seq": point.seq, "hash": point.hash, "at": point.at.to_string(), "by": by,
        })),
        "says": says(chain),
        "findings": audited.findings,
        "notes": notes,
    })
}

/// What can be said of a chain. Without an anchor nobody can say that nothing was cut off or written anew.
fn says(chain: &Checked) -> String {
    let Checked { audited, anchor, .. } = chain;
    let n_findings = audited.findings.len();
    match anchor {
        _ if n_findings > 0 => format!("damaged: {n_findings} findings"),
        None => "consistent, never anchored".to_owned(),
        Some((point, by)) if point.seq == audited.records => {
            format!("intact, anchored at {} by {by}", point.at)
        }
        Some((point, by)) => format!(
            "intact to record {}, anchored by {by}; the rest is consistent, not anchored since {}",
            point.seq, point.at
        ),
    }
}

fn text(chains: &[Checked]) -> String {
    let mut table = Table::new(["environment", "records", "last hash", "says"]);
    for chain in chains {
        let audited = &chain.audited;
        let head = audited.head.as_ref().map_or("", |(_, hash, _)| hash.short());
        table.row([audited.environment.as_str(), &audited.records.to_string(), head, &says(chain)]);
    }
    let mut out = table.to_string();
    for finding in chains.iter().flat_map(|chain| &chain.audited.findings) {
        let _ = writeln!(out, "{}", line(finding));
    }
    for note in chains.iter().flat_map(|chain| &chain.notes) {
        let _ = writeln!(out, "note: {note}");
    }
    out
}

fn line(finding: &Finding) -> String {
    let Finding { environment, seq, to, fault, expected, found } = finding;
    let which = if seq == to { format!("record {seq}") } else { format!("records {seq} to {to}") };
    format!("{environment}: {which} {}: expected {expected}; found {found}", fault.name())
}
