//! Suites against what an environment runs, where nobody can sign: the first of two steps.
//!
//! It reads the project file, the suites and the journal, and talks to nobody else. No token of a provider is read, and no
//! key: neither a person's nor the runner's own, which is neither opened nor made here.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use clikit::{Common, Context, Failure};
use envconfig::project::Project;
use promotion::journal::EnvironmentView;
use promotion::model::{At, EnvironmentName, Release, StoreId, SuiteName, SuiteRun, TestReport};
use promotion::ports::{Checks as _, Clock as _, Ids as _};
use providers::{ItestChecks, SuiteFile, SystemClock, UuidIds};

use crate::Absent;
use crate::find::engine_failure;
use crate::store;
use crate::wire::{Services, edges_here, files, grounds_of, is_local, secret};

/// What is tested, and with what.
#[derive(Debug)]
pub struct Rehearsal {
    store: StoreId,
    view: EnvironmentView,
    suites: BTreeMap<SuiteName, SuiteFile>,
    checks: ItestChecks,
    project: Project,
}

impl Rehearsal {
    /// Reads what `environment` runs from the journal, and the suites from the project.
    ///
    /// # Errors
    /// 2 when a file cannot be used, or there is no journal or no such environment; 8 when the store cannot be read.
    pub async fn open(
        context: &Context,
        common: &Common,
        environment: &EnvironmentName,
    ) -> Result<Self, Failure> {
        let files = files(context, common)?;
        let reveal = |reference: &_| secret(context, &files.root, reference);
        let found = files.project.environment(environment.as_str()).ok_or_else(|| {
            let known: Vec<_> = files.project.environments().keys().map(|it| format!("`{it}`")).collect();
            Failure::usage(format!("the project file has no environment `{environment}`"))
                .with_why(format!("there are: {}", known.join(", ")))
        })?;
        let base = found.fly.api.clone().map(String::from);
        let base = base.or_else(|| context.var("FLY_FLAPS_BASE_URL").map(str::to_owned));
        let local = base.and_then(|base| base.parse().ok()).is_some_and(|base| is_local(&base));
        let here = if local { edges_here(context)? } else { Vec::new() };
        let grounds = BTreeMap::from([(environment.clone(), grounds_of(found, &here)?)]);
        let checks = ItestChecks::new(files.suites.clone(), grounds, Services::new(context)?.plain);
        let ids = UuidIds::default();
        let address = store::address(context, common.store.as_deref(), &files.project, &files.root, reveal)?;
        let fresh = (&*ids.runner(), ids.store());
        let kept = store::open(context, &address, Absent::Refuse, Arc::new(SystemClock), fresh).await?;
        let unreadable = |error: promotion::ports::JournalError| engine_failure(error.into());
        let store = kept.journal.store_id().await.map_err(unreadable)?;
        let mut view = EnvironmentView::new(environment.clone());
        let records = kept.journal.read(environment, 0).await.map_err(unreadable)?;
        view.extend(&records).map_err(unreadable)?;
        Ok(Self { store, view, suites: files.suites, checks, project: files.project })
    }

    /// The project file.
    pub const fn project(&self) -> &Project {
        &self.project
    }

    /// Runs `suites` one after the other; `tell` hears a line for each.
    ///
    /// # Errors
    /// 2 when there is no such suite or nothing was put there that could be tested, 8 when a target cannot be asked at all.
    pub async fn run(
        &self,
        suites: &[SuiteName],
        mut tell: impl FnMut(String),
    ) -> Result<TestReport, Failure> {
        let name = &self.view.name;
        let nothing = |why: String| Failure::usage(why).with_hint(format!("promote status --env {name}"));
        let (current, config) = self.view.testable().map_err(nothing)?;
        let release = &current.state.facts.request.release;
        let mut runs = Vec::new();
        for suite in suites {
            let run = self.suite(release, suite).await?;
            tell(line(&run));
            runs.push(run);
        }
        let now = SystemClock.now();
        let (started, ended) = span(&runs).unwrap_or((now, now));
        Ok(TestReport {
            form: TestReport::FORM.to_owned(),
            store: self.store.clone(),
            environment: name.clone(),
            deployment: current.id().clone(),
            release: release.id(),
            config,
            version: release.version.clone(),
            commit: release.commit.clone(),
            components: release.components.clone(),
            started,
            ended,
            exit: TestReport::exit_of(&runs),
            suites: runs,
        })
    }

    async fn suite(&self, release: &Release, suite: &SuiteName) -> Result<SuiteRun, Failure> {
        let file = self.suites.get(suite).ok_or_else(|| {
            let known: Vec<_> = self.suites.keys().map(|name| format!("`{name}`")).collect();
            Failure::usage(format!("the project file has no suite `{suite}`"))
                .with_why(format!("there are: {}", known.join(", ")))
        })?;
        if let Some(problems) = file.problems() {
            return Err(Failure::usage(problems));
        }
        let started = SystemClock.now();
        let said = self.checks.run(&self.view.name, release, suite).await.map_err(|error| {
            Failure::unavailable(format!("suite `{suite}` cannot run")).with_source(error)
        })?;
        Ok(SuiteRun {
            suite: suite.clone(),
            file: file.hash(),
            started,
            ended: SystemClock.now(),
            verdict: said.verdict,
            passed: said.passed,
            failed: said.failed,
            why: said.why.iter().map(|why| plain(why)).collect(),
        })
    }
}

fn span(runs: &[SuiteRun]) -> Option<(At, At)> {
    Some((runs.iter().map(|run| run.started).min()?, runs.iter().map(|run| run.ended).max()?))
}

fn line(run: &SuiteRun) -> String {
    let SuiteRun { suite, verdict, passed, failed, .. } = run;
    format!("suite {suite}: {}, {passed} passed, {failed} failed", verdict.name())
}

/// One line, as a report has it: what a target answered may hold whatever it likes.
fn plain(text: &str) -> String {
    let flat = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut plain: String = flat.take(1000).collect();
    plain.truncate(plain.trim_end().len());
    plain
}

/// Writes `text` to `path` so that whoever looks finds all of it or what was there before.
///
/// # Errors
/// As the system says.
pub fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let part = path.with_extension(format!("part-{:016x}", providers::random_u128() & u128::from(u64::MAX)));
    let written = std::fs::File::create_new(&part).and_then(|mut file| {
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    });
    written.inspect_err(|_| {
        let _is_gone_or_never_was = std::fs::remove_file(&part);
    })
}
