//! One promotion from its request to its end, with or without somebody who kills.

use std::fmt::Write as _;
use std::time::Duration;

use promotion::machine::Phase;
use serde_json::json;
use tokio::process::Child;

use super::aim::{Aim, Shot};
use super::judge::{Parked, Shape, judge, parked, shape};
use super::now;
use super::report::Report;
use super::trace::{Landed, Moment, Stop, Struck};
use super::watch::Watch;
use crate::support::{PRODUCTION, Ran, Stage, ended};

/// A promotion is done within this after it was struck, by ticks alone: twice what a lost answer makes them wait,
/// since a rescuer may be killed too.
const RESCUE: Duration = Duration::from_secs(240);
/// How long whoever asked for a machine that comes late lives on, so that it surely asked.
const ASKING: Duration = Duration::from_millis(300);
/// Between two ticks, as whoever calls them would.
const BETWEEN: Duration = Duration::from_millis(300);

/// How a promotion goes when nobody is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// The suite fails in production, and everything is put back.
    Failing,
    /// The release comes in.
    Good,
}

impl Act {
    pub(super) const ALL: [Self; 2] = [Self::Failing, Self::Good];

    pub(super) const fn end(self) -> Phase {
        match self {
            Self::Failing => Phase::RolledBack,
            Self::Good => Phase::Succeeded,
        }
    }
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Victims {
    /// Whoever works on the promotion at that moment.
    Runner,
    /// And whoever works on it this many records later.
    RescuerToo { after: usize },
    /// And the stand-in, which is back after so many milliseconds.
    CloudToo { ms: u64 },
    /// And the first machine that it asked for comes so many milliseconds later, when others are at work.
    Late { ms: u64 },
}

/// An undisturbed promotion.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) act: Act,
    /// Its place among the strategies.
    pub(super) strategy: usize,
    pub(super) moments: Vec<Stop>,
    pub(super) landed: Landed,
    pub(super) shape: Shape,
}

/// A release: the id of its deployment on staging, and its version.
type Release = (String, &'static str);

/// Who does the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Start,
    Approve,
    Tick,
}

impl Verb {
    const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Approve => "approve",
            Self::Tick => "tick",
        }
    }
}

/// A promotion under way.
pub(super) struct Play<'s> {
    stage: &'s Stage,
    release: &'s Release,
    pub(super) watch: Watch<'s>,
    pub(super) parked: Parked,
    /// Whether somebody was told that the approval is written down.
    pub(super) was_approved: bool,
    ticks: usize,
}

impl<'s> Play<'s> {
    async fn new(stage: &'s Stage, act: Act, release: &'s Release) -> Self {
        stage.fail_smoke(act == Act::Failing);
        // Retention has taken the image out of production's repository, so that it has to be copied again.
        let commit = release.1.replace('.', "").repeat(14);
        if let Some(digest) = stage.digest_of(&format!("{PRODUCTION}:production-{}", &commit[..40])).await {
            stage.prune(&digest).await;
        }
        let (parked, watch) = (parked(stage).await, Watch::new(stage).await);
        Self { stage, release, watch, parked, was_approved: false, ticks: 0 }
    }

    /// Somebody asks, somebody says yes, and for all the rest there is `tick`.
    fn verb(&self) -> Verb {
        let trace = &self.watch.trace;
        match trace.id() {
            None => Verb::Start,
            Some(_) if trace.phase() == Phase::AwaitingApproval && !trace.is_approved() => Verb::Approve,
            Some(_) => Verb::Tick,
        }
    }

    async fn spawn(&self, verb: Verb) -> Child {
        let (developer, lead) = (self.stage.key("developer"), self.stage.key("lead"));
        let (release, id) =
            (&self.release.0, self.watch.trace.id().map(ToString::to_string).unwrap_or_default());
        let plan = self.watch.trace.plan().unwrap_or_default();
        let args: &[&str] = match verb {
            Verb::Start => {
                &["start", "--to", "production", "--release", release, "--key", &developer, "--json"]
            }
            Verb::Approve => &["approve", &id, "--plan", &plan, "--key", &lead, "--json"],
            Verb::Tick => &["tick", "--json"],
        };
        self.stage.command(args).spawn().unwrap()
    }

