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
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// How many processes are killed.
    pub(crate) kills: usize,
    /// In as many stand-ins side by side. One that waits costs nothing.
    pub(crate) lanes: usize,
    /// What decides where it strikes.
    pub(crate) seed: u64,
    pub(crate) moments: Moments,
}

/// What is given up after so many violations in one stand-in: whatever follows stands on their ground.
const VIOLATIONS_MAX: usize = 5;

#[expect(clippy::disallowed_methods, reason = "a test measures how long a rescue takes")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A stage on which releases 1.0.0 and 1.1.0 are both tested, and the first one runs.
async fn stage() -> (Stage, [(String, &'static str); 2]) {
    // One failed promotion after the other is what is wanted here: no breaker.
    let project = Project {
        approvals: 1,
        lease: "2s",
        rules: "breaker = { failures = 1000, window = \"1h\" }\n",
        ..Project::default()
    };
    let (stage, [old, new]) = Stage::played(project).await;
    (stage, [(old, "1.0.0"), (new, "1.1.0")])
}

/// Kills so many processes, and judges what became of their promotions.
pub(crate) async fn run(wanted: Wanted, say: &dyn Fn(&str)) -> Report {
    let begun = now();
    let first = Lane::new(stage().await, 0, wanted.seed);
    let mut models = Vec::new();
    for act in Act::ALL {
        let model = undisturbed(&first.stage, act, &first.next).await;
        say(&format!("{act:?}: {} moments; {:?}; {:?}", model.moments.len(), model.landed, model.shape));
        models.push(model);
    }
    // The good one came in.
    let mut first = first;
    first.turn();
    let aim = Aim::new(wanted);
    let n_lanes = wanted.lanes.clamp(1, wanted.kills.max(1));
    let rest = (1..n_lanes).map(|n| async move { Lane::new(stage().await, n, wanted.seed) });
    let (aim, models) = (&aim, models.as_slice());
    let rest = rest.map(|lane| async move { lane.await.run(aim, models, say).await });
    let all = futures_util::future::join(first.run(aim, models, say), futures_util::future::join_all(rest));
    let (mut report, others) = all.await;
    others.into_iter().for_each(|other| report.add(other));
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
}

impl Lane {
    fn new((stage, [runs, next]): (Stage, [(String, &'static str); 2]), n: usize, seed: u64) -> Self {
        Self { stage, dice: Dice::new(seed, n), next, runs }
    }

    fn turn(&mut self) {
        std::mem::swap(&mut self.next, &mut self.runs);
    }

    async fn run(mut self, aim: &Aim, models: &[Model], say: &dyn Fn(&str)) -> Report {
        let mut report = Report::default();
        while let Some(shot) = aim.shot(models, &self.dice) {
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

#[cfg(test)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_ticks_finish_it_and_nothing_is_done_twice() {
    let wanted = Wanted { kills: 5, lanes: 2, seed: 1, moments: Moments::Quiet };
    let report = crate::support::within(run(wanted, &|line| eprintln!("{line}"))).await;
    assert_eq!(report.wrong(), 0, "{}", report.text());
    let told = report.json(wanted.seed);
    for kind in ["double_effects", "lost_approvals", "mixed_fleets", "unresumed", "violations"] {
        assert_eq!(told[kind], 0, "{kind}: {told}");
    }
    assert_eq!(told["kills"], wanted.kills, "{told}");
    let landed = told["landed"].as_object().unwrap();
    assert!(landed.keys().all(|at| at.split('/').count() == 3), "{told}");
    assert!(landed.keys().any(|at| at.starts_with("deploying/")), "{told}");
}
