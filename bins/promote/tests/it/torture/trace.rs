//! What the journal and the provider say of one promotion, and where somebody stood who died.

use std::collections::BTreeMap;

use promotion::journal::{Entry, Record};
use promotion::machine::{EffectName, Event, Phase};
use promotion::model::PromotionId;
use promotion::rollout::UnitCall;
use serde_json::Value;

/// What the provider does once for each time it is meant, by its name in the audit log.
pub(super) const EFFECTS: [&str; 7] = [
    "machine-create",
    "machine-update",
    "machine-start",
    "machine-stop",
    "machine-cordon",
    "machine-uncordon",
    "machine-delete",
];
/// What is seen of leases, labels and images, which may be written more than once.
const MARKS: [&str; 5] =
    ["lease-acquire", "lease-release", "metadata-patch", "metadata-key-set", "registry-manifest-put"];

/// Whoever does nothing for so long waits, and is still waiting when the signal arrives.
const WAITING_US: i64 = 150_000;

/// The names of a call in the audit log.
const fn actions(call: &UnitCall) -> &'static [&'static str] {
    match call {
        UnitCall::Create { .. } => &["machine-create"],
        UnitCall::Update { .. } => &["machine-update"],
        UnitCall::Start { .. } => &["machine-start"],
        UnitCall::Stop { .. } => &["machine-stop"],
        UnitCall::Cordon { .. } => &["machine-cordon"],
        UnitCall::Uncordon { .. } => &["machine-uncordon"],
        UnitCall::Destroy { .. } => &["machine-delete"],
        UnitCall::Tag { .. } => &["metadata-patch", "metadata-key-set"],
        UnitCall::Lease { .. } => &["lease-acquire"],
        UnitCall::Unlease { .. } => &["lease-release"],
    }
}

/// How often each effect landed, machine by machine, without their names.
pub(super) type Landed = BTreeMap<String, Vec<usize>>;
/// Effect, and whether the provider had done it.
pub(super) type Struck = (String, &'static str);

/// Where somebody is killed: when this many records or audit lines of the promotion are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Record(usize),
    Line(usize),
    /// So many milliseconds after somebody began to write an approval down.
    Approving(u64),
}

/// A moment of the undisturbed run.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    pub(super) moment: Moment,
    /// Whether whoever drives it only waits there.
    pub(super) is_quiet: bool,
    /// What is under way there.
    pub(super) struck: Vec<Struck>,
}

/// Records, and audit lines about machines of production that changed something.
#[derive(Debug, Clone, Default)]
pub(super) struct Trace {
    pub(super) records: Vec<Record>,
    pub(super) lines: Vec<Value>,
}

fn at_us(line: &Value) -> i64 {
    line["at_us"].as_i64().unwrap_or(0)
}

fn is_effect(line: &Value) -> bool {
    EFFECTS.iter().any(|name| line["action"] == *name)
}

/// The name under which a phase's own work is told, where it has one.
const fn work(phase: Phase) -> Option<&'static str> {
    match phase {
        Phase::Locked => Some("lease"),
        Phase::Rechecking => Some("recheck"),
        Phase::Copying => Some("copy"),
        Phase::Snapshotting => Some("snapshot"),
        Phase::Verifying => Some("verify"),
        _ => None,
    }
}

fn told(effect: EffectName) -> String {
    effect.to_string().replace(' ', "-")
}

impl Trace {
    pub(super) fn takes(line: &Value) -> bool {
        is_effect(line) || MARKS.iter().any(|name| line["action"] == *name)
    }

    pub(super) fn effects(&self) -> impl Iterator<Item = &Value> {
        self.lines.iter().filter(|line| is_effect(line))
    }

    pub(super) fn is_there(&self, moment: Moment) -> bool {
        match moment {
            Moment::Record(n) => self.records.len() >= n,
            Moment::Line(n) => self.lines.len() >= n,
            Moment::Approving(_) => false,
        }
    }

    pub(super) fn id(&self) -> Option<&PromotionId> {
        self.records.iter().find_map(|record| record.promotion.as_ref())
    }

