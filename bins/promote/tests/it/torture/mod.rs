//! SIGKILL of whoever works on a promotion, at points spread over it; then nobody but `promote tick`, and people who
//! say their word.
//!
//! What may differ from the undisturbed run is time. By the provider's own records each effect landed as often as
//! there, and what stands at the end has the same shape.

mod aim;
mod judge;
mod play;
mod report;
mod trace;
mod watch;

use std::path::PathBuf;
use std::time::Instant;

use crate::support::{Project, Stage};
use aim::{Aim, Dice};
use play::{Act, Model, killed, undisturbed};
pub(crate) use report::Report;

/// Which moments are struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moments {
    /// All, also those with a call under way: its answer is lost, and a rescue then waits for as long as the call
    /// may still land, which is 65 s on Fly.
    Any,
    /// Those at which the runner only waits.
    Quiet,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// How many processes are killed.
    pub(crate) kills: usize,
    /// In as many stand-ins side by side. One that waits costs nothing.
    pub(crate) lanes: usize,
    /// What decides where it strikes.
    pub(crate) seed: u64,
    pub(crate) moments: Moments,
    /// The binary `localcloud`, where stand-ins are killed as well.
    pub(crate) cloud: Option<PathBuf>,
}

/// What is given up after so many violations in one stand-in: whatever follows stands on their ground.
const VIOLATIONS_MAX: usize = 5;

#[expect(clippy::disallowed_methods, reason = "a test measures how long a rescue takes")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// How machines are replaced, which lanes take in turn: new ones beside the old, and where they stand.
const STRATEGIES: [&str; 2] = ["bluegreen", "rolling"];

/// A stage on which releases 1.0.0 and 1.1.0 are both tested, and the first one runs.
async fn stage(strategy: usize, cloud: Option<PathBuf>) -> (Stage, [(String, &'static str); 2]) {
    // One failed promotion after the other is what is wanted here: no breaker.
    let project = Project {
        approvals: 1,
        lease: "2s",
        apart: true,
        rules: "breaker = { failures = 1000, window = \"1h\" }\n",
        strategy: STRATEGIES[strategy],
        cloud,
        ..Project::default()
    };
    let (stage, [old, new]) = Stage::played(project).await;
    (stage, [(old, "1.0.0"), (new, "1.1.0")])
}

/// Kills so many processes, and judges what became of their promotions.
pub(crate) async fn run(wanted: Wanted, say: &dyn Fn(&str)) -> Report {
    let begun = now();
    let n_lanes = wanted.lanes.clamp(1, wanted.kills.max(1));
    let wanted = &wanted;
    let lane = |n: usize| async move {
        let strategy = n % STRATEGIES.len();
        Lane::new(stage(strategy, wanted.cloud.clone()).await, (n, strategy), wanted.seed)
    };
    let mut report = Report::default();
    let mut models = Vec::new();
    let mut first = Vec::new();
    let learning = (0..n_lanes.min(STRATEGIES.len())).map(|n| async move { lane(n).await.learn(say).await });
    for learned in futures_util::future::join_all(learning).await {
        match learned {
            Ok((lane, own)) => {
                first.push(lane);
                models.extend(own);
            }
            Err(what) => report.unresumed.push(what),
        }
    }
    let aim = Aim::new(wanted.clone());
    let (aim, models) = (&aim, models.as_slice());
    if report.wrong() == 0 {
        let n_first = first.len();
        let rest = (n_first..n_lanes).map(|n| async move { lane(n).await.run(aim, models, say).await });
        let first = first.into_iter().map(|lane| lane.run(aim, models, say));
        let all = futures_util::future::join(
            futures_util::future::join_all(first),
            futures_util::future::join_all(rest),
        );
        let (first, rest) = all.await;
        first.into_iter().chain(rest).for_each(|other| report.add(other));
    }
    report.took = begun.elapsed();
    report
}

/// One stand-in, in which promotions follow each other.
struct Lane {
    stage: Stage,
    dice: Dice,
    /// What comes next, and what runs.
    next: (String, &'static str),
    runs: (String, &'static str),
    /// Its place among the strategies.
    strategy: usize,
}

impl Lane {
    fn new(
        (stage, [runs, next]): (Stage, [(String, &'static str); 2]),
        (n, strategy): (usize, usize),
        seed: u64,
    ) -> Self {
        Self { stage, dice: Dice::new(seed, n), next, runs, strategy }
    }

    /// What promotions are like in which nobody is killed; or how one of them did not come to its end.
    async fn learn(mut self, say: &dyn Fn(&str)) -> Result<(Self, Vec<Model>), String> {
        let mut models = Vec::new();
        for act in Act::ALL {
            let model = undisturbed(&self.stage, act, self.strategy, &self.next).await?;
            let kind = STRATEGIES[self.strategy];
            say(&format!(
                "{kind} {act:?}: {} moments; {:?}; {:?}",
                model.moments.len(),
                model.landed,
                model.shape
            ));
            models.push(model);
        }
        // The good one came in.
        self.turn();
        Ok((self, models))
    }

    fn turn(&mut self) {
        std::mem::swap(&mut self.next, &mut self.runs);
    }

    async fn run(mut self, aim: &Aim, models: &[Model], say: &dyn Fn(&str)) -> Report {
        let mut report = Report::default();
        while let Some(shot) = aim.shot(models, self.strategy, self.stage.has_cloud_apart(), &self.dice) {
            let model = &models[shot.model];
            let line = killed(&self.stage, model, &self.next, &shot, aim, &mut report).await;
            say(&format!("{:3}/{} {line}", aim.struck(), aim.wanted()));
            if report.wrong() > VIOLATIONS_MAX {
                aim.give_up();
                break;
            }
            if model.act == Act::Good {
                self.turn();
            }
        }
        self.stage.end().await;
        report
    }
}
