//! The part of an audit log that belongs to one promotion.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::Told;

/// A line as `localcloud::audit` documents it; what a kind of line does not have is absent.
#[derive(Deserialize)]
struct Line {
    at_us: u64,
    event: Option<String>,
    app: Option<String>,
    machine: Option<String>,
    action: Option<String>,
    method: Option<String>,
    applied: Option<bool>,
    ms: Option<u64>,
    to: Option<String>,
    passing: Option<bool>,
}

/// A call on the app or one of its machines.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// When it was decided: arrival and time until then, in milliseconds since the promotion began.
    pub(super) decided_ms: f64,
    /// How long that took: the provider's latency.
    pub(super) ms: f64,
    pub(super) action: String,
    pub(super) machine: Option<String>,
    /// It changed something.
    pub(super) applied: bool,
    pub(super) is_read: bool,
}

/// Something that became of a machine, in milliseconds since the promotion began.
#[derive(Clone, Debug)]
enum News {
    State(String),
    Check { is_passing: bool },
}

/// The log between a promotion's beginning and end.
#[derive(Debug, Default)]
pub(super) struct Audit {
    pub(super) calls: Vec<Call>,
    news: BTreeMap<String, Vec<(f64, News)>>,
}

/// Calls on one machine of the fleet; a new machine and the old one that it replaces are one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PerMachine {
    pub(super) changing: f64,
    pub(super) leases: f64,
    pub(super) keep_alives: f64,
}

impl Audit {
    pub(super) fn read(text: &str, told: &Told) -> Result<Self, String> {
        let mut audit = Self::default();
        for (n, line) in text.lines().enumerate() {
            let line: Line = serde_json::from_str::<Value>(line)
                .and_then(serde_json::from_value)
                .map_err(|error| format!("line {} of the audit log: {error}", n + 1))?;
            if (told.from_us..=told.to_us).contains(&line.at_us) && line.app.as_deref() == Some(&told.app) {
                audit.take(line, told.from_us);
            }
        }
        match audit.calls.is_empty() {
            true => Err("the audit log has no call of this run".to_owned()),
            false => Ok(audit),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "the length of a run in microseconds")]
    fn take(&mut self, line: Line, from_us: u64) {
        let at_ms = (line.at_us - from_us) as f64 / 1000.0;
        let news = match (line.event.as_deref(), line.to, line.passing) {
            (Some("state"), Some(to), _) => Some(News::State(to)),
            (Some("check"), _, Some(is_passing)) => Some(News::Check { is_passing }),
            _ => None,
        };
        if let (Some(news), Some(machine)) = (news, &line.machine) {
            self.news.entry(machine.clone()).or_default().push((at_ms, news));
        }
        if let Some(action) = line.action {
            let ms = line.ms.unwrap_or_default() as f64;
            self.calls.push(Call {
                decided_ms: at_ms + ms,
                ms,
                action,
                machine: line.machine,
                applied: line.applied.unwrap_or_default(),
                is_read: line.method.as_deref() == Some("GET"),
            });
        }
    }

    /// Calls of one kind that took effect, in their order.
    pub(super) fn applied(&self, action: &str) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(move |call| call.applied && call.action == action)
    }

    /// The last call of one kind on a machine that took effect.
    pub(super) fn on(&self, machine: &str, action: &str) -> Option<&Call> {
        self.applied(action).filter(|call| call.machine.as_deref() == Some(machine)).last()
    }

    /// How long the slowest call of one kind took.
    pub(super) fn slowest(&self, action: &str) -> f64 {
        self.applied(action).map(|call| call.ms).fold(0.0, f64::max)
    }

    /// How long a look takes: the median.
    pub(super) fn look_ms(&self) -> f64 {
        self.read_ms("machine-list")
    }

    /// How long a read of one kind takes: the median.
    pub(super) fn read_ms(&self, action: &str) -> f64 {
        let mut all: Vec<f64> =
            self.calls.iter().filter(|call| call.action == action).map(|call| call.ms).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    }

    /// Reads of the fleet or of single machines.
    pub(super) fn looks(&self) -> u32 {
        let looks = self.calls.iter().filter(|call| call.is_read && call.action.starts_with("machine-"));
        u32::try_from(looks.count()).unwrap_or(u32::MAX)
    }

    /// When `machine` was started and all its checks passed, first after `after_ms`.
    pub(super) fn healthy(&self, machine: &str, after_ms: f64) -> Option<f64> {
        let news = self.news.get(machine)?;
        let later = || news.iter().filter(move |(at, _)| *at >= after_ms);
        let started = later().find(|(_, news)| matches!(news, News::State(to) if to == "started"))?.0;
        let passing = later().find(|(_, news)| matches!(news, News::Check { is_passing: true }))?.0;
        Some(started.max(passing))
    }

    /// When `machine` had stopped, first after `after_ms`.
    pub(super) fn stopped(&self, machine: &str, after_ms: f64) -> Option<f64> {
        let news = self.news.get(machine)?;
        let is_stopped =
            |(at, news): &&(f64, News)| *at >= after_ms && matches!(news, News::State(to) if to == "stopped");
        news.iter().find(is_stopped).map(|(at, _)| *at)
    }

    pub(super) fn calls_per_machine(&self) -> PerMachine {
        let made: BTreeSet<&str> =
            self.applied("machine-create").filter_map(|call| call.machine.as_deref()).collect();
        let most = |of: &dyn Fn(&str) -> bool, less: u32| {
            let mut by: BTreeMap<(bool, &str), u32> = BTreeMap::new();
            // Also those that were refused: the limit is on what is sent.
            for call in self.calls.iter().filter(|call| !call.is_read && of(&call.action)) {
                let Some(machine) = call.machine.as_deref() else { continue };
                *by.entry((made.contains(machine), machine)).or_default() += 1;
            }
            let of = |is_new: bool| {
                let counts = by.iter().filter(|((new, _), _)| *new == is_new).map(|(_, count)| *count);
                counts.max().unwrap_or_default().saturating_sub(less)
            };
            f64::from(of(true) + of(false))
        };
        PerMachine {
            changing: most(&|action| !action.starts_with("lease-"), 0),
            leases: most(&|action| action.starts_with("lease-"), 0),
            // A lease is taken, and made to last to the deadline when its number is journaled; what comes after that
            // only keeps it alive.
            keep_alives: most(&|action| action == "lease-acquire", 2),
        }
    }
}
