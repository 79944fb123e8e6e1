//! `promote receipt`: what became of a promotion and on what grounds, for whoever was not there.

use std::fmt::Write as _;
use std::path::Path;

use clikit::{Exit, Failure};
use promotion::engine::EngineError;
use promotion::journal::{Receipt, Tested};
use promotion::model::STATEMENT_PAYLOAD;
use serde_json::json;
use wiring::Absent;
use wiring::receipts::{self, Checked, Finding};

use super::Run;
use crate::args::ReceiptOf;
use crate::find;

pub(crate) async fn exec(run: &Run<'_>, args: ReceiptOf) -> Result<Exit, Failure> {
    match (&args.verify, &args.id) {
        (Some(file), _) => verify(run, file, args.keys.as_deref()).await,
        (None, Some(id)) => show(run, id).await,
        (None, None) => Err(Failure::usage("there is neither a promotion nor a receipt")),
    }
}

/// `promote receipt --verify`.
async fn verify(run: &Run<'_>, file: &Path, keys: Option<&Path>) -> Result<Exit, Failure> {
    let Checked { by, receipt, findings, journal } =
        receipts::verify(run.context, run.common, file, keys).await?;
    let exit = if findings.is_empty() { Exit::Done } else { Exit::Findings };
    let mut value = json!({
        "ok": exit == Exit::Done, "signed_by": by, "promotion": receipt.as_ref().map(|it| &it.promotion),
        "findings": findings, "journal": {"compared": journal.is_none(), "why": journal},
    });
    if exit != Exit::Done {
        let what = format!("the receipt is not what was signed and written: {} findings", findings.len());
        value["error"] = json!({"exit": exit.number(), "name": exit.name(), "what": what});
    }
    run.out.conclude(exit, &value, |_| {
        let mut out = String::new();
        // What nobody signed is not shown as if somebody had.
        if let (Some(receipt), Some(by)) = (receipt.as_ref().filter(|_| findings.is_empty()), &by) {
            let _ = writeln!(out, "{}signed     {by}", text(receipt));
        }
        for Finding { what, expected, found } in &findings {
            let _ = writeln!(out, "finding    {what}: expected {expected}; found {found}");
        }
        let _ = match journal {
            Some(why) => writeln!(out, "journal    not compared: {why}"),
            None => writeln!(out, "journal    compared"),
        };
        out
    })
}

async fn show(run: &Run<'_>, id: &str) -> Result<Exit, Failure> {
    let wired = run.wire_to_sign(false, Absent::Refuse).await?;
    let (view, id) = find::promotion(&wired.engine, wired.journal.as_ref(), id).await?;
    let receipt = wired.engine.receipt(&view.name, &id).await.map_err(|error| match error {
        EngineError::Refused { why } => {
            Failure::refused("there is no receipt yet").with_why(why).with_hint(format!("promote show {id}"))
        }
        error => find::engine_failure(error),
    })?;
    let signed = wired.attestor.seal(STATEMENT_PAYLOAD, &receipt.payload()).await;
    let envelope =
        signed.map_err(|error| Failure::unavailable("the receipt cannot be signed").with_source(error))?;
    run.out.emit(&envelope, |envelope| {
        let by: Vec<&str> = envelope.signatures.iter().map(|signature| signature.keyid.as_str()).collect();
        format!("{}signed     {}, with --json\n", text(&receipt), by.join(", "))
    })?;
    Ok(Exit::Done)
}

fn text(receipt: &Receipt) -> String {
    let mut out = String::new();
    let (built, record) = (&receipt.built, &receipt.record);
    let _ = writeln!(out, "receipt    {}", receipt.promotion);
    let _ = writeln!(
        out,
        "what       {} {} into {}: {} at {}",
        receipt.verb, built.version, receipt.environment, receipt.phase, record.at
    );
    let _ = writeln!(out, "asked by   {}", receipt.requested_by);
    let _ = writeln!(out, "built      from commit {}", built.commit);
    for (component, image) in &built.images {
        let _ = writeln!(out, "           {component} {image}");
    }
    for (component, copied) in &receipt.copied {
        let _ = writeln!(out, "copied     {component} {}", copied.image);
    }
    receipt.tested.iter().for_each(|it| tested(&mut out, "tested", it));
    for it in &receipt.approved {
        let _ = writeln!(out, "approved   {} at {}, proof {}", it.by, it.at, it.proof.short());
    }
    for it in &receipt.checklist {
        let comment = it.comment.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
        let _ = writeln!(out, "checked    {} ({}) by {} at {}{comment}", it.item, it.text, it.by, it.at);
    }
    if let Some(glass) = &receipt.break_glass {
        let _ = writeln!(out, "exception  {glass}");
    }
    receipt.verified.iter().for_each(|it| tested(&mut out, "verified", it));
    for (component, unit) in
        receipt.running.iter().flat_map(|(name, all)| all.iter().map(move |it| (name, it)))
    {
        let digest = unit.digest.as_ref().map_or("unknown", |digest| digest.short());
        let _ = writeln!(
            out,
            "running    {component} {} in {}: {digest}, version {}, {}",
            unit.id,
            unit.region,
            unit.version,
            crate::show::words(unit.state)
        );
    }
    if let Some(plan) = &receipt.plan {
        let _ = writeln!(out, "plan       {plan}");
    }
    let _ = writeln!(out, "record     {} of store {}: {}", record.seq, receipt.store, record.hash);
    out
}

fn tested(out: &mut String, word: &str, it: &Tested) {
    let Tested { suite, environment, at, by, report, .. } = it;
    let _ = writeln!(out, "{word:<10} {suite} in {environment} at {at} by {by}, report {}", report.short());
}
