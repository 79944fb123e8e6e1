//! From a request and what runs to a plan.

use std::collections::BTreeMap;

use super::EngineError;
use super::drift::{asleep, unclear};
use super::drive::Came;
use super::preview::preview;
use super::secrets;
use super::session::Session;
use super::traffic;
use crate::machine::Event;
use crate::model::{
    Baseline, Class, ComponentName, ComponentSnapshot, ComponentTarget, Fleet, GroupName, Kind, Plan, Policy,
    PreviewLine, PromotionId, Proof, Release, Request, RollbackVerdict, Snapshot, Strategy, Target,
    UnitConfig, UnitState, label,
};
use crate::ports::PortError;
use crate::rollout::{Direction, Job, is_second_fleet, remarks, unproven};

/// Why there is no plan.
pub(super) enum NoPlan {
    Away(PortError),
    Closed { gate: &'static str, why: String },
}

impl Session<'_> {
    pub(super) async fn make_plan(&mut self) -> Result<Came, EngineError> {
        match self.plan().await? {
            Ok(plan) => Ok(Came::Event(Event::PlanMade { plan: Box::new(plan) })),
            Err(no_plan) => Ok(no_plan.came()),
        }
    }

    /// Plans again and compares: the second half of Rechecking.
    pub(super) async fn plan_again(&mut self) -> Result<Option<Came>, EngineError> {
        let fresh = match self.plan().await? {
            Ok(plan) => plan,
            Err(no_plan) => return Ok(Some(no_plan.came())),
        };
        let Some(old) = &self.view().state.facts.plan else {
            return Ok(Some(Came::failed("there is no plan")));
        };
        if !old.is_sound() {
            return Ok(Some(Came::failed("the plan's hash is not its target's")));
        }
        if old.hash == fresh.hash {
            return Ok(None);
        }
        let why = difference(&old.target, &fresh.target);
        Ok(Some(Came::Event(Event::Differs { plan: Box::new(fresh), why })))
    }

