//! The work of the phases that touch the world.

use std::collections::BTreeMap;

use super::EngineError;
use super::drive::Came;
use super::locked::foreign;
use super::planning::{changed, snapshot_release};
use super::roll::{Rolled, Rollout};
use super::secrets::baseline;
use super::session::Session;
use crate::journal::{Entry, PromotionView};
use crate::machine::{Event, Failure, Phase, Work};
use crate::model::{
    At, Attestation, ComponentName, ComponentSnapshot, ComponentTarget, Fleet, Hash, Kind, Running, Snapshot,
    Statement, SuiteName, Unit, config_hash, label,
};
use crate::ports::{PortError, PortErrorKind, Verdict};
use crate::rollout::{
    self, Decision, Direction, Observed, Progress, Stamp, UnitCall, Watched, arrived, restored,
};

pub(super) fn judge(error: PortError) -> Came {
    if error.kind == PortErrorKind::Refused {
        Came::failed(error.message)
    } else {
        Came::errored(error.message)
    }
}

/// A suite did not pass: that stays with the release.
fn not_passed(suite: SuiteName, why: String) -> Came {
    Came::Event(Event::Failed(Failure { component: None, suite: Some(suite), why }))
}

impl Session<'_> {
    pub(super) fn targets(&self) -> Vec<ComponentTarget> {
        let facts = &self.view().state.facts;
        facts.plan.as_ref().map(|plan| plan.target.components.clone()).unwrap_or_default()
    }

    pub(super) async fn snapshot(&mut self) -> Result<Came, EngineError> {
        let stamp = self.stamp().await?;
        let mut components = BTreeMap::new();
        for target in self.targets() {
            let begun = self.now();
            let fleet = match self.found(&target).await {
                Ok((fleet, _)) => fleet,
                Err(error) => return Ok(judge(error)),
            };
            // What another store made since the lock is not ours to put back, nor to replace.
            if let Some(Came::Event(Event::GateClosed { why, .. })) = foreign(&target, &fleet, &stamp) {
                return Ok(Came::failed(why));
            }
            // Images may take long to copy, and no lease stops anybody from adding machines meanwhile.
            if let Some(why) = self.moved_on(&target, &fleet) {
                return Ok(Came::failed(why));
            }
            self.taken.insert(target.place.clone(), (begun, fleet.clone()));
            match ComponentSnapshot::take(target.place.clone(), &fleet) {
                Ok(mut taken) => {
                    // Leases are ours and end with us: no part of what is put back.
                    let records = taken.units.iter_mut().chain(&mut taken.parked);
                    records.for_each(|record| record.unit.lease = None);
                    components.insert(target.place.component.clone(), taken);
                }
                Err(why) => return Ok(Came::failed(why)),
            }
        }
        let snapshot = Snapshot { at: Some(self.now()), components };
        Ok(Came::done(Work::Snapshot { snapshot: Box::new(snapshot) }))
    }

    /// How the fleet differs from the one that the plan was made for.
    fn moved_on(&self, target: &ComponentTarget, fleet: &Fleet) -> Option<String> {
        let plan = self.view().state.facts.plan.as_ref()?;
        let name = &target.place.component;
        let before = plan.target.baseline.get(name)?;
        changed(name, before, &baseline(fleet))
    }

    /// The promotion whose work a rollback by a person undoes.
    fn undone(&self) -> Option<&PromotionView> {
        match &self.view().state.facts.request.kind {
            Kind::Rollback { of } => self.environment.promotions.get(of),
            Kind::Deploy | Kind::Promote | Kind::Bootstrap | Kind::Adopt | Kind::Repair => None,
        }
    }

    fn rollout(&self, target: &ComponentTarget, filed: Direction, stamp: &Stamp) -> Option<Rollout> {
        let name = &target.place.component;
        if filed == Direction::Forward
            && let Some(undone) = self.undone()
        {
            let facts = &undone.state.facts;
            let of = facts.plan.as_ref()?.component(name)?.clone();
            let stamp = Stamp {
                promotion: undone.id().clone(),
                environment: stamp.environment.clone(),
                store: stamp.store.clone(),
                release: facts.request.release.id(),
            };
            let snapshot = facts.snapshot.as_ref()?.components.get(name)?.clone();
            let direction = Direction::Back;
            return Some(Rollout { target: of, snapshot, stamp, direction, filed, undone: None });
        }
        let snapshot = self.view().state.facts.snapshot.as_ref()?.components.get(name)?.clone();
        let undone = self.undone().map(|undone| undone.id().clone());
        let (target, stamp) = (target.clone(), stamp.clone());
        Some(Rollout { target, snapshot, stamp, direction: filed, filed, undone })
    }

    pub(super) async fn deploy(&mut self) -> Result<Came, EngineError> {
        let stamp = self.stamp().await?;
        if let Some(came) = self.run_release_commands(&stamp).await? {
            return Ok(came);
        }
        let mut targets = self.targets();
        if self.undone().is_some() {
            targets.reverse();
        }
        for target in targets {
            if self.view().state.facts.request.kind == Kind::Adopt {
                if let Some(came) = self.adopt(&target, &stamp).await? {
                    return Ok(came);
                }
                continue;
            }
            let Some(rollout) = self.rollout(&target, Direction::Forward, &stamp) else {
                return Ok(Came::failed(format!("`{}` has no snapshot to go by", target.place.component)));
            };
            let component = Some(target.place.component.clone());
            match self.roll(&rollout).await? {
                Rolled::Done => {}
                Rolled::Yield => return Ok(Came::Yield),
                Rolled::Errored(why) => return Ok(Came::errored(why)),
                Rolled::Failed(why) => {
                    return Ok(Came::Event(Event::Failed(Failure { component, suite: None, why })));
                }
            }
        }
        Ok(Came::done(Work::Deployed))
    }

    /// Reads every component back.
    async fn read_back(&mut self, stamp: &Stamp) -> Result<Steady, (Option<ComponentName>, Readback)> {
        let mut steady = Steady::There;
        for target in self.targets() {
            let name = target.place.component.clone();
            let fleet = self.fleet(&target.place).await;
            let fleet = fleet.map_err(|error| (Some(name.clone()), Readback::Away(error.message)))?;
            if self.behind(&target, &fleet).is_some() {
                return Err((Some(name), Readback::Old));
            }
            let in_use = fleet.units.iter().filter(|unit| unit.label(label::PARKED_UNTIL).is_none());
            self.ran.insert(name.clone(), in_use.map(Running::from).collect());
            let observed = Observed { fleet, ..Observed::default() };
            let kind = &self.view().state.facts.request.kind;
            let proven = match self.rollout(&target, Direction::Forward, stamp) {
                None => Err("it has no snapshot to go by".to_owned()),
                Some(_) if *kind == Kind::Adopt => Ok(()),
                Some(rollout) if rollout.direction == Direction::Back => restored(rollout.job(), &observed),
                Some(rollout) => {
                    let now = self.now();
                    let watched = self.watched(&name);
                    match arrived(rollout.job(), watched, &observed, now) {
                        Err(amiss) if amiss.is_waking => {
                            steady = Steady::Waking;
                            Ok(())
                        }
                        proven => proven.map_err(|amiss| amiss.why),
                    }
                }
            };
            proven.map_err(|why| (Some(name), Readback::Wrong(why)))?;
        }
        Ok(steady)
    }

    pub(super) async fn verify(&mut self) -> Result<Came, EngineError> {
        let stamp = self.stamp().await?;
        match self.steady(&stamp, Phase::Verifying).await? {
            None => {}
            Some(came) => return Ok(came),
        }
        let facts = &self.view().state.facts;
        let (environment, release) = (facts.request.environment.clone(), facts.request.release.clone());
        let mut suites = self.view().state.policy().verify.clone();
        if self.is_unproven() && !suites.is_empty() {
            self.note("no suite runs: which build this is was found and not proven".to_owned());
            suites.clear();
        }
        let mut passed = Vec::new();
        for suite in suites {
            if self.must_yield(Phase::Verifying).await? {
                return Ok(Came::Yield);
            }
            let checks = self.engine.ports.checks.clone();
            let report = match self.keeping(checks.run(&environment, &release, &suite)).await? {
                Ok(report) => report,
                Err(error) => return Ok(judge(error)),
            };
            self.note(report.line());
            match report.verdict {
                Verdict::Passed => {}
                Verdict::Failed => {
                    let why = format!("suite `{suite}` failed: {}", report.why.join("; "));
                    return Ok(not_passed(suite, why));
                }
                Verdict::NoTest => {
                    let why = format!("suite `{suite}` ran no test");
                    return Ok(not_passed(suite, why));
                }
                Verdict::Inconclusive => {
                    return Ok(Came::errored(format!(
                        "suite `{suite}` is inconclusive: {}",
                        report.why.join("; ")
                    )));
                }
            }
            passed.push((suite, report.report));
        }
        if let Some(came) = self.clear_release_commands().await? {
            return Ok(came);
        }
        // Suites run for minutes. What they tested must still be all that is there when it counts (P6, P12).
        if (!passed.is_empty() || !self.has_just_looked())
            && let Some(came) = self.steady(&stamp, Phase::Verifying).await?
        {
            return Ok(came);
        }
        let mut attestations = Vec::new();
        for (suite, report) in passed.into_iter().filter(|_| self.is_exact()) {
            match self.attest(suite, report).await {
                Ok(attestation) => attestations.push(attestation),
                Err(error) => return Ok(judge(error)),
            }
        }
        if self.view().state.policy().soak == crate::model::Millis::ZERO {
            self.keep_images().await?;
        }
        let running = std::mem::take(&mut self.ran);
        Ok(Came::done(Work::Verified { attestations, running }))
    }

    /// Whether what runs then was found and not brought: which build it is nobody proved, so no suite can say that it
    /// is that one. Read from the snapshot, not from what whoever asks says of it.
    fn is_unproven(&self) -> bool {
        let request = &self.view().state.facts.request;
        match &request.kind {
            Kind::Adopt => true,
            Kind::Rollback { of } => self.environment.before(of).is_some_and(|before| {
                before.state.facts.request.kind == Kind::Adopt || self.leads_elsewhere(before)
            }),
            // What is put back is what it was: taken over, where it was taken over.
            Kind::Repair => {
                let put = self.environment.standing().into_iter().map(|it| &it.state.facts.request.kind);
                put.rev().find(|kind| **kind != Kind::Repair) == Some(&Kind::Adopt)
            }
            Kind::Deploy | Kind::Promote | Kind::Bootstrap => false,
        }
    }

    /// Whether the way back leads to something else than the release that `before` put there: somebody had deployed past
    /// us, and the promotion that is undone found that.
    fn leads_elsewhere(&self, before: &PromotionView) -> bool {
        let snapshot = self.undone().and_then(|undone| undone.state.facts.snapshot.as_ref());
        let put = &before.state.facts.request.release;
        let found = snapshot.and_then(|snapshot| snapshot_release(snapshot, put));
        found.is_some_and(|found| found.components != put.components)
    }

    /// Whether what runs then is the release and nothing else: a way back to a mixed fleet proves none of what is in it.
    fn is_exact(&self) -> bool {
        let release = &self.view().state.facts.request.release;
        let Some(undone) = self.undone() else { return true };
        let snapshot = undone.state.facts.snapshot.as_ref();
        snapshot.and_then(|snapshot| snapshot_release(snapshot, release)).as_ref() == Some(release)
    }

    async fn attest(&self, suite: SuiteName, report: Hash) -> Result<Attestation, PortError> {
        let facts = &self.view().state.facts;
        let statement = Statement {
            release: facts.request.release.id(),
            config: config_hash(&self.targets()),
            suite,
            environment: facts.request.environment.clone(),
            class: facts.request.class,
            deployment: self.id.clone(),
            report,
            at: self.now(),
            components: facts.request.release.components.clone(),
            suite_file: None,
            base_data: self.environment.base_data_of(&facts.request),
            scan: None,
        };
        self.engine.ports.attestor.sign(&statement).await
    }

    /// The fleets are read back until they are right, for as long as a healthy unit may seem unhealthy.
    async fn steady(&mut self, stamp: &Stamp, phase: Phase) -> Result<Option<Came>, EngineError> {
        let mut begun = self.now();
        loop {
            if self.must_yield(phase).await? {
                return Ok(Some(Came::Yield));
            }
            let came = self.read_back(stamp).await;
            self.remember_sick().await?;
            match came {
                Ok(Steady::There) => return Ok(None),
                Ok(Steady::Waking) | Err((_, Readback::Old)) => begun = self.now(),
                Err((component, wrong)) => {
                    let patience = self.patience();
                    if self.now().since(begun) >= patience {
                        return Ok(Some(wrong.came(component)));
                    }
                }
            }
            self.pause(None).await?;
        }
    }

    /// What is known of the units of `component`: first what the rollout left, then what was seen since.
    fn watched(&mut self, component: &ComponentName) -> &mut Watched {
        let now = self.now();
        let after = || {
            let progress = self.environment.promotions.get(&self.id);
            let progress = progress?.rollouts.get(&(component.clone(), Direction::Forward))?;
            Some(Watched::after(progress, now))
        };
        self.watched.entry(component.clone()).or_insert_with(|| after().unwrap_or_default())
    }

    /// Writes down who is seen unhealthy and who no longer is, so that whoever takes over knows (P12).
    async fn remember_sick(&mut self) -> Result<(), EngineError> {
        let mut entries = Vec::new();
        for (component, watched) in &self.watched {
            let slot = (component.clone(), Direction::Forward);
            let Some(progress) = self.view().rollouts.get(&slot) else { continue };
            if progress.sick.keys().ne(watched.sick.keys()) {
                let progress = Box::new(Progress { sick: watched.sick.clone(), ..progress.clone() });
                let (component, direction) = slot;
                entries.push(Entry::Meant { component, direction, progress, calls: Vec::new() });
            }
        }
        if entries.is_empty() { Ok(()) } else { self.append(entries).await }
    }

    fn patience(&self) -> crate::model::Millis {
        self.targets().iter().map(|target| target.limits.unhealthy).max().unwrap_or_default()
    }

    pub(super) async fn soak(&mut self) -> Result<Came, EngineError> {
        let stamp = self.stamp().await?;
        let until = self.view().state.facts.phase_since.plus(self.view().state.policy().soak);
        let mut wrong_since: Option<At> = None;
        loop {
            if self.must_yield(Phase::Soaking).await? {
                return Ok(Came::Yield);
            }
            let now = self.now();
            let came = self.read_back(&stamp).await;
            self.remember_sick().await?;
            match came {
                Ok(Steady::There) if now >= until => {
                    self.keep_images().await?;
                    return Ok(Came::done(Work::Soaked));
                }
                Ok(Steady::There | Steady::Waking) => wrong_since = None,
                Err((_, Readback::Old)) => {}
                Err((component, wrong)) => {
                    let since = *wrong_since.get_or_insert(now);
                    if now.since(since) >= self.patience() {
                        return Ok(wrong.came(component));
                    }
                }
            }
            self.pause(Some(until).filter(|until| *until > now)).await?;
        }
    }

    pub(super) async fn roll_back(&mut self) -> Result<Came, EngineError> {
        let stamp = self.stamp().await?;
        self.tell_late().await;
        if let Some(came) = self.end_release_commands(false).await? {
            return Ok(came);
        }
        let mut failed: Option<Failure> = None;
        for target in self.targets().into_iter().rev() {
            let name = target.place.component.clone();
            let touched = self.view().rollouts.contains_key(&(name.clone(), Direction::Forward));
            if !touched {
                continue;
            }
            let Some(rollout) = self.rollout(&target, Direction::Back, &stamp) else {
                return Ok(Came::failed(format!("`{name}` has no snapshot")));
            };
            let wrong = match self.roll(&rollout).await? {
                Rolled::Yield => return Ok(Came::Yield),
                Rolled::Errored(why) => return Ok(Came::errored(why)),
                Rolled::Failed(why) => Err(why),
                Rolled::Done => match self.is_restored(&rollout).await? {
                    Ok(restored) => restored,
                    Err(error) => return Ok(Came::errored(error.message)),
                },
            };
            // The other components are put back all the same: one that is wrong is better than two.
            if let Err(why) = wrong {
                failed.get_or_insert(Failure { component: Some(name), suite: None, why });
            }
        }
        if let Some(came) = self.end_release_commands(true).await? {
            return Ok(came);
        }
        Ok(failed.map_or(Came::done(Work::Restored), |failure| Came::Event(Event::Failed(failure))))
    }

    /// Why a component is not as it was found, for as long as a unit may seem unhealthy: one that ran and kept ending when it was
    /// found is seen coming up as well.
    async fn is_restored(
        &mut self,
        rollout: &Rollout,
    ) -> Result<Result<Result<(), String>, PortError>, EngineError> {
        let begun = self.now();
        loop {
            let restored = match self.look_after_all(rollout).await? {
                Ok(observed) => restored(rollout.job(), &observed),
                Err(error) => return Ok(Err(error)),
            };
            if restored.is_ok() || self.now().since(begun) >= self.patience() {
                return Ok(Ok(restored));
            }
            self.pause(None).await?;
        }
    }

    /// Looks until what is shown is younger than every call that was accepted.
    async fn look_after_all(
        &mut self,
        rollout: &Rollout,
    ) -> Result<Result<Observed, PortError>, EngineError> {
        loop {
            let looked = self.look(rollout, false).await;
            let behind = looked.as_ref().ok().and_then(|seen| self.behind(&rollout.target, &seen.fleet));
            if behind.is_none() {
                return Ok(looked);
            }
            self.pause(behind).await?;
        }
    }

    /// Until when a look that found `fleet` may be older than calls that were accepted, by this promotion or the one
    /// before; none where it shows them.
    pub(super) fn behind(&self, target: &ComponentTarget, fleet: &Fleet) -> Option<At> {
        let last = self.environment.last_rollout(&target.place.component)?;
        last.behind(fleet, target.limits.list_lag, self.now())
    }

    /// Takes what runs over as it is: labels only, no new version, no restart.
    async fn adopt(&mut self, target: &ComponentTarget, stamp: &Stamp) -> Result<Option<Came>, EngineError> {
        let labels: BTreeMap<String, Option<String>> =
            stamp.labels(target).into_iter().map(|(key, value)| (key, Some(value))).collect();
        let Some(rollout) = self.rollout(target, Direction::Forward, stamp) else {
            return Ok(Some(Came::failed(format!("`{}` has no snapshot to go by", target.place.component))));
        };
        self.settle_open(&rollout).await?;
        let fleet = match self.fleet(&target.place).await {
            Ok(fleet) => fleet,
            Err(error) => return Ok(Some(judge(error))),
        };
        // Labels that no look shows yet are not written again.
        if let Some(until) = self.behind(target, &fleet) {
            self.pause(Some(until)).await?;
            return Ok(Some(Came::Yield));
        }
        if let Some(unit) = fleet.live().find(|unit| unit.digest.as_ref() != target.digest()) {
            return Ok(Some(Came::failed(format!("machine {} does not run {}", unit.id, target.image))));
        }
        let is_labelled =
            |unit: &Unit| labels.iter().all(|(key, value)| unit.labels.get(key) == value.as_ref());
        let calls: Vec<UnitCall> = fleet
            .live()
            .filter(|unit| !is_labelled(unit))
            .map(|unit| UnitCall::Tag { unit: unit.id.clone(), labels: labels.clone() })
            .collect();
        if calls.is_empty() {
            return Ok(None);
        }
        let slot = (target.place.component.clone(), Direction::Forward);
        let before = self.view().rollouts.get(&slot).cloned();
        let progress = before.clone().unwrap_or_else(|| self.beginning(&rollout));
        let verdict = rollout::Verdict::Going { why: "adopting".to_owned(), wake: None };
        let decision = Decision { calls, progress, verdict, ask_edges: false };
        let mut problems = self.act(&rollout, before.as_ref(), &decision).await?;
        self.pause(None).await?;
        // Seen in the next look, like every call.
        Ok(Some(problems.pop().map_or(Came::Yield, judge)))
    }
}

/// What reading back found where nothing is wrong.
enum Steady {
    There,
    /// A request wakes a unit that slept: it is there soon, or something is wrong.
    Waking,
}

/// What was wrong when it was read back.
enum Readback {
    Away(String),
    /// It is older than our own calls, and says nothing.
    Old,
    Wrong(String),
}

impl Readback {
    fn came(self, component: Option<ComponentName>) -> Came {
        match self {
            Self::Away(why) => Came::errored(why),
            Self::Old => Came::errored("what is shown is older than the last calls"),
            Self::Wrong(why) => Came::Event(Event::Failed(Failure { component, suite: None, why })),
        }
    }
}
