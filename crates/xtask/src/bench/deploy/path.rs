//! The critical path: how long a promotion would take if its engine took no time at all.
//!
//! It is the longest chain of waits that somebody asked for, replayed without anything in between:
//!
//! * by the project file: `settle` after each change of routing, `drain` before a machine that served is stopped or
//!   changed, how many machines may be away at once (`max-unavailable`; the first of each region alone), and for a
//!   canary `bake`, for which the first of each region serve before any other is touched;
//! * by the provider: the latency of each call that another has to wait for (`ms` of its line), the time from an
//!   accepted create, update or start to the `started` state and the first passing check, from an accepted stop to the
//!   `stopped` state, and creates at no more than its rate limit.
//!
//! * by the promotion itself: before anything is changed it looks at the machines and their secrets three times, one
//!   after the other, since each time may end it (the plan; everything again under the lock; the snapshot), and at the
//!   end once more, to read back.
//!
//! How often and when the engine looks otherwise is its own affair; one look is granted wherever what follows depends on
//! what a machine did by itself. Calls on different machines go at the same time, so the slowest counts. Nothing is
//! granted for the engine's decisions, its journal, its process, or a second try.

use std::collections::BTreeSet;

use super::Told;
use super::audit::Audit;

/// The critical path in milliseconds.
pub(super) fn critical(told: &Told, audit: &Audit) -> Result<f64, String> {
    let before = 3.0 * (audit.look_ms() + audit.read_ms("secret-list")) + audit.slowest("lease-acquire");
    let after = audit.look_ms() + audit.slowest("lease-release");
    let between = match told.strategy.as_str() {
        "bluegreen" => beside(told, audit)?,
        "immediate" => turns(told, audit, false)?.iter().map(|turn| turn.takes_ms).fold(0.0, f64::max),
        "canary" => on_trial(turns(told, audit, true)?, width(told)) + told.settings.bake_ms,
        _ => schedule(turns(told, audit, true)?, width(told), BTreeSet::new()),
    };
    Ok(before + between + after)
}

/// How many machines may be away at once: the share rounded up, as flyctl does (fly.md 2.2).
fn width(told: &Told) -> u32 {
    let share = told.settings.max_unavailable * f64::from(told.machines);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of few machines")]
    let width = share.ceil() as u32;
    width.max(1)
}

/// One machine that is changed where it stands.
struct Turn {
    region: String,
    began_ms: f64,
    takes_ms: f64,
}

/// Every machine's turn, in the order in which they were changed.
fn turns(told: &Told, audit: &Audit, is_drained: bool) -> Result<Vec<Turn>, String> {
    let settings = &told.settings;
    let mut turns = Vec::new();
    for (machine, region) in &told.regions {
        let update =
            audit.on(machine, "machine-update").ok_or_else(|| format!("{machine} was not updated"))?;
        let healthy = audit
            .healthy(machine, update.decided_ms)
            .ok_or_else(|| format!("{machine} did not become healthy"))?;
        let mut takes_ms = update.ms + (healthy - update.decided_ms) + audit.look_ms() + settings.settle_ms;
        if is_drained {
            let ms = |action: &str| audit.on(machine, action).map_or(0.0, |call| call.ms);
            takes_ms +=
                ms("machine-cordon") + settings.settle_ms + settings.drain_ms + ms("machine-uncordon");
        }
        turns.push(Turn { region: region.clone(), began_ms: update.decided_ms - update.ms, takes_ms });
    }
    turns.sort_by(|a, b| a.began_ms.total_cmp(&b.began_ms));
    Ok(turns)
}

/// The first of each region, then the others; how long those serve in between comes on top.
fn on_trial(turns: Vec<Turn>, width: u32) -> f64 {
    let mut regions = BTreeSet::new();
    let (first, others): (Vec<Turn>, Vec<Turn>) =
        turns.into_iter().partition(|turn| regions.insert(turn.region.clone()));
    schedule(first, width, BTreeSet::new()) + schedule(others, width, regions)
}

/// When the last turn is over, if each begins as soon as it may: `width` side by side, and of a region that is not `open`
/// the first alone.
fn schedule(mut waiting: Vec<Turn>, width: u32, mut open: BTreeSet<String>) -> f64 {
    let mut now = 0.0;
    let mut running: Vec<(f64, String)> = Vec::new();
    let mut begun: BTreeSet<String> = BTreeSet::new();
    loop {
        while running.len() < width as usize
            && let Some(n) =
                waiting.iter().position(|turn| open.contains(&turn.region) || !begun.contains(&turn.region))
        {
            let turn = waiting.remove(n);
            begun.insert(turn.region.clone());
            running.push((now + turn.takes_ms, turn.region));
        }
        running.sort_by(|a, b| b.0.total_cmp(&a.0));
        let Some((end, region)) = running.pop() else { return now };
        now = end;
        open.insert(region);
    }
}

/// A second fleet beside the first, then the traffic, then the first one parked.
fn beside(told: &Told, audit: &Audit) -> Result<f64, String> {
    let settings = &told.settings;
    let mut filled: f64 = 0.0;
    let mut n = 0.0;
    for create in audit.applied("machine-create") {
        let machine = create.machine.as_deref().ok_or("a create without a machine")?;
        let healthy = audit
            .healthy(machine, create.decided_ms)
            .ok_or_else(|| format!("{machine} did not become healthy"))?;
        n += 1.0;
        let admitted = (n - settings.creates_burst).max(0.0) / settings.creates_per_second * 1000.0;
        filled = filled.max(admitted + create.ms + (healthy - create.decided_ms));
    }
    let mut stopped: f64 = 0.0;
    for stop in audit.applied("machine-stop") {
        let machine = stop.machine.as_deref().ok_or("a stop without a machine")?;
        let rests =
            audit.stopped(machine, stop.decided_ms).ok_or_else(|| format!("{machine} did not stop"))?;
        stopped = stopped.max(stop.ms + (rests - stop.decided_ms));
    }
    if n == 0.0 {
        return Err("no machine was made".to_owned());
    }
    let looks = 2.0 * audit.look_ms();
    let routing =
        audit.slowest("machine-uncordon") + audit.slowest("machine-cordon") + 2.0 * settings.settle_ms;
    Ok(filled + routing + settings.drain_ms + stopped + looks + audit.slowest("metadata-patch"))
}

/// A warm way back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Back {
    /// From the beginning of the process to the moment at which the last of the new machines is out of traffic.
    pub(super) served_ms: f64,
    /// Of that, asked for: from start to the first passing check, and `settle` before the others are taken out.
    pub(super) asked_ms: f64,
}

pub(super) fn warm_back(told: &Told, audit: &Audit) -> Result<Back, String> {
    let mut up: f64 = 0.0;
    for start in audit.applied("machine-start") {
        let machine = start.machine.as_deref().ok_or("a start without a machine")?;
        let healthy = audit
            .healthy(machine, start.decided_ms)
            .ok_or_else(|| format!("{machine} did not become healthy"))?;
        up = up.max(start.ms + (healthy - start.decided_ms));
    }
    let served_ms = audit.applied("machine-cordon").map(|call| call.decided_ms).fold(0.0, f64::max);
    if up == 0.0 || served_ms == 0.0 {
        return Err("nothing was started, or nothing taken out of traffic".to_owned());
    }
    Ok(Back { served_ms, asked_ms: up + told.settings.settle_ms })
}
