//! One run from its first request to its report.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Mutex, OnceLock, PoisonError},
};

use futures_util::{
    FutureExt as _,
    future::BoxFuture,
    stream::{self, StreamExt as _},
};
use tokio::time::Instant;

use crate::{
    duration,
    event::{Event, Events},
    report::{CaseReport, Report, SCHEMA, SuiteReport, TargetReport, Totals, Verdict},
    run::{
        Run,
        bus::Bus,
        case::Progress,
        plan::{self, Planned},
    },
    suite::problem::Problem,
    target::Target,
    transport::{Transport, TransportError, Wire},
};

pub(super) struct Session<'a> {
    pub(super) run: &'a Run,
    pub(super) bus: Bus<'a>,
    transport: Result<Transport, TransportError>,
    /// When each suite sent its first request.
    started: Vec<OnceLock<Instant>>,
    done: Mutex<Done<'a>>,
}

/// What is known so far; a run that is stopped reports from here.
#[derive(Default)]
struct Done<'a> {
    targets: Vec<TargetReport>,
    problems: BTreeMap<usize, Vec<Problem>>,
    /// The cases in the order of the report.
    cases: Vec<Planned<'a>>,
    /// By index into `cases`.
    verdicts: BTreeMap<usize, CaseReport>,
}

impl<'a> Session<'a> {
    pub(super) fn new(run: &'a Run, events: &'a dyn Events) -> Self {
        Self {
            run,
            bus: Bus::new(events),
            transport: Transport::new(run.limits.connect_timeout, run.limits.body_bytes_max),
            started: run.suites.iter().map(|_| OnceLock::new()).collect(),
            done: Mutex::default(),
        }
    }

    /// Runs until the end or until `stop` is ready.
    pub(super) async fn report(&self, stop: impl Future<Output = ()> + Send) -> Report {
        let start = Instant::now();
        let interrupted = tokio::select! {
            biased;
            () = stop => true,
            () = Box::pin(self.drive()) => false,
        };
        let report = self.summary(start, interrupted);
        self.bus.tell(Event::RunFinished { totals: report.totals, duration_ms: report.duration_ms });
        report
    }

