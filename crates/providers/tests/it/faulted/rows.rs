//! The faults of the table, each for a while: fly.md section 9, and what the module `localcloud::faults` adds to it.

use promotion::model::Strategy;
use promotion::ports::Randomness as _;
use promotion::testing::Seeded;
use serde_json::{Value, json};

/// Set faults end by themselves after this long at the latest, in milliseconds: then nothing stands in the way.
pub(crate) const OVER_MS: u64 = 8_000;

/// When a fault is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Before anybody asks for the promotion.
    Asked,
    /// Right before the first change: everything is locked and known.
    Deploying,
}

/// One row: a fault and when it is set.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) title: String,
    pub(crate) fault: Value,
    pub(crate) when: When,
    /// Nothing the engine can do puts the machine right while it lasts.
    pub(crate) is_dead_end: bool,
}

fn row(title: &str, mut fault: Value, when: When) -> Row {
    if fault["for_ms"].is_null() {
        fault["for_ms"] = OVER_MS.into();
    }
    Row { title: title.to_owned(), fault, when, is_dead_end: false }
}

/// Every fault alone. What only strikes calls of one kind strikes them more than once, so that a way back meets it too.
pub(crate) fn alone() -> Vec<Row> {
    use When::{Asked, Deploying};
    let mut rows = vec![
        row("boot-failure", json!({"name": "boot-failure", "count": 1}), Deploying),
        row("boot-failure, all", json!({"name": "boot-failure", "for_ms": 3000}), Deploying),
        row("answer-408-after-success", json!({"name": "answer-408-after-success", "count": 2}), Deploying),
        row(
            "408 on leases",
            json!({"name": "answer-408-after-success", "action": "lease-acquire", "count": 2}),
            Asked,
        ),
        row("cut-connection", json!({"name": "cut-connection", "count": 2}), Deploying),
        row(
            "cut-connection, applied",
            json!({"name": "cut-connection", "applied": true, "count": 2}),
            Deploying,
        ),
        row("late-landing", json!({"name": "late-landing", "ms": 1200, "count": 2}), Deploying),
        row(
            "late-landing of a cordon",
            json!({"name": "late-landing", "action": "machine-cordon", "ms": 1200, "count": 1}),
            Deploying,
        ),
        row("proxy-error", json!({"name": "proxy-error", "count": 6}), Deploying),
        row(
            "proxy-error, applied",
            json!({"name": "proxy-error", "status": 504, "applied": true, "count": 4}),
            Deploying,
        ),
        row("proxy-error at all", json!({"name": "proxy-error", "status": 503, "for_ms": 2500}), Asked),
        row("rate-limit-burst", json!({"name": "rate-limit-burst", "for_ms": 2500}), Deploying),
        row("latency", json!({"name": "latency", "ms": 250, "for_ms": 5000}), Asked),
        row("stale-list", json!({"name": "stale-list", "ms": 1000, "for_ms": 6000}), Asked),
        row("check-failing", json!({"name": "check-failing", "for_ms": 6500}), Deploying),
        row("check-flapping", json!({"name": "check-flapping", "for_ms": 4000}), Deploying),
        row(
            "pull-failure-silent-revert",
            json!({"name": "pull-failure-silent-revert", "count": 1}),
            Deploying,
        ),
        row(
            "pull-failure, old version",
            json!({"name": "pull-failure-silent-revert", "keep_version": false, "count": 1}),
            Deploying,
        ),
        row("stuck-replacing", json!({"name": "stuck-replacing", "ms": 3000, "count": 1}), Deploying),
        row("start-precondition", json!({"name": "start-precondition", "count": 3}), Deploying),
        row("insufficient-capacity", json!({"name": "insufficient-capacity", "count": 1}), Deploying),
        row(
            "insufficient-capacity, long",
            json!({"name": "insufficient-capacity", "for_ms": 4000}),
            Deploying,
        ),
        row("host-unreachable", json!({"name": "host-unreachable", "for_ms": 3000}), Deploying),
        row("host-unreachable at once", json!({"name": "host-unreachable", "for_ms": 2000}), Asked),
        row("autostart", json!({"name": "autostart", "count": 1}), Deploying),
        row("autostop", json!({"name": "autostop", "count": 1}), Deploying),
        row("slow-destroy", json!({"name": "slow-destroy", "ms": 2000}), Deploying),
        row("lease-stolen", json!({"name": "lease-stolen", "ms": 1500, "count": 1}), Deploying),
        row("lease-stolen at once", json!({"name": "lease-stolen", "ms": 1500, "count": 1}), Asked),
        row("lease-expired-early", json!({"name": "lease-expired-early", "ms": 300, "count": 3}), Asked),
        row("edge-lag", json!({"name": "edge-lag", "ms": 1500}), Deploying),
    ];
    let mut forever =
        row("stuck-replacing, for good", json!({"name": "stuck-replacing", "count": 1}), Deploying);
    forever.is_dead_end = true;
    rows.push(forever);
    rows
}

/// `n` pairs out of those that end by themselves, each fault at its own random moment.
pub(crate) fn pairs(seed: u64, n: usize) -> Vec<[Row; 2]> {
    let chance = Seeded::new(seed);
    let rows: Vec<Row> = alone().into_iter().filter(|row| !row.is_dead_end).collect();
    let below = |bound: usize| usize::try_from(chance.below(bound as u64)).unwrap();
    let draw = || {
        let mut row = rows[below(rows.len())].clone();
        row.fault["skip"] = json!(below(5));
        row.when = if below(3) == 0 { When::Asked } else { When::Deploying };
        row.title = format!("{}+{}", row.title, row.fault["skip"]);
        row
    };
    (0..n).map(|_| [draw(), draw()]).collect()
}

pub(crate) const STRATEGIES: [Strategy; 2] = [Strategy::BlueGreen, Strategy::Rolling];
