//! Gates: named conditions that must hold. Asked when the plan is made, and again right before the first change.

use std::collections::BTreeSet;

use super::EngineError;
use super::drive::Came;
use super::session::Session;
use crate::journal::EnvironmentView;
use crate::machine::{Event, Work};
use crate::model::{Class, ComponentName, EvidenceRule, Kind, PromotionId, Request, Word};
use crate::ports::PortErrorKind;

/// What a gate said.
pub(super) enum Gate {
    Open(String),
    Closed(String),
    Away(String),
}

impl Session<'_> {
    pub(super) async fn ask_gates(&mut self) -> Result<Came, EngineError> {
        self.gates(false).await
    }

    /// Everything again: gates, people, plan, drift (P1).
    pub(super) async fn recheck(&mut self) -> Result<Came, EngineError> {
        match self.gates(true).await? {
            Came::Event(Event::Done(_)) => {}
            refused => return Ok(refused),
        }
        Ok(self.plan_again().await?.unwrap_or(Came::done(Work::Rechecked)))
    }

    async fn gates(&mut self, people_too: bool) -> Result<Came, EngineError> {
        let mut passed = Vec::new();
        let mut gates = vec![
            ("verb", self.verb()),
            ("release", self.release()),
            ("class", self.class()),
            ("role", self.role()),
            ("lock", self.human_lock()),
            ("freeze", self.freeze()),
            ("breaker", self.breaker().await?),
            ("attestation", self.evidence().await?),
            ("scan", self.scanned().await?),
            ("secrets", self.secrets().await),
        ];
        if let Some(glass) = self.glass().await {
            gates.push(("break-glass", glass));
        }
        if people_too {
            gates.push(("requester", self.requester().await));
            gates.push(("approval", self.people().await));
            gates.push(("checklist", self.checklist().await));
        }
        for (name, gate) in gates {
            match gate {
                Gate::Open(line) => passed.push(format!("{name}: {line}")),
                Gate::Closed(why) => {
                    return Ok(Came::Event(Event::GateClosed { gate: name.to_owned(), why }));
                }
                Gate::Away(why) => return Ok(Came::errored(format!("gate {name}: {why}"))),
            }
        }
        Ok(Came::done(Work::Gates { passed }))
    }

    /// Which verb may do what here. Untested releases come into production by no verb but the named exceptions (P1).
    fn verb(&self) -> Gate {
        let request = &self.view().state.facts.request;
        match &request.kind {
            Kind::Deploy if request.class == Class::Production => Gate::Closed(format!(
                "`{}` is production: a release comes there by `promote start`, after it was tested",
                request.environment
            )),
            Kind::Rollback { of } => match self.environment.current() {
                Some(current) if current.id() == of => Gate::Open(format!("{of} is what runs now")),
                Some(current) => Gate::Closed(format!(
                    "{of} is not what runs in `{}` now: go back from {} first",
                    request.environment,
                    current.id()
                )),
                None => Gate::Closed(format!("nothing was promoted into `{}`", request.environment)),
            },
            Kind::Deploy | Kind::Promote | Kind::Bootstrap | Kind::Adopt | Kind::Repair => {
                Gate::Open(format!("{} may be done here", request.kind.verb()))
            }
        }
    }

    /// Approvals and evidence bind to the release: what is put there must be that, all of it, and here (P1).
    fn release(&self) -> Gate {
        let request = &self.view().state.facts.request;
        let mut names = BTreeSet::new();
        for target in &request.components {
            let (place, name) = (&target.place, &target.place.component);
            if place.environment != request.environment {
                return Gate::Closed(format!("`{}` is a place in `{}`", place.name, place.environment));
            }
            if !names.insert(name.clone()) {
                return Gate::Closed(format!("component `{name}` is asked for twice"));
            }
        }
        let outcome = match &request.kind {
            Kind::Rollback { of } => self.is_earlier(of, &names),
            Kind::Deploy | Kind::Promote | Kind::Bootstrap | Kind::Adopt => is_whole(request, &names),
            Kind::Repair => is_whole(request, &names).and_then(|()| self.is_recorded()),
        };
        match outcome {
            Ok(()) => Gate::Open(format!("{} components of {}", names.len(), request.release.version)),
            Err(why) => Gate::Closed(why),
        }
    }

    /// Whether a rollback of `of` goes back with all that it brought, and to what was there before.
    fn is_earlier(&self, of: &PromotionId, names: &BTreeSet<ComponentName>) -> Result<(), String> {
        let facts = self.environment.promotions.get(of).map(|undone| &undone.state.facts);
        let Some((undone, snapshot)) =
            facts.and_then(|facts| Some((&facts.request, facts.snapshot.as_ref()?)))
        else {
            return Err(format!("nobody wrote down what was there before {of}"));
        };
        let brought: BTreeSet<ComponentName> =
            undone.components.iter().map(|target| target.place.component.clone()).collect();
        if brought != *names {
            return Err(format!("{of} brought {}, and they go back together", list(&brought)));
        }
        let found =
            |name: &ComponentName| snapshot.components.get(name).map_or(&[][..], |found| &found.units);
        if undone.kind == Kind::Adopt || brought.iter().all(|name| found(name).is_empty()) {
            return Err(format!("there is nothing before {of}"));
        }
        let release = &self.view().state.facts.request.release;
        for (name, digest) in &release.components {
            if !found(name).iter().any(|record| record.unit.digest.as_ref() == Some(digest)) {
                return Err(format!("before {of} there was no {} of `{name}`", digest.short()));
            }
        }
        Ok(())
    }

    /// Whether a repair puts back what is recorded here and nothing else: that is why no evidence is asked of it (P1).
    fn is_recorded(&self) -> Result<(), String> {
        let request = &self.view().state.facts.request;
        let Some(current) = self.environment.current() else {
            return Err(format!("nothing is recorded in `{}` that could be put back", request.environment));
        };
        let put = current.recorded();
        let is_same = request.release == current.state.facts.request.release
            && request.components.iter().eq(put.iter().map(|it| &it.target));
        if is_same { Ok(()) } else { Err(format!("it is not what {} put here", current.id())) }
    }

    /// An environment is of the class that the journal knows it by: a project file that says otherwise would move the
    /// rules of that class out of the way (P1).
    fn class(&self) -> Gate {
        let request = &self.view().state.facts.request;
        match self.environment.class() {
            Some(known) if known != request.class => Gate::Closed(format!(
                "`{name}` is {known} as the journal knows it, and the request says {}; put class = \"{known}\" back \
                 under [environments.{name}], or give what is of another class another name",
                request.class,
                name = request.environment,
            )),
            Some(known) => Gate::Open(format!("{known}, as the journal knows it")),
            None => Gate::Open(format!("{}, and nothing was put here before", request.class)),
        }
    }

    /// What puts something under our rule without evidence is for those who may approve there (P1).
    fn role(&self) -> Gate {
        let state = &self.view().state;
        let request = &state.facts.request;
        let verb = request.kind.verb();
        if request.class != Class::Production || !matches!(request.kind, Kind::Adopt | Kind::Bootstrap) {
            return Gate::Open(format!("everybody who is known may {verb} here"));
        }
        match state.policy().bars(&request.requested_by) {
            Some(why) => Gate::Closed(format!(
                "{verb} puts something into `{}` that nobody tested, and {why}; one of them asks for it",
                request.environment
            )),
            None => Gate::Open(format!("{} may", request.requested_by)),
        }
    }

    async fn evidence(&mut self) -> Result<Gate, EngineError> {
        let request = &self.view().state.facts.request;
        if request.kind != Kind::Promote {
            return Ok(Gate::Open(format!("not asked of a {}", request.kind.verb())));
        }
        if let Some(lifted) = self.lifted() {
            return Ok(lifted);
        }
        if cfg!(feature = "sabotage-p1") {
            return Ok(Gate::Open("not looked at".to_owned()));
        }
        let rule = self.view().state.policy().evidence.clone().filter(|rule| !rule.suites.is_empty());
        let Some(rule) = rule else {
            return Ok(if request.class == Class::Production {
                Gate::Closed(format!(
                    "`{}` is production, and its policy names no suite that a release must have passed",
                    request.environment
                ))
            } else {
                Gate::Open("the policy asks for none".to_owned())
            });
        };
        if rule.from == request.environment {
            return Ok(Gate::Closed(format!(
                "what passed in `{}` was not rehearsed: the policy must name another environment",
                rule.from
            )));
        }
        let from = self.engine.view(&rule.from).await?;
        self.covered(&rule, &from).await
    }

    async fn covered(&self, rule: &EvidenceRule, from: &EnvironmentView) -> Result<Gate, EngineError> {
        let request = &self.view().state.facts.request;
        let release = request.release.id();
        let class = from.class();
        if class == Some(Class::Production) {
            return Ok(Gate::Closed(format!(
                "`{}` is production, and what passed there was not rehearsed: the policy must name another environment",
                rule.from
            )));
        }
        // By the later of both: what is too old by any clock is too old.
        let now = self.now().max(self.engine.ports.clock.now());
        for suite in &rule.suites {
            let (counting, mut refused) = from.evidence(&release, suite, rule, &request.base_data, now);
            let mut good = false;
            for attestation in counting {
                match self.engine.ports.attestor.verify(attestation).await {
                    Ok(()) => good = true,
                    Err(error) if error.kind == PortErrorKind::Refused => refused = Some(error.message),
                    Err(error) => return Ok(Gate::Away(error.message)),
                }
            }
            if !good {
                let mut why = format!(
                    "release {} has no valid attestation of suite `{suite}` from `{}` within {}",
                    release.short(),
                    rule.from,
                    rule.max_age
                );
                if let Some(refused) = refused {
                    why = format!("{why} ({refused})");
                }
                let env = &rule.from;
                let is_apart = from.rules().is_some_and(|rules| !rules.verify.contains(suite));
                let then = if is_apart {
                    format!(
                        ", then `promote test --env {env} --report FILE` and `promote attest --env {env} --report FILE`"
                    )
                } else {
                    String::new()
                };
                return Ok(Gate::Closed(format!(
                    "{why}; run `promote deploy --env {env} --image REF`{then}"
                )));
            }
        }
        Ok(Gate::Open(format!("{} suites attested by `{}`", rule.suites.len(), rule.from)))
    }

    /// Who asked is still who the proof shows: their approval would not count, so it must not be somebody else.
    async fn requester(&self) -> Gate {
        let request = &self.view().state.facts.request;
        let word = Word::new(&request.wish(), &request.requested_by, request.signed.as_ref(), request.at);
        match self.engine.ports.approvals.verify_word(&word).await {
            Ok(person) if person == request.requested_by => Gate::Open(person.to_string()),
            Ok(person) => {
                Gate::Closed(format!("{} asked, and the proof now shows {person}", request.requested_by))
            }
            Err(error) if error.kind == PortErrorKind::Refused => Gate::Closed(format!(
                "that {} asked does not hold: {}; ask again",
                request.requested_by, error.message
            )),
            Err(error) => Gate::Away(error.message),
        }
    }

    async fn people(&self) -> Gate {
        let state = &self.view().state;
        if !state.needs_approval() {
            return Gate::Open("nobody is asked".to_owned());
        }
        if !state.quorum(None) {
            return Gate::Closed("not enough people have approved this plan".to_owned());
        }
        for approval in &state.facts.approvals {
            match self.engine.ports.approvals.verify(&approval.claim).await {
                Ok(person) if person == approval.by => {}
                Ok(person) => {
                    return Gate::Closed(format!("the approval of {} now shows {person}", approval.by));
                }
                Err(error) if error.kind == PortErrorKind::Refused => {
                    return Gate::Closed(format!(
                        "the approval of {} does not hold: {}",
                        approval.by, error.message
                    ));
                }
                Err(error) => return Gate::Away(error.message),
            }
        }
        Gate::Open(format!("{} people", state.facts.approvals.len()))
    }
}

fn list(names: &BTreeSet<ComponentName>) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Whether what is asked for are the release's components, each by its digest.
fn is_whole(request: &Request, names: &BTreeSet<ComponentName>) -> Result<(), String> {
    let release = &request.release;
    let all: BTreeSet<ComponentName> = release.components.keys().cloned().collect();
    if all != *names {
        return Err(format!(
            "release {} is {}, and the request brings {}: a release is tested and put there whole",
            release.version,
            list(&all),
            list(names)
        ));
    }
    for target in &request.components {
        let name = &target.place.component;
        if target.digest() != release.components.get(name) {
            return Err(format!("{} is not the `{name}` of release {}", target.image, release.version));
        }
    }
    Ok(())
}