    async fn plan(&mut self) -> Result<Result<Plan, NoPlan>, EngineError> {
        let stamp = self.stamp().await?;
        let request = self.view().state.facts.request.clone();
        if let (Kind::Adopt, Some(current), None) =
            (&request.kind, self.environment.current(), self.environment.drift())
        {
            let why = format!(
                "{} stands here already, and its rules decide; deploy or promote into it. Where something else runs, \
                 `promote tick` writes that down first",
                current.state.facts.request.release.version
            );
            return Ok(Err(NoPlan::Closed { gate: "verb", why }));
        }
        if request.kind == Kind::Repair && self.environment.drift().is_none() {
            let why = format!("there is no drift in `{}`: nothing is to be repaired", request.environment);
            return Ok(Err(NoPlan::Closed { gate: "verb", why }));
        }
        let mut components = Vec::new();
        let mut baseline = BTreeMap::new();
        let (mut first, mut lines) = (Vec::new(), Vec::new());
        let mut warnings = self.open_drift();
        if let Some(glass) = &request.break_glass {
            warnings.push(format!(
                "{glass}; neither evidence nor people are asked for, no freeze or breaker stops it, and other rules that it \
                 brings do not come into force"
            ));
        }
        let (mut caveats, mut opaque) = (Vec::new(), Vec::new());
        let mut images = Vec::new();
        let mut found_any = false;
        for component in &request.components {
            let begun = self.now();
            let (fleet, seen) = match self.found(component).await {
                Ok(found) => found,
                Err(error) => return Ok(Err(NoPlan::Away(error))),
            };
            self.taken.insert(component.place.clone(), (begun, fleet.clone()));
            let drifted = self.drifted(component, &fleet);
            if let Kind::Rollback { of } = &request.kind
                && let Some(why) = drifted.refusal(of).or_else(|| self.left_over(of, component, &fleet))
            {
                return Ok(Err(NoPlan::Closed { gate: "fleet", why }));
            }
            warnings.extend(drifted.warning());
            found_any |= fleet.live().next().is_some();
            if let Some(why) = self.taken_out(&request.kind, &fleet) {
                return Ok(Err(NoPlan::Closed { gate: "verb", why }));
            }
            let is_new = self.is_new(&component.place.component);
            let mut target = match fill(component, &fleet, &request.kind, is_new) {
                Ok(target) => target,
                Err(closed) => return Ok(Err(closed)),
            };
            if request.kind == Kind::Repair {
                // As it was put there, and not as it is found.
                self.as_recorded(&mut target, &fleet);
            } else if changes_fleet(&request.kind) {
                self.keep(&mut target, &fleet);
            }
            if request.kind == Kind::Adopt {
                if let Some(why) = unclear(&target, &fleet) {
                    return Ok(Err(NoPlan::Closed { gate: "fleet", why }));
                }
                warnings.extend(asleep(&target, &fleet));
            }
            warn(&target, &fleet, request.class, &mut warnings);
            let edges = self.engine.ports.checks.edges(&target.place);
            warnings.extend(traffic::remarks(&target, &fleet, &request.kind, &edges));
            match &request.kind {
                Kind::Adopt => {}
                Kind::Rollback { of }
                    if secrets::gets_other_secrets(&self.environment, of, &target, &fleet) =>
                {
                    let name = &target.place.name;
                    warnings.push(format!(
                        "the secrets of `{name}` changed since: machines that are changed back or made anew get those of now"
                    ));
                }
                Kind::Rollback { .. } => {}
                Kind::Deploy | Kind::Promote | Kind::Bootstrap | Kind::Repair => {
                    warnings.extend(secrets::warnings(&target, &seen));
                    caveats.extend(secrets::caveat(&target, &seen));
                    if let Some(job) = &target.release_command {
                        let component = target.place.component.clone();
                        opaque.push(format!("`{}` of `{component}`", job.title()));
                        let call = format!("run `{}` once, on a machine of its own", job.title());
                        first.push(PreviewLine { component, call });
                    }
                }
            }
            baseline.insert(component.place.component.clone(), secrets::baseline(&fleet));
            match self.survey(&request, &target, &fleet, &mut warnings).await? {
                Ok(image) => images.extend(image),
                Err(closed) => return Ok(Err(closed)),
            }
            if !matches!(request.kind, Kind::Adopt | Kind::Rollback { .. }) {
                lines.extend(preview(&target, &fleet, &stamp, self.now()));
                if let Ok(snapshot) = ComponentSnapshot::take(component.place.clone(), &fleet) {
                    let direction = Direction::Forward;
                    let job =
                        Job { target: &target, snapshot: &snapshot, stamp: &stamp, direction, undone: None };
                    warnings.extend(unproven(job));
                    warnings.extend(remarks(job, &fleet));
                }
            }
            components.push(target);
        }
        let (policy, policy_change) = self.policy_in_force(&request);
        let target = Target {
            environment: request.environment.clone(),
            class: request.class,
            kind: request.kind.clone(),
            release: request.release.clone(),
            components,
            baseline,
            base_data: request.base_data.clone(),
            policy,
            policy_change,
            rollback: verdict(found_any, &opaque, &caveats),
        };
        first.append(&mut lines);
        Ok(Ok(Plan::new(target, first, warnings).with_images(images)))
    }

    /// What the release's configuration does not speak of stays as it is found on the first unit of each group; what
    /// others have of their own stays theirs.
    fn keep(&self, target: &mut ComponentTarget, fleet: &Fleet) {
        for (name, group) in &mut target.groups {
            let asked = group.config.clone();
            let known = fleet.live().filter(|unit| unit.group == *name && !unit.is_away());
            // Most units of a group are configured as the one before.
            let mut last: Option<(&UnitConfig, UnitConfig)> = None;
            for (n, unit) in known.enumerate() {
                let config = match last.take().filter(|(present, _)| **present == unit.config) {
                    Some((_, config)) => config,
                    None => self.engine.ports.deployer.kept(&target.place, &unit.config, &asked).into(),
                };
                if n == 0 {
                    group.config = config.clone();
                } else if config != group.config {
                    target.own.insert(unit.id.clone(), config.clone());
                }
                last = Some((&unit.config, config));
            }
        }
    }

