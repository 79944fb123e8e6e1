//! The gate `breaker`: after failures nothing new comes, until a probe holds or a person says that it may.

use super::EngineError;
use super::gates::Gate;
use super::session::Session;
use crate::journal::{BreakerState, EnvironmentView};
use crate::model::{At, Class, EvidenceRule, Hash, Kind};

impl Session<'_> {
    pub(super) async fn breaker(&self) -> Result<Gate, EngineError> {
        let state = &self.view().state;
        let (request, policy) = (&state.facts.request, state.policy());
        if matches!(request.kind, Kind::Rollback { .. } | Kind::Adopt) {
            return Ok(Gate::Open("not asked: nothing new is put there".to_owned()));
        }
        if let Some(lifted) = self.lifted() {
            return Ok(lifted);
        }
        let name = &self.environment.name;
        let reset = format!("`promote breaker reset --env {name} --reason R`");
        let (why, opened, since) = match self.environment.breaker(&policy.breaker, self.now()) {
            BreakerState::Closed { failures } => {
                return Ok(Gate::Open(format!("closed, {failures} failures in its window")));
            }
            BreakerState::Open { why, since, until } => {
                let probe = until.map(|until| format!("; from {until} on one may try")).unwrap_or_default();
                return Ok(Gate::Closed(format!("{why}; open since {since}{probe}; look, then {reset}")));
            }
            BreakerState::HalfOpen { why, opened, since } => (why, opened, since),
        };
        // What is recorded there was let in before, and its repair says nothing about what comes next.
        if request.class != Class::Production || request.kind == Kind::Repair {
            return Ok(Gate::Open(format!("half-open since {since}: one may try")));
        }
        if let Some(rule) = &policy.evidence {
            let from = self.engine.view(&rule.from).await?;
            if was_rehearsed(&from, rule, &request.release.id(), opened) {
                return Ok(Gate::Open(format!(
                    "half-open since {since}, and it passed in `{}` after {opened}: one may try",
                    rule.from
                )));
            }
        }
        let from = policy.evidence.as_ref().map_or("staging", |rule| rule.from.as_str());
        Ok(Gate::Closed(format!(
            "half-open since {since}, {why} by {opened}: one may try that was put into `{from}` and passed there after \
             that; run `promote deploy --env {from} --image REF`, or look, then {reset}"
        )))
    }
}

/// Whether the release was put there after `opened`, and passed.
fn was_rehearsed(from: &EnvironmentView, rule: &EvidenceRule, release: &Hash, opened: At) -> bool {
    let passed = |facts: &crate::machine::Facts| {
        rule.suites.iter().all(|suite| facts.attestations.iter().any(|it| it.statement.suite == *suite))
    };
    from.ended().filter(|view| view.state.stands()).map(|view| &view.state.facts).any(|facts| {
        facts.request.release.id() == *release
            && facts.locked_at.is_some_and(|locked| locked > opened)
            && passed(facts)
    })
}