    pub(super) fn phase(&self) -> Phase {
        self.phases().last().map_or(Phase::Requested, |(_, phase)| phase)
    }

    /// What happened and the phase after it, one by one.
    pub(super) fn phases(&self) -> impl Iterator<Item = (&Event, Phase)> {
        self.records.iter().filter_map(|record| match &record.entry {
            Entry::Stepped { stamped, phase, .. } => Some((&stamped.event, *phase)),
            _ => None,
        })
    }

    /// The hash of the plan that people are asked about.
    pub(super) fn plan(&self) -> Option<String> {
        let plans = self.phases().filter_map(|(event, _)| match event {
            Event::PlanMade { plan } => Some(plan.hash.to_string()),
            _ => None,
        });
        plans.last()
    }

    pub(super) fn is_approved(&self) -> bool {
        self.phases().any(|(event, _)| matches!(event, Event::Approve(_)))
    }

    /// A final phase, and nothing that is left to do.
    pub(super) fn is_over(&self) -> bool {
        self.phase().is_final() && self.open().is_empty()
    }

    fn has_begun(&self) -> bool {
        self.records.iter().any(|record| match &record.entry {
            Entry::Stepped { effects, .. } => !effects.is_empty(),
            Entry::Meant { calls, .. } => !calls.is_empty(),
            _ => false,
        })
    }

    /// Every moment after the first effect and before the end of the last, in their order.
    pub(super) fn stops(&self) -> Vec<Stop> {
        let records = self.records.iter().map(|record| (record.at.0 * 1000, Some(record), None));
        let lines = self.lines.iter().map(|line| (at_us(line), None, Some(line)));
        let mut all: Vec<_> = records.chain(lines).collect();
        all.sort_by_key(|(at, record, _)| (*at, record.is_none()));
        let mut seen = Self::default();
        let mut stops = Vec::new();
        for (n, (at, record, line)) in all.iter().enumerate() {
            seen.records.extend(record.cloned());
            seen.lines.extend(line.cloned());
            let moment = match (record, line) {
                (Some(_), _) => Moment::Record(seen.records.len()),
                (None, _) => Moment::Line(seen.lines.len()),
            };
            let is_last = |(next, ..): &(i64, _, _)| next - at >= WAITING_US;
            let is_quiet = record.is_some() && all.get(n + 1).is_none_or(is_last) && seen.open().is_empty();
            if seen.has_begun() && !seen.is_over() {
                stops.push(Stop { moment, is_quiet, struck: seen.struck() });
            }
        }
        stops
    }

    pub(super) fn landed(&self) -> Landed {
        let mut per_machine: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for line in self.effects() {
            let of = (line["action"].as_str().unwrap_or(""), line["machine"].as_str().unwrap_or(""));
            *per_machine.entry(of).or_default() += 1;
        }
        let mut landed = Landed::new();
        for ((action, _), times) in per_machine {
            landed.entry(action.to_owned()).or_default().push(times);
        }
        landed.values_mut().for_each(|times| times.sort_unstable());
        landed
    }

    /// Keys under which more than one machine was made.
    pub(super) fn twins(&self) -> Vec<String> {
        let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
        for line in self.lines.iter().filter(|line| line["action"] == "machine-create") {
            *keys.entry(line["key"].as_str().unwrap_or("none")).or_default() += 1;
        }
        keys.into_iter().filter(|(_, times)| *times > 1).map(|(key, _)| key.to_owned()).collect()
    }