    /// Runs the next process, to its end or until `is_time`, which is told for how long it runs; in that case it is killed,
    /// and whoever else is to be.
    async fn step(
        &mut self,
        verb: Verb,
        victims: Victims,
        is_time: impl Fn(&Watch<'_>, Duration) -> bool,
    ) -> (bool, Ran) {
        let mut child = self.spawn(verb).await;
        let begun = now();
        self.ticks += usize::from(verb == Verb::Tick);
        let is_killed = loop {
            self.watch.look().await;
            if is_time(&self.watch, begun.elapsed()) {
                if matches!(victims, Victims::Late { .. }) {
                    tokio::time::sleep(ASKING).await;
                }
                child.start_kill().unwrap();
                if let Victims::CloudToo { ms } = victims {
                    self.stage.kill_cloud().await;
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    self.stage.revive_cloud().await;
                }
                break true;
            }
            if child.try_wait().unwrap().is_some() {
                break false;
            }
            if begun.elapsed() > RESCUE {
                // It hangs, and whoever waits for the promotion says so.
                child.start_kill().unwrap();
                break false;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        let ran = ended(child).await;
        if is_killed {
            // What was on its way lands.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.watch.look().await;
        self.was_approved |= verb == Verb::Approve && ran.code == Some(0);
        (is_killed, ran)
    }
}

/// Promotes to its end; what it was like, or how it did not come there.
pub(super) async fn undisturbed(
    stage: &Stage,
    act: Act,
    strategy: usize,
    release: &Release,
) -> Result<Model, String> {
    let mut play = Play::new(stage, act, release).await;
    let begun = now();
    while !play.watch.trace.is_over() {
        let (_, ran) = play.step(play.verb(), Victims::Runner, |_, _| false).await;
        if begun.elapsed() > RESCUE {
            return Err(format!("{act:?}, undisturbed, is {}: {ran:?}", play.watch.trace.phase()));
        }
    }
    let trace = &play.watch.trace;
    if trace.phase() != act.end() {
        return Err(format!("{act:?}, undisturbed, ended as {}", trace.phase()));
    }
    let shape = shape(stage, &play.parked, release.1).await;
    Ok(Model { act, strategy, moments: trace.stops(), landed: trace.landed(), shape })
}

/// Kills as the shot says, lets ticks finish, judges. The kill was reserved.
pub(super) async fn killed(
    stage: &Stage,
    model: &Model,
    release: &Release,
    shot: &Shot,
    aim: &Aim,
    report: &mut Report,
) -> String {
    let mut play = Play::new(stage, model.act, release).await;
    let mut line = format!("{:?} {:?}", model.act, shot.moment);
    if let Victims::Late { ms } = shot.victims {
        let name = "late-landing";
        let fault =
            json!({"name": name, "app": PRODUCTION, "action": "machine-create", "ms": ms, "count": 1});
        stage.fault(Some(&fault)).await;
    }
    // At how many records the rescuer dies as well.
    let mut next = Some(shot.moment);
    let mut begun = now();
    while !play.watch.trace.is_over() {
        let verb = play.verb();
        let moment = next;
        let (is_killed, ran) = play
            .step(verb, shot.victims, |watch, since| match moment {
                Some(Moment::Approving(ms)) => verb == Verb::Approve && since >= Duration::from_millis(ms),
                Some(moment) => watch.trace.is_there(moment),
                None => false,
            })
            .await;
        if is_killed {
            match shot.victims {
                Victims::CloudToo { .. } => {
                    report.cloud();
                    line.push_str("; localcloud killed");
                }
                Victims::Late { ms } => {
                    report.late += 1;
                    let _ = write!(line, "; its machine comes {ms} ms late");
                }
                Victims::Runner | Victims::RescuerToo { .. } => {}
            }
            next = None;
            begun = now();
            let struck = struck(&play, verb);
            if struck.is_empty() {
                aim.missed();
                report.missed += 1;
                line.push_str(" (before the first effect or after the last)");
            } else {
                aim.hit(&struck);
                report.kill(play.watch.trace.phase(), verb.name(), &struck);
                let told: Vec<_> = struck.iter().map(|(effect, side)| format!("{effect} {side}")).collect();
                let _ = write!(
                    line,
                    "; {} killed in {}: {}",
                    verb.name(),
                    play.watch.trace.phase(),
                    told.join(", ")
                );
                if let (Victims::RescuerToo { after }, true) = (shot.victims, moment == Some(shot.moment))
                    && aim.reserve()
                {
                    next = Some(Moment::Record(play.watch.trace.records.len() + after));
                }
            }
        } else if begun.elapsed() > RESCUE {
            report.unresumed.push(format!(
                "{line}: {:?} is still {}: {ran:?}",
                play.watch.trace.id(),
                play.watch.trace.phase()
            ));
            break;
        }
        if verb == Verb::Tick && !play.watch.trace.is_over() {
            tokio::time::sleep(BETWEEN).await;
        }
    }
    if matches!(shot.victims, Victims::Late { .. }) {
        stage.fault(None).await;
    }
    if next.is_some() {
        aim.missed();
        report.missed += 1;
        line.push_str("; over before its moment");
    }
    report.ticks += play.ticks;
    let _ = write!(line, " -> {} after {:.1}s", play.watch.trace.phase(), begun.elapsed().as_secs_f64());
    let has_lost_lines = matches!(shot.victims, Victims::CloudToo { .. });
    judge(stage, &play, model, release.1, (&line, has_lost_lines), report).await;
    line
}

fn struck(play: &Play<'_>, verb: Verb) -> Vec<Struck> {
    if verb == Verb::Approve {
        let side = if play.watch.trace.is_approved() { "after" } else { "before" };
        return vec![("approve".to_owned(), side)];
    }
    play.watch.trace.struck()
}
