//! SIGKILL of `promote start` at points spread over a promotion; then nobody but `promote tick`.
//!
//! What may differ from the undisturbed run is time. By the provider's own records each effect landed as often as
//! there, and what stands at the end has the same shape.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flytypes::wire::MachineState;
use promotion::journal::{Entry, Record, Sqlite};
use promotion::machine::Phase;
use promotion::model::{EnvironmentName, PromotionId, StoreId};
use promotion::ports::Journal as _;
use promotion::rollout::UnitCall;
use serde_json::Value;

use crate::support::{PRODUCTION, Project, Stage, ended};

/// A promotion whose runner died is done within this, by ticks alone.
const RESCUE: Duration = Duration::from_secs(150);
/// What the provider does once for each time it is meant, by its name in the audit log.
const EFFECTS: [&str; 7] = [
    "machine-create",
    "machine-update",
    "machine-start",
    "machine-stop",
    "machine-cordon",
    "machine-uncordon",
    "machine-destroy",
];

/// Where a runner is killed: when this many of the records or effects of its promotion are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Record(usize),
    Effect(usize),
}

/// What the journal and the provider say of one promotion.
#[derive(Debug, Clone, Default)]
struct Trace {
    records: Vec<Record>,
    /// Audit lines that changed a machine of production.
    effects: Vec<Value>,
}

/// How often each effect landed, machine by machine, without their names.
type Landed = BTreeMap<String, Vec<usize>>;
/// State, cordon, whether it runs the new release, region, whether somebody leases it; per machine.
type Shape = Vec<(String, bool, bool, String, bool)>;

/// An undisturbed promotion.
#[derive(Debug, Clone)]
struct Model {
    /// With whether the runner only waits there.
    moments: Vec<(Moment, bool)>,
    landed: Landed,
    shape: Shape,
}

/// What a run of the torture came to.
#[derive(Debug, Default)]
pub(crate) struct Report {
    histogram: BTreeMap<(String, String, &'static str), usize>,
    pub(crate) killed: usize,
    missed: usize,
    ticks: usize,
    pub(crate) violations: Vec<String>,
}

impl Report {
    fn add(&mut self, other: Self) {
        for (at, times) in other.histogram {
            *self.histogram.entry(at).or_default() += times;
        }
        self.killed += other.killed;
        self.missed += other.missed;
        self.ticks += other.ticks;
        self.violations.extend(other.violations);
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::from("phase            effect           side      times\n");
        for ((phase, effect, side), times) in &self.histogram {
            let _ = writeln!(text, "{phase:16} {effect:16} {side:9} {times}");
        }
        let _ = writeln!(
            text,
            "killed {}, ended before its point {}, ticks {}, violations {}",
            self.killed,
            self.missed,
            self.ticks,
            self.violations.len()
        );
        for violation in &self.violations {
            let _ = writeln!(text, "VIOLATION {violation}");
        }
        text
    }
}

/// The journal and the audit log of a stage, read from where a promotion began.
struct Watch<'s> {
    stage: &'s Stage,
    journal: Sqlite,
    environment: EnvironmentName,
    head: u64,
    audited: usize,
    trace: Trace,
}

impl<'s> Watch<'s> {
    async fn new(stage: &'s Stage) -> Self {
        let clock = Arc::new(providers::SystemClock);
        let fresh = StoreId::new("st-watch").unwrap();
        let journal = Sqlite::open(&stage.path("understudy.db"), clock, &fresh).unwrap();
        let environment = EnvironmentName::new("production").unwrap();
        let mut watch = Self { stage, journal, environment, head: 0, audited: 0, trace: Trace::default() };
        watch.look().await;
        watch.trace = Trace::default();
        watch
    }

    async fn look(&mut self) {
        let records = self.journal.read(&self.environment, self.head).await.unwrap();
        if let Some(last) = records.last() {
            self.head = last.seq;
        }
        self.trace.records.extend(records);
        let text = std::fs::read(self.stage.audit()).unwrap();
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for line in text[self.audited..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line: Value = serde_json::from_slice(line).unwrap();
            let is_effect = EFFECTS.iter().any(|name| line["action"] == *name);
            if is_effect && line["applied"] == true && line["app"] == PRODUCTION {
                self.trace.effects.push(line);
            }
        }
        self.audited = whole;
    }

    fn is_there(&self, moment: Moment) -> bool {
        match moment {
            Moment::Record(n) => self.trace.records.len() >= n,
            Moment::Effect(n) => self.trace.effects.len() >= n,
        }
    }
}

impl Trace {
    fn id(&self) -> Option<&PromotionId> {
        self.records.iter().find_map(|record| record.promotion.as_ref())
    }

    fn phase(&self) -> Phase {
        let phases = self.records.iter().rev().filter_map(|record| match &record.entry {
            Entry::Stepped { phase, .. } => Some(*phase),
            _ => None,
        });
        phases.into_iter().next().unwrap_or(Phase::Requested)
    }