    /// A machine that a rollback of `of` would leave behind on another image than the others: it was neither there before
    /// nor made by `of`, so nobody says that it may be changed (P6, P10).
    fn left_over(&self, of: &PromotionId, component: &ComponentTarget, fleet: &Fleet) -> Option<String> {
        let place = &component.place;
        // Of what does not run now nothing is undone, and a gate says so.
        let current = self.environment.current().filter(|current| current.id() == of)?;
        let facts = &current.state.facts;
        let before = facts.snapshot.as_ref()?.components.get(&place.component)?;
        let other = self.environment.active().filter(|other| other.id() != &self.id);
        let unit = fleet.live().find(|unit| {
            let was_there = before.all().any(|record| record.unit.id == unit.id);
            let is_alike = before.units.iter().any(|record| record.unit.digest == unit.digest);
            !was_there && !is_alike && unit.label(label::PROMOTION) != Some(of.as_str())
        })?;
        // What is being changed by another promotion of ours is nobody's to take away.
        if let Some(other) = other.filter(|other| unit.label(label::PROMOTION) == Some(other.id().as_str())) {
            let (id, phase) = (other.id(), other.state.phase);
            return Some(format!(
                "{id} is {phase} in `{}` and changes its machines: wait until it is over, or end it with \
                 `promote abort {id} --reason R`, then go back",
                place.environment
            ));
        }
        Some(format!(
            "machine {} of `{}` came after {of} and would stay on the image it runs: take it away, or out of the deploys' hands, then go back",
            unit.id, place.name
        ))
    }

    /// Whether what runs here came without `component`: then it has no machines yet, and did not lose any.
    fn is_new(&self, component: &ComponentName) -> bool {
        self.environment.current().is_some_and(|current| {
            let mut stood = current.state.facts.request.components.iter();
            !stood.any(|target| target.place.component == *component)
        })
    }

    /// The rules of the release last promoted here decide; a release that changes them shows it and is judged by the
    /// old ones. A rollback goes by the rules under which the release it goes back to was put there: those that a
    /// release brought have no say in its removal.
    fn policy_in_force(&self, request: &Request) -> (Policy, Option<Policy>) {
        let deciding = match &request.kind {
            Kind::Rollback { of } => self.environment.before(of).map(|before| before.state.policy()),
            Kind::Deploy | Kind::Promote | Kind::Bootstrap | Kind::Adopt | Kind::Repair => {
                self.environment.rules()
            }
        };
        match deciding {
            // What is taken over brings no rules, nor does what nobody approves.
            Some(policy) if request.kind == Kind::Adopt || request.break_glass.is_some() => {
                (policy.clone(), None)
            }
            Some(policy) if *policy != request.policy => (policy.clone(), Some(request.policy.clone())),
            _ => (request.policy.clone(), None),
        }
    }
}

impl NoPlan {
    fn came(self) -> Came {
        match self {
            Self::Away(error) if error.kind == crate::ports::PortErrorKind::Refused => {
                Came::failed(error.message)
            }
            Self::Away(error) => Came::errored(error.message),
            Self::Closed { gate, why } => Came::Event(Event::GateClosed { gate: gate.to_owned(), why }),
        }
    }
}

/// Counts and regions are kept as found; those of the request are for what is not there yet, such as a component that is
/// new in an environment where others stand.
fn fill(
    asked: &ComponentTarget,
    fleet: &Fleet,
    kind: &Kind,
    is_new: bool,
) -> Result<ComponentTarget, NoPlan> {
    let mut target = asked.clone();
    target.secrets.version = fleet.secrets_version;
    let found = Baseline::of(fleet.live(), fleet.secrets_version).counts;
    if found.is_empty() && matches!(kind, Kind::Promote) && !is_new {
        let why =
            format!("`{}` has no machines; put the first release there with --bootstrap", asked.place.name);
        return Err(NoPlan::Closed { gate: "fleet", why });
    }
    if !found.is_empty() && matches!(kind, Kind::Bootstrap) {
        let why = format!("`{}` runs already; promote into it, or adopt it", asked.place.name);
        return Err(NoPlan::Closed { gate: "fleet", why });
    }
    if let Some(why) = is_second_fleet(asked, fleet).filter(|_| changes_fleet(kind)) {
        return Err(NoPlan::Closed { gate: "fleet", why });
    }
    for (name, group) in &mut target.groups {
        if let Some(counts) = found.get(name) {
            group.counts.clone_from(counts);
        }
        if matches!(&group.proof, Proof::Checks(names) if names.is_empty()) {
            let why = format!(
                "group `{name}` of `{}` has no checks; configure one, or name another proof (healthy = {{ started-for = \"30s\" }})",
                asked.place.component
            );
            return Err(NoPlan::Closed { gate: "health", why });
        }
    }
    if asked.image.digest().is_none() {
        let why = format!("`{}` is no reference by digest", asked.image);
        return Err(NoPlan::Closed { gate: "digest", why });
    }
    Ok(target)
}