    /// What is meant and not written down as done: effect, and whether the provider did it.
    fn open(&self) -> Vec<Struck> {
        let mut open: BTreeMap<&str, (i64, &UnitCall)> = BTreeMap::new();
        let mut outbox = Vec::new();
        for record in &self.records {
            match &record.entry {
                Entry::Meant { calls, .. } => {
                    open.extend(calls.iter().map(|it| (it.key.as_str(), (record.at.0 * 1000, &it.call))));
                }
                Entry::Came { outcomes, .. } => open.retain(|key, _| !outcomes.contains_key(*key)),
                Entry::Stepped { effects, .. } => {
                    let at = record.at.0 * 1000;
                    outbox.extend(effects.iter().enumerate().map(|(n, name)| (record.seq, n, at, *name)));
                }
                Entry::EffectDone { seq, n } => {
                    outbox.retain(|(at, place, ..)| (*at, u32::try_from(*place).unwrap()) != (*seq, *n));
                }
                _ => {}
            }
        }
        let calls =
            open.into_iter().map(|(key, (at, call))| (call.verb().to_owned(), self.side(key, at, call)));
        // A word to people leaves no trace at the provider: as long as it is open, nobody can say that it went out.
        let rest = outbox.into_iter().map(|(_, _, at, name)| {
            let is_free =
                name == EffectName::Release && self.has_line(at, |line| line["action"] == "lease-release");
            (told(name), if is_free { "after" } else { "before" })
        });
        calls.chain(rest).collect()
    }

    fn has_line(&self, from_us: i64, is_it: impl Fn(&Value) -> bool) -> bool {
        self.lines.iter().any(|line| at_us(line) >= from_us && is_it(line))
    }

    fn side(&self, key: &str, from_us: i64, call: &UnitCall) -> &'static str {
        let is_it = |line: &Value| {
            actions(call).iter().any(|name| line["action"] == *name)
                && call.unit().map_or(line["key"] == key, |unit| line["machine"] == unit.as_str())
        };
        // The journal's instants are whole milliseconds.
        if self.has_line(from_us - 1000, is_it) { "after" } else { "before" }
    }

    /// What was done last, by the journal.
    fn last(&self) -> Option<String> {
        let mut calls: BTreeMap<&str, &'static str> = BTreeMap::new();
        let mut asked: BTreeMap<(u64, u32), String> = BTreeMap::new();
        let mut last = None;
        let mut before = Phase::Requested;
        for record in &self.records {
            match &record.entry {
                Entry::Meant { calls: meant, .. } => {
                    calls.extend(meant.iter().map(|it| (it.key.as_str(), it.call.verb())));
                }
                Entry::Came { outcomes, .. } => {
                    last = outcomes
                        .keys()
                        .next_back()
                        .and_then(|key| calls.get(key.as_str()))
                        .map(|verb| (*verb).to_owned())
                        .or(last);
                }
                Entry::Stepped { effects, phase, .. } => {
                    last = work(before).filter(|_| *phase != before).map(ToOwned::to_owned).or(last);
                    before = *phase;
                    asked.extend((0_u32..).zip(effects).map(|(n, name)| ((record.seq, n), told(*name))));
                }
                Entry::EffectDone { seq, n } => last = asked.get(&(*seq, *n)).cloned().or(last),
                _ => {}
            }
        }
        last
    }

    /// What somebody who dies here leaves behind: all that is open; else the work of the phase, whose result is not
    /// written down; else what was done last. Nothing before the first effect and after the last one.
    pub(super) fn struck(&self) -> Vec<Struck> {
        if !self.has_begun() || self.is_over() {
            return Vec::new();
        }
        let open = self.open();
        if !open.is_empty() {
            return open;
        }
        match work(self.phase()) {
            Some(work) => {
                // Images go to the registry, leases to the machines; of the rest the provider knows nothing.
                let from = self.records.iter().rev().find_map(|record| match &record.entry {
                    Entry::Stepped { .. } => Some(record.at.0 * 1000),
                    _ => None,
                });
                let action = match work {
                    "lease" => Some("lease-acquire"),
                    "copy" => Some("registry-manifest-put"),
                    _ => None,
                };
                let is_done =
                    |action| self.has_line(from.unwrap_or_default(), |line| line["action"] == action);
                vec![(work.to_owned(), if action.is_some_and(is_done) { "after" } else { "before" })]
            }
            None => self.last().map(|effect| (effect, "after")).into_iter().collect(),
        }
    }
}