    pub(super) fn target(&self, name: &str) -> Result<&'a Target, String> {
        self.run.targets.get(name).ok_or_else(|| format!("no URL was given for the target `{name}`"))
    }

    pub(super) fn wire(&self, target: &Target) -> Result<Wire, TransportError> {
        self.transport.as_ref().map_err(Clone::clone)?.wire(target)
    }

    /// Until when the suite of a case may go on; the first call starts its time.
    pub(super) fn deadline(&self, planned: &Planned<'_>) -> Instant {
        let start =
            self.started.get(planned.at).map_or_else(Instant::now, |at| *at.get_or_init(Instant::now));
        start + planned.suite.deadline.unwrap_or(self.run.limits.suite_deadline)
    }

    fn done<T>(&self, change: impl FnOnce(&mut Done<'a>) -> T) -> T {
        change(&mut self.done.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn drive(&self) {
        let ready = self.select();
        let targets = self.identities(&ready).await;
        let refused = targets.iter().any(|target| target.refused.is_some());
        self.done(|done| done.targets = targets);
        if refused {
            return;
        }
        let ready = self.expand_all().await;
        // Boxed one by one: a stream over a closure would not be `Send` for every lifetime.
        let cases: Vec<BoxFuture<'_, ()>> = ready
            .into_iter()
            .map(|(at, planned)| {
                let case = async move {
                    let report = self.case(&planned).await;
                    self.done(|done| done.verdicts.insert(at, report));
                };
                case.boxed()
            })
            .collect();
        stream::iter(cases).buffer_unordered(self.jobs()).collect::<()>().await;
    }

    fn jobs(&self) -> usize {
        self.run.limits.jobs.max(1)
    }

    /// The cases that can be run; what keeps the others is noted.
    fn select(&self) -> Vec<Planned<'a>> {
        let mut ready = Vec::new();
        let (mut n_suites, mut n_cases) = (0, 0);
        for (at, suite) in self.run.suites.iter().enumerate() {
            let Ok(suite) = suite else { continue };
            let plan = plan::plan(self.run, at, suite);
            for name in suite.secrets.iter().chain(&self.run.secrets) {
                let value = self.run.variables.get(name).or_else(|| suite.variables.get(name));
                if let Some(value) = value {
                    self.bus.learn(name, value);
                }
            }
            n_suites += 1;
            n_cases += plan.cases.len();
            self.done(|done| done.cases.extend(plan.cases.iter().cloned()));
            if plan.problems.is_empty() {
                ready.extend(plan.cases);
            } else {
                self.done(|done| done.problems.insert(at, plan.problems));
            }
        }
        self.bus.tell(Event::RunStarted { suites: n_suites, cases: n_cases, jobs: self.jobs() });
        ready
    }

    /// Replaces each matrix by its cases and returns what can be run, by place in the report.
    async fn expand_all(&self) -> Vec<(usize, Planned<'a>)> {
        let planned = self.done(|done| done.cases.clone());
        let blocked: Vec<usize> = self.done(|done| done.problems.keys().copied().collect());
        let lists: Vec<BoxFuture<'_, Vec<Planned<'a>>>> = planned
            .into_iter()
            .map(|planned| {
                let is_blocked = blocked.contains(&planned.at);
                async move { if is_blocked { vec![planned] } else { self.expand(planned).await } }.boxed()
            })
            .collect();
        let expanded: Vec<Vec<Planned<'a>>> = stream::iter(lists).buffered(self.jobs()).collect().await;
        let cases: Vec<_> = expanded.into_iter().flatten().collect();
        self.done(|done| done.cases.clone_from(&cases));
        cases.into_iter().enumerate().filter(|(_, planned)| !blocked.contains(&planned.at)).collect()
    }

    async fn case(&self, planned: &Planned<'_>) -> CaseReport {
        let start = Instant::now();
        let deadline = self.deadline(planned);
        let mut progress = Progress::default();
        let allowed = duration::show(planned.suite.deadline.unwrap_or(self.run.limits.suite_deadline));
        let (verdict, reason) = if start >= deadline {
            (Verdict::NotRun, Some(format!("the suite's deadline of {allowed} was over before it started")))
        } else {
            let (suite, case) = (planned.suite.name.clone(), planned.name.clone());
            self.bus.tell(Event::CaseStarted { suite, case });
            let steps = Box::pin(self.steps(planned, &mut progress));
            let ended = tokio::time::timeout_at(deadline, steps).await;
            ended.unwrap_or_else(|_| {
                (Verdict::Errored, Some(format!("the suite's deadline of {allowed} is over")))
            })
        };
        let report = CaseReport {
            verdict,
            reason,
            attempts: progress.attempts,
            duration_ms: duration::millis(start.elapsed()),
            retries: progress.retries,
            failures: progress.failures,
            exchange: progress.exchange,
            ..unstarted(planned, String::new())
        };
        self.bus.tell_case(&planned.suite.name, report)
    }

    fn summary(&self, start: Instant, interrupted: bool) -> Report {
        let cases = self.done(|done| verdicts(done, interrupted));
        let targets = self.done(|done| std::mem::take(&mut done.targets));
        let mut totals = Totals::default();
        cases.iter().for_each(|(_, case)| totals.count(case.verdict));
        let mut by_suite: BTreeMap<usize, Vec<CaseReport>> = BTreeMap::new();
        for (at, case) in cases {
            by_suite.entry(at).or_default().push(case);
        }
        let problems = self.done(|done| std::mem::take(&mut done.problems));
        let suites = self.run.suites.iter().enumerate().map(|(at, suite)| match suite {
            Ok(suite) => SuiteReport {
                file: suite.file.clone(),
                name: Some(suite.name.clone()),
                problems: problems.get(&at).cloned().unwrap_or_default(),
                cases: by_suite.remove(&at).unwrap_or_default(),
            },
            Err(problems) => SuiteReport {
                file: problems.file.clone(),
                name: None,
                problems: problems.problems.clone(),
                cases: Vec::new(),
            },
        });
        let mut report = Report {
            schema: SCHEMA,
            duration_ms: duration::millis(start.elapsed()),
            interrupted,
            fail_on_flaky: self.run.fail_on_flaky,
            totals,
            targets,
            suites: suites.collect(),
            warnings: self.bus.warnings(),
        };
        self.bus.redact(&mut report);
        report
    }
}

/// Every case with its verdict; those without one were not run.
fn verdicts(done: &Done<'_>, interrupted: bool) -> Vec<(usize, CaseReport)> {
    let refused = done.targets.iter().find_map(|target| target.refused.clone());
    let reason = |planned: &Planned<'_>| match &refused {
        _ if done.problems.contains_key(&planned.at) => "the suite lacks a target or an input".to_owned(),
        Some(refused) => refused.clone(),
        None if interrupted => "interrupted".to_owned(),
        None => "not reached".to_owned(),
    };
    let cases = done.cases.iter().enumerate().map(|(at, planned)| {
        let known = done.verdicts.get(&at).cloned();
        (planned.at, known.unwrap_or_else(|| unstarted(planned, reason(planned))))
    });
    cases.collect()
}

fn unstarted(planned: &Planned<'_>, reason: String) -> CaseReport {
    CaseReport {
        name: planned.name.clone(),
        tags: planned.suite.tags.iter().chain(&planned.case.tags).cloned().collect(),
        line: planned.case.line,
        verdict: Verdict::NotRun,
        reason: Some(reason),
        attempts: 0,
        duration_ms: 0,
        retries: Vec::new(),
        failures: Vec::new(),
        exchange: None,
    }
}