/// Whether machines are made or changed for what was asked for, and not only put back or looked at.
const fn changes_fleet(kind: &Kind) -> bool {
    matches!(kind, Kind::Deploy | Kind::Promote | Kind::Bootstrap | Kind::Repair)
}

/// The way back, with all that is to be said of it first.
fn verdict(found_any: bool, opaque: &[String], caveats: &[String]) -> RollbackVerdict {
    if !found_any {
        return RollbackVerdict::Nothing;
    }
    if opaque.is_empty() {
        return match caveats {
            [] => RollbackVerdict::Allowed,
            caveats => RollbackVerdict::Caveat(caveats.join("; ")),
        };
    }
    let why = format!(
        "unknown: {} may change what no rollback puts back, such as a database; the machines themselves come back",
        opaque.join(", ")
    );
    let whole: Vec<String> = std::iter::once(why).chain(caveats.iter().cloned()).collect();
    RollbackVerdict::Unknown(whole.join("; "))
}

fn warn(target: &ComponentTarget, fleet: &Fleet, class: Class, warnings: &mut Vec<String>) {
    let name = &target.place.name;
    let digests = fleet.digests();
    if digests.len() > 1 {
        let list: Vec<&str> = digests.iter().map(flytypes::Digest::short).collect();
        warnings.push(format!("`{name}` is mixed: its machines run {}", list.join(", ")));
    }
    for unit in fleet.units.iter().filter(|unit| !unit.managed) {
        warnings
            .push(format!("machine {} of `{name}` is not managed by deploys and stays as it is", unit.id));
    }
    for unit in fleet.live().filter(|unit| unit.is_away()) {
        warnings.push(format!(
            "the host of machine {} of `{name}` does not answer: it stays as it is, and would serve the earlier release \
             when it comes back; promote again then, or destroy it",
            unit.id
        ));
    }
    let in_place = matches!(target.strategy, Strategy::Rolling | Strategy::Canary);
    if !in_place || class != Class::Production {
        return;
    }
    // One group does not answer for another: each is counted by itself (P7).
    let mut serving: BTreeMap<&GroupName, usize> = BTreeMap::new();
    for unit in fleet.live().filter(|unit| unit.state == UnitState::Started && !unit.cordoned) {
        *serving.entry(&unit.group).or_default() += 1;
    }
    for (group, _) in serving.iter().filter(|(_, n)| **n == 1) {
        let of = if serving.len() > 1 { format!("group `{group}` of ") } else { String::new() };
        warnings.push(format!(
            "{of}`{name}` has one machine: changing it where it stands leaves a gap in which nothing answers"
        ));
    }
}

fn difference(old: &Target, new: &Target) -> String {
    for (component, before) in &old.baseline {
        let after = new.baseline.get(component).cloned().unwrap_or_default();
        if let Some(why) = changed(component, before, &after) {
            return why;
        }
    }
    if old.policy != new.policy {
        return "the rules in force changed since the plan was made".to_owned();
    }
    "the target changed since the plan was made".to_owned()
}

/// What of `component` changed since its plan was made, if anything.
pub(super) fn changed(component: &ComponentName, before: &Baseline, after: &Baseline) -> Option<String> {
    let what = if after == before {
        return None;
    } else if after.digests != before.digests {
        format!("other images run in `{component}` than when the plan was made")
    } else if after.counts != before.counts {
        format!("`{component}` has other machine counts or regions than when the plan was made")
    } else if (after.secrets_version, &after.secrets) != (before.secrets_version, &before.secrets) {
        format!("the secrets of `{component}` changed since the plan was made")
    } else {
        format!("the configuration of `{component}` changed since the plan was made")
    };
    Some(what)
}

/// The release that a snapshot holds, when every component is one digest; for rollbacks and adoption.
pub fn snapshot_release(snapshot: &Snapshot, like: &Release) -> Option<Release> {
    let mut components = BTreeMap::new();
    for (name, component) in &snapshot.components {
        let mut digests = component.units.iter().filter_map(|record| record.unit.digest.clone());
        // A component that came later: there was none of it.
        let Some(first) = digests.next() else { continue };
        if digests.any(|digest| digest != first) {
            return None;
        }
        components.insert(name.clone(), first);
    }
    (!components.is_empty()).then(|| Release { components, ..like.clone() })
}
