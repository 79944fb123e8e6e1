//! Which evidence counts, and why it counts no more: what happened to the release since, in the environment it is from.

use super::view::{EnvironmentView, PromotionView};
use crate::model::{At, Attestation, EvidenceRule, Hash, Kind, Statement, SuiteName, config_hash};

impl EnvironmentView {
    /// What was made here for `suite` on `release` and counts by `rule` at `now`, signatures apart; with it, why the last one
    /// that does not count has died.
    pub fn evidence(
        &self,
        release: &Hash,
        suite: &SuiteName,
        rule: &EvidenceRule,
        now: At,
    ) -> (Vec<&Attestation>, Option<String>) {
        let class = self.class();
        let (mut counting, mut died) = (Vec::new(), None);
        let covering = self
            .attestations()
            .filter(|it| it.covers(release, &rule.from, suite, rule.max_age, now))
            .filter(|it| Some(it.statement.class) == class);
        for attestation in covering {
            match self.voids(attestation) {
                None => counting.push(attestation),
                why => died = why,
            }
        }
        (counting, died)
    }

    /// Why `attestation`, which was made here, counts no more; nothing where it does.
    pub fn voids(&self, attestation: &Attestation) -> Option<String> {
        let it = &attestation.statement;
        if let Some(failed) = self.failed_since(it) {
            return Some(format!("`{}` did not pass there again in {}", it.suite, failed.id()));
        }
        let (now, config) = self.runs_with(&it.release)?;
        (config != it.config).then(|| {
            format!(
                "{} put the release there with another configuration than the one that was tested",
                now.id()
            )
        })
    }

    /// A later run of the suite on the release that did not pass. Promotions here come one after the other, so that what ended
    /// after the tested one ran after it, and what holds the environment now ran last. Times say nothing of that: each
    /// runner has a clock of its own.
    fn failed_since(&self, it: &Statement) -> Option<&PromotionView> {
        let ended = self.ended().position(|promotion| *promotion.id() == it.deployment);
        let is_at_work = self.active().is_some_and(|promotion| *promotion.id() == it.deployment);
        let n_before = match ended {
            Some(place) => place + 1,
            None if is_at_work => self.ended().count(),
            None => 0,
        };
        let later = self.ended().skip(n_before).chain(self.active());
        later.filter(|promotion| *promotion.id() != it.deployment).find(|promotion| {
            let facts = &promotion.state.facts;
            facts.failure.as_ref().is_some_and(|failure| failure.suite.as_ref() == Some(&it.suite))
                && facts.request.release.id() == it.release
        })
    }

    /// What last put `release` here to stay, and with which configuration. What was taken over was configured by others.
    fn runs_with(&self, release: &Hash) -> Option<(&PromotionView, Hash)> {
        let puts = |view: &&PromotionView| {
            let request = &view.state.facts.request;
            matches!(request.kind, Kind::Deploy | Kind::Promote | Kind::Bootstrap)
                && request.release.id() == *release
        };
        let last = self.standing().into_iter().rfind(puts)?;
        let plan = last.state.facts.plan.as_ref()?;
        Some((last, config_hash(&plan.target.components)))
    }
}
