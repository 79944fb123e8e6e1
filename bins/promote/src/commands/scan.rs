//! `promote attest --sarif`: what a scan found is signed, whatever that is; the gate judges it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clikit::{Exit, Failure};
use promotion::model::{Millis, ReadScan};
use serde_json::json;
use wiring::Absent;

use super::Run;
use super::attest::is_meant;
use crate::args::Attest;
use crate::find;
use crate::wire::Wired;

/// More than a report may have: whoever reads it says so.
const BYTES_MAX: u64 = (16 << 20) + 1;

pub(super) async fn attest(run: &Run<'_>, args: &Attest) -> Result<Exit, Failure> {
    let wired = run.wire_to_sign(false, Absent::Refuse).await?;
    let environment = find::environment(&args.env)?;
    wired.targets(&args.env)?;
    let (file, max_age) = asked(run, &wired, args)?;
    let shown = file.display().to_string();
    let none = |why: String| {
        Failure::usage(format!("{shown} is no report of a scan"))
            .with_why(why)
            .with_hint("give a file in SARIF 2.1.0 that names the commit or the digests that were scanned")
    };
    let bytes = bytes(&file).map_err(|error| none(error.to_string()))?;
    is_meant(args, &file, &bytes)?;
    let read = ReadScan::read(&bytes).map_err(none)?;
    run.warn(&wired.attestor.unbelieved().into_iter().collect::<Vec<_>>());
    let signed = wired.engine.attest_scan(&environment, &read, max_age).await;
    let signed = signed.map_err(find::engine_failure)?;
    let scan = read.scan();
    let value = json!({
        "ok": true, "environment": environment, "deployment": signed.statement.deployment, "report": read.hash(),
        "by": signed.by, "at": signed.statement.at.to_string(), "scan": scan,
    });
    run.out.emit(&value, |_| {
        let mut out = String::new();
        let at = signed.statement.at;
        let _ = writeln!(out, "report     {} about {}", read.hash(), signed.statement.deployment);
        let _ = writeln!(out, "scanned    by {} at {at}; signed by {}", scan.tools.join(", "), signed.by);
        for finding in &scan.findings {
            let _ = writeln!(out, "finding    {finding}");
        }
        for (level, n) in &scan.more {
            let _ = writeln!(out, "finding    {n} more of level {}", level.name());
        }
        if scan.suppressed > 0 {
            let _ = writeln!(out, "suppressed {} by the report itself", scan.suppressed);
        }
        out
    })?;
    Ok(Exit::Done)
}

/// The file that was given, else that of the project file, and how old a scan may be.
fn asked(run: &Run<'_>, wired: &Wired, args: &Attest) -> Result<(PathBuf, Millis), Failure> {
    let paths = wired.project.paths().iter().filter(|((from, _), _)| from.as_str() == args.env);
    let rules: Vec<_> = paths.filter_map(|(_, rules)| rules.sarif.as_ref().map(|it| &it.value)).collect();
    let max_age = rules.iter().map(|rule| Millis(rule.max_age.as_millis())).min();
    let file = match args.sarif.iter().flatten().next() {
        Some(file) => run.context.current_dir.join(file),
        None => rules.iter().find_map(|rule| rule.path.as_ref()).map_or_else(
            || {
                Err(Failure::usage(format!("it is not known which report of `{}` is meant", args.env))
                    .with_hint("--sarif FILE, or `path` of `sarif` in the project file"))
            },
            |path| Ok(wired.beside(Path::new(path.as_str()))),
        )?,
    };
    Ok((file, max_age.unwrap_or(Millis::secs(24 * 3600))))
}

fn bytes(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
