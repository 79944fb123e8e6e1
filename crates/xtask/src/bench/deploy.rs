//! `cargo xtask bench deploy`: figures of promotions, worked out from the stand-in's audit log.
//!
//! The driver (`bins/promote/examples/bench_deploy`) prints one [`Told`] per promotion: which, under which settings,
//! from when to when, and where the audit log is. Everything else is computed here from the log's documented lines
//! (`localcloud::audit`), without asking the engine or its journal: neither can flatter itself.

mod audit;
mod path;

use std::collections::BTreeMap;
use std::path::PathBuf;

use audit::Audit;
use serde::Deserialize;

use super::Figure;

/// What the project file and the provider ask to wait for.
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// The project file's `settle`.
    pub settle_ms: f64,
    /// The project file's `drain`.
    pub drain_ms: f64,
    /// The project file's `bake`, for a canary.
    pub bake_ms: f64,
    /// The project file's `max-unavailable`, a share of the machines.
    pub max_unavailable: f64,
    /// Creates per app and second in the long run (fly.md 1.8).
    pub creates_per_second: f64,
    /// Creates per app that may come at once (fly.md 1.8).
    pub creates_burst: f64,
}

/// One promotion, as the driver tells it.
#[derive(Clone, Debug, Deserialize)]
pub struct Told {
    /// Which run.
    pub run: String,
    /// `deploy` or `rollback`.
    pub verb: String,
    /// As in the project file.
    pub strategy: String,
    /// Machines of the old release.
    pub machines: u32,
    /// The app.
    pub app: String,
    /// Region of each machine there is at the end.
    pub regions: BTreeMap<String, String>,
    /// What is waited for.
    pub settings: Settings,
    /// The audit log.
    pub audit: PathBuf,
    /// When the measured process began, microseconds since 1970.
    pub from_us: u64,
    /// When it had ended.
    pub to_us: u64,
    /// Its highest resident memory.
    pub rss_kib: u32,
    /// Requests that went through the edges meanwhile.
    pub requests: u32,
    /// Of these, not answered with 200.
    pub failed: u32,
}

/// A fleet up to this size is looked at up to four times a second, a larger one once.
const SMALL: u32 = 20;
/// Reads that Fly takes at once before its rate counts (fly.md 1.8): a short promotion of a large fleet, which has to look
/// five times before it changes anything, is not measured by that.
const BURST: u32 = 10;
/// Limits of wall time over critical path: for one machine, and from ten on.
const SHARE_ONE: f64 = 1.15;
const SHARE: f64 = 1.05;
const RSS_MIB: f64 = 64.0;
/// What a warm way back may take beyond start, checks and settle.
const BACK_MS: f64 = 2_000.0;

/// All figures of one promotion, or why there are none.
///
/// # Errors
/// What in the audit log cannot be read or does not fit the run.
pub fn figures(told: &Told) -> Result<Vec<Figure>, String> {
    let text = std::fs::read_to_string(&told.audit)
        .map_err(|error| format!("{} cannot be read: {error}", told.audit.display()))?;
    of_log(told, &text)
}

/// [`figures`] over the text of a log.
fn of_log(told: &Told, text: &str) -> Result<Vec<Figure>, String> {
    let audit = Audit::read(text, told)?;
    let name = format!("{} {}", told.run, told.verb);
    let figure = |what: &str, value: f64, unit: &str, limit: Option<f64>| Figure {
        figure: format!("{name}: {what}"),
        value,
        unit: unit.to_owned(),
        limit,
        peer: None,
    };
    #[expect(clippy::cast_precision_loss, reason = "the length of a run in microseconds")]
    let wall_ms = (told.to_us - told.from_us) as f64 / 1000.0;
    let mut figures = Vec::new();
    if told.verb == "rollback" {
        let back = path::warm_back(told, &audit)?;
        figures.push(figure("served by the old fleet after", back.served_ms / 1000.0, "s", None));
        let beyond = back.served_ms - back.asked_ms;
        figures.push(figure("beyond start, checks and settle", beyond / 1000.0, "s", Some(BACK_MS / 1000.0)));
    } else {
        let critical_ms = path::critical(told, &audit)?;
        let limit = match told.machines {
            1 => Some(SHARE_ONE),
            2..10 => None,
            _ => Some(SHARE),
        };
        figures.push(figure("wall time", wall_ms / 1000.0, "s", None));
        figures.push(figure("critical path", critical_ms / 1000.0, "s", None));
        figures.push(figure("wall time over critical path", wall_ms / critical_ms, "x", limit));
        let calls = audit.calls_per_machine();
        let most = match told.strategy.as_str() {
            "rolling" | "canary" => Some(4.0),
            "bluegreen" => Some(6.0),
            _ => None,
        };
        // A mutation is what a lease guards against (fly.md 1.7): update, start, stop, cordon, uncordon, destroy; creates
        // and writes of metadata are counted with them. The lease itself changes nothing of a machine.
        figures.push(figure("mutating calls per machine", calls.changing, "calls", most));
        figures.push(figure("lease calls per machine", calls.leases, "calls", None));
        figures.push(figure("keep-alives per machine", calls.keep_alives, "calls", Some(0.0)));
    }
    let rate = |looks: u32| f64::from(looks) / (wall_ms / 1000.0);
    if told.machines <= SMALL {
        figures.push(figure("looks", rate(audit.looks()), "/s", Some(4.0)));
    } else {
        figures.push(figure("looks", rate(audit.looks()), "/s", None));
        let beyond = audit.looks().saturating_sub(BURST);
        figures.push(figure("looks beyond a burst", rate(beyond), "/s", Some(1.0)));
    }
    // One machine in place leaves a gap in which nobody answers, and all at once does, too.
    let is_gapless = told.strategy == "bluegreen" || (told.strategy != "immediate" && told.machines >= 2);
    let failed = format!("failed of {} requests", told.requests);
    figures.push(figure(&failed, f64::from(told.failed), "requests", is_gapless.then_some(0.0)));
    figures.push(figure("resident memory", f64::from(told.rss_kib) / 1024.0, "MiB", Some(RSS_MIB)));
    Ok(figures)
}

#[cfg(test)]
mod tests;