    /// Records and effects in the order in which they came, and whether nothing is under way then.
    fn moments(&self) -> Vec<(Moment, bool)> {
        let records = self.records.iter().enumerate().map(|(n, record)| {
            let is_quiet = match &record.entry {
                Entry::Stepped { effects, phase, .. } => effects.is_empty() && *phase != Phase::Locked,
                Entry::Meant { calls, .. } => calls.is_empty(),
                _ => false,
            };
            (record.at.0 * 1000, (Moment::Record(n + 1), is_quiet))
        });
        let effects = self.effects.iter().enumerate();
        let effects =
            effects.map(|(n, line)| (line["at_us"].as_i64().unwrap_or(0), (Moment::Effect(n + 1), false)));
        let mut all: Vec<_> = records.chain(effects).collect();
        all.sort_by_key(|(at, _)| *at);
        all.into_iter().map(|(_, moment)| moment).collect()
    }

    fn landed(&self) -> Landed {
        let mut per_machine: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for line in &self.effects {
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
    fn twins(&self) -> Vec<String> {
        let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
        for line in self.effects.iter().filter(|line| line["action"] == "machine-create") {
            *keys.entry(line["key"].as_str().unwrap_or("none")).or_default() += 1;
        }
        keys.into_iter().filter(|(_, times)| *times > 1).map(|(key, _)| key.to_owned()).collect()
    }

    /// What the dead runner meant to do and did not write down as done: effect, and whether the provider did it.
    fn open(&self) -> Vec<(String, &'static str)> {
        let mut open: BTreeMap<String, UnitCall> = BTreeMap::new();
        let mut outbox = Vec::new();
        for record in &self.records {
            match &record.entry {
                Entry::Meant { calls, .. } => {
                    open.extend(calls.iter().map(|intent| (intent.key.clone(), intent.call.clone())));
                }
                Entry::Came { outcomes, .. } => open.retain(|key, _| !outcomes.contains_key(key)),
                Entry::Stepped { effects, .. } => {
                    outbox.extend(effects.iter().enumerate().map(|(n, name)| (record.seq, n, *name)));
                }
                Entry::EffectDone { seq, n } => {
                    outbox.retain(|(at, place, _)| (*at, u32::try_from(*place).unwrap()) != (*seq, *n));
                }
                _ => {}
            }
        }
        let mut found: Vec<_> =
            open.iter().map(|(key, call)| (call.verb().to_owned(), self.side(key, call))).collect();
        found.extend(outbox.into_iter().map(|(_, _, name)| (format!("{name:?}").to_lowercase(), "open")));
        if found.is_empty() {
            found.push(("-".to_owned(), "between"));
        }
        found
    }

    fn side(&self, key: &str, call: &UnitCall) -> &'static str {
        let action = format!("machine-{}", call.verb());
        if !EFFECTS.contains(&action.as_str()) {
            return "open";
        }
        let is_it = |line: &&Value| {
            line["action"] == action.as_str()
                && call.unit().map_or(line["key"] == key, |unit| line["machine"] == unit.as_str())
        };
        if self.effects.iter().any(|line| is_it(&line)) { "after" } else { "before" }
    }
}

/// The fleets that earlier promotions parked: not to be touched. Machine → version and cordon.
type Parked = BTreeMap<String, String>;

async fn parked(stage: &Stage) -> Parked {
    let machines = stage.machines(PRODUCTION).await;
    let stopped = machines.iter().filter(|machine| machine.state == MachineState::Stopped);
    stopped
        .map(|machine| (machine.id.to_string(), format!("{:?} {}", machine.instance_id, machine.cordoned)))
        .collect()
}

async fn shape(stage: &Stage, parked: &Parked, version: &str) -> Shape {
    let mut shape = Shape::new();
    for machine in stage.machines(PRODUCTION).await {
        if machine.state == MachineState::Destroyed || parked.contains_key(machine.id.as_str()) {
            continue;
        }
        let config = serde_json::to_value(&machine.config).unwrap();
        let labels = serde_json::to_value(&machine.image_ref).unwrap();
        let is_new = labels["labels"]["org.opencontainers.image.version"] == version
            || config["image"].as_str().is_some_and(|image| image.contains(version));
        let state = format!("{:?}", machine.state);
        let leased = machine.nonce.is_some() || machine.lease.is_some();
        shape.push((state, machine.cordoned, is_new, machine.region.to_string(), leased));
    }
    shape.sort();
    shape
}

/// Promotes to its end; what it was like.
async fn undisturbed(stage: &Stage, release: &str, version: &str) -> Model {
    let parked_before = parked(stage).await;
    let mut watch = Watch::new(stage).await;
    let key = stage.key("developer");
    let args = ["start", "--to", "production", "--release", release, "--key", &key, "--json"];
    let ran = stage.run(&args).await.exits(0);
    assert_eq!(ran.json()["phase"], "succeeded", "{ran:?}");
    watch.look().await;
    let trace = &watch.trace;
    Model {
        moments: trace.moments(),
        landed: trace.landed(),
        shape: shape(stage, &parked_before, version).await,
    }
}

#[expect(clippy::disallowed_methods, reason = "a test measures how long a rescue takes")]
fn now() -> Instant {
    Instant::now()
}

/// Kills at one moment, lets ticks finish, compares.
async fn point(
    stage: &Stage,
    (release, version): (&str, &str),
    model: &Model,
    moment: Moment,
    report: &mut Report,
) -> String {
    let parked_before = parked(stage).await;
    let mut watch = Watch::new(stage).await;
    let key = stage.key("developer");
    let args = ["start", "--to", "production", "--release", release, "--key", &key, "--json"];
    let mut child = stage.command(&args).spawn().unwrap();
    let ran_out = loop {
        watch.look().await;
        if watch.is_there(moment) {
            break false;
        }
        if child.try_wait().unwrap().is_some() {
            break true;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    child.start_kill().unwrap();
    let said = ended(child).await;
    // What was on its way lands.
    tokio::time::sleep(Duration::from_millis(100)).await;
    watch.look().await;
    let mut line = format!("{moment:?}");
    let Some(id) = watch.trace.id().cloned() else {
        report.violations.push(format!("{line}: there is no promotion: {said:?}"));
        return line;
    };
    if ran_out {
        report.missed += 1;
        line.push_str(" (ended before)");
    } else {
        report.killed += 1;
        for (effect, side) in watch.trace.open() {
            let _ = write!(line, " {} {effect} {side}", watch.trace.phase());
            *report.histogram.entry((watch.trace.phase().to_string(), effect, side)).or_default() += 1;
        }
    }
    let begun = now();
    while !watch.trace.phase().is_final() || !watch.trace.open().iter().all(|(_, side)| *side == "between") {
        let ticked = stage.run(&["tick", "--json"]).await;
        report.ticks += 1;
        watch.look().await;
        if begun.elapsed() > RESCUE {
            report.violations.push(format!("{line}: {id} is still {}: {ticked:?}", watch.trace.phase()));
            return line;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let _ = write!(line, " -> {} after {:.1}s", watch.trace.phase(), begun.elapsed().as_secs_f64());
    let mut wrong = |what: String| report.violations.push(format!("{line}: {id}: {what}"));
    if watch.trace.phase() != Phase::Succeeded {
        wrong(format!("ended as {}", watch.trace.phase()));
    }
    if watch.trace.landed() != model.landed {
        wrong(format!("landed {:?} and undisturbed {:?}", watch.trace.landed(), model.landed));
    }
    for key in watch.trace.twins() {
        wrong(format!("two machines under {key}"));
    }
    let parked_after = parked(stage).await;
    if !parked_before.iter().all(|(id, was)| parked_after.get(id) == Some(was)) {
        wrong(format!("parked before {parked_before:?} and after {parked_after:?}"));
    }
    let shape = shape(stage, &parked_before, version).await;
    if shape != model.shape {
        wrong(format!("left {shape:?} and undisturbed {:?}", model.shape));
    }
    line
}

/// Which moments are struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kills {
    /// All, also those with a call under way: its answer is lost, and a rescue then waits for as long as the call
    /// may still land, which is 65 s on Fly.
    Any,
    /// Those at which the runner only waits.
    Quiet,
}

/// `points` kills, spread over the records and effects of a promotion; in as many stand-ins side by side as `lanes`.
pub(crate) async fn run(points: usize, lanes: usize, kills: Kills, say: &dyn Fn(&str)) -> Report {
    let lanes = (0..lanes.clamp(1, points)).map(|lane| {
        let mine = (lane..points).step_by(lanes.clamp(1, points)).collect();
        run_lane(points, mine, kills, say)
    });
    let mut report = Report::default();
    for lane in futures_util::future::join_all(lanes).await {
        report.add(lane);
    }
    report
}

async fn run_lane(points: usize, mine: Vec<usize>, kills: Kills, say: &dyn Fn(&str)) -> Report {
    let project = Project { approvals: 0, lease: "2s", ..Project::default() };
    let (stage, [old, new]) = Stage::played(project).await;
    let releases = [(old.as_str(), "1.0.0"), (new.as_str(), "1.1.0")];
    // What comes back differs from what came first in nothing but the release.
    let forth = undisturbed(&stage, releases[1].0, releases[1].1).await;
    let back = undisturbed(&stage, releases[0].0, releases[0].1).await;
    say(&format!("undisturbed: {} moments; {:?}; {:?}", forth.moments.len(), forth.landed, forth.shape));
    let models = [forth, back];
    let mut report = Report::default();
    for (turn, k) in mine.into_iter().enumerate() {
        let to = turn % 2;
        let model = &models[to];
        let moments: Vec<_> =
            model.moments.iter().filter(|(_, is_quiet)| *is_quiet || kills == Kills::Any).collect();
        let (moment, _) = *moments[k * moments.len() / points];
        let (release, version) = releases[1 - to];
        let line = point(&stage, (release, version), model, moment, &mut report).await;
        say(&format!("{:3}/{points} {line}", k + 1));
        if report.violations.len() > 5 {
            break;
        }
    }
    stage.end().await;
    report
}

#[cfg(test)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_start_is_finished_by_ticks_alone() {
    let report = crate::support::within(run(4, 1, Kills::Quiet, &|_| {})).await;
    assert!(report.violations.is_empty(), "{}", report.text());
    assert!(report.killed >= 3, "{}", report.text());
}
