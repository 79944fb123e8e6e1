//! Which evidence counts, and why it counts no more: what happened to the release since, in the environment it is from.

use std::collections::BTreeMap;

use super::record::ReportAbout;
use super::reported::Reported;
use super::view::{EnvironmentView, PromotionView};
use crate::model::{
    At, Attestation, EvidenceRule, Hash, Kind, PromotionId, Request, Scan, ScanRule, SuiteName, config_hash,
};

impl EnvironmentView {
    /// What was made here for `suite` on `release` and counts by `rule` at `now`, signatures apart; with it, why the last one
    /// that does not count has died. `base_data` is what whoever asks brings.
    pub fn evidence(
        &self,
        release: &Hash,
        suite: &SuiteName,
        rule: &EvidenceRule,
        base_data: &BTreeMap<String, Hash>,
        now: At,
    ) -> (Vec<&Attestation>, Option<String>) {
        let class = self.class();
        let (mut counting, mut died) = (Vec::new(), None);
        let covering = self
            .attestations()
            .filter(|it| it.covers(release, &rule.from, suite, rule.max_age, now))
            .filter(|it| it.statement.scan.is_none() && Some(it.statement.class) == class);
        for attestation in covering {
            let other = || other_base_data(rule, &attestation.statement.base_data, base_data);
            match self.voids(attestation, rule).or_else(other) {
                None => counting.push(attestation),
                why => died = why,
            }
        }
        (counting, died)
    }

    /// The scans of `release` that were taken in here and are young enough by `rule` at `now`, the last one first, signatures
    /// apart. The last one decides: what an earlier one did not find is found now.
    pub fn scans(&self, release: &Hash, rule: &ScanRule, now: At) -> Vec<&Attestation> {
        let name = Scan::name();
        let covers = |it: &&Attestation| {
            it.statement.scan.is_some() && it.covers(release, &rule.from, &name, rule.max_age, now)
        };
        self.reports().iter().rev().flat_map(Reported::attestations).filter(covers).collect()
    }

    /// Why `attestation`, which was made here, counts no more by `rule`; nothing where it does.
    pub fn voids(&self, attestation: &Attestation, rule: &EvidenceRule) -> Option<String> {
        let it = &attestation.statement;
        if let Some(failed) = self.failed_since(attestation) {
            return Some(format!("`{}` did not pass there again {failed}", it.suite));
        }
        let (now, config) = self.runs_with(&it.release)?;
        if config != it.config {
            return Some(format!(
                "{} put the release there with another configuration than the one that was tested",
                now.id()
            ));
        }
        let brought = &now.state.facts.request.base_data;
        let other = rule.base_data.iter().find(|file| brought.get(*file) != it.base_data.get(*file))?;
        Some(format!(
            "{} put the release there with other base data than it was tested on: `{other}` was {} then and is {} now",
            now.id(),
            said(it.base_data.get(other)),
            said(brought.get(other))
        ))
    }

    /// A later run of the suite on the release that did not pass, for people. Promotions here come one after the other, so
    /// that what ended after the tested one ran after it, and what holds the environment now ran last. Times say nothing of
    /// that, since each runner has a clock of its own; but a report that was held back until after one that did not pass is
    /// told by the times that both of them say.
    fn failed_since(&self, it: &Attestation) -> Option<String> {
        let made = self.reports().iter().find(|report| report.attestations().any(|signed| signed == it));
        let it = &it.statement;
        let n_before = match made {
            Some(report) => report.n_ended,
            None => self.ended_with(&it.deployment),
        };
        let later = self.ended().skip(n_before).chain(self.active());
        let failed = later.filter(|promotion| made.is_some() || *promotion.id() != it.deployment);
        let failed = failed.map(|promotion| (promotion, &promotion.state.facts)).find(|(_, facts)| {
            facts.failure.as_ref().is_some_and(|failure| failure.suite.as_ref() == Some(&it.suite))
                && facts.request.release.id() == it.release
        });
        if let Some((failed, _)) = failed {
            return Some(format!("in {}", failed.id()));
        }
        let is_later = |report: &&Reported| match made {
            Some(made) => report.seq > made.seq || report.about.ended >= made.about.ended,
            None => report.n_ended >= n_before,
        };
        let failed =
            self.reports().iter().filter(is_later).find(|report| {
                report.about.release == it.release && report.suites.get(&it.suite) == Some(&None)
            });
        failed.map(|report| {
            let ReportAbout { report, ended, .. } = &report.about;
            format!("by the report {} of {ended}", report.short())
        })
    }

    /// How many promotions had ended when `deployment` had; all of them, where it is still at work.
    fn ended_with(&self, deployment: &PromotionId) -> usize {
        let is_at_work = self.active().is_some_and(|promotion| promotion.id() == deployment);
        match self.ended().position(|promotion| promotion.id() == deployment) {
            Some(place) => place + 1,
            None if is_at_work => self.ended().count(),
            None => 0,
        }
    }

    /// What last put `release` here to stay, and with which configuration. What was taken over was configured by others.
    pub(crate) fn runs_with(&self, release: &Hash) -> Option<(&PromotionView, Hash)> {
        let puts = |view: &&PromotionView| {
            let request = &view.state.facts.request;
            matches!(request.kind, Kind::Deploy | Kind::Promote | Kind::Bootstrap)
                && request.release.id() == *release
        };
        let last = self.standing().into_iter().rfind(puts)?;
        let plan = last.state.facts.plan.as_ref()?;
        Some((last, config_hash(&plan.target.components)))
    }

    /// What tests of what `request` puts here run on. Who puts back or goes back brings none: the base data of a release are
    /// those that it was put here with.
    pub(crate) fn base_data_of(&self, request: &Request) -> BTreeMap<String, Hash> {
        let request = match request.kind {
            Kind::Repair | Kind::Rollback { .. } => {
                self.runs_with(&request.release.id()).map_or(request, |(put, _)| &put.state.facts.request)
            }
            Kind::Deploy | Kind::Promote | Kind::Bootstrap | Kind::Adopt => request,
        };
        request.base_data.clone()
    }
}

/// A file that must be the same where it was tested and where it is asked for, and is not.
fn other_base_data(
    rule: &EvidenceRule,
    tested: &BTreeMap<String, Hash>,
    asked: &BTreeMap<String, Hash>,
) -> Option<String> {
    let is_other = |file: &&String| tested.get(*file).is_none() || tested.get(*file) != asked.get(*file);
    let file = rule.base_data.iter().find(is_other)?;
    let help = match asked.get(file) {
        Some(_) => "",
        None => "; name it under `base-data` until this release is there",
    };
    Some(format!(
        "it was tested on base data that is another one now: `{file}` was {} then, and is {} where this was asked for{help}",
        said(tested.get(file)),
        said(asked.get(file))
    ))
}

fn said(hash: Option<&Hash>) -> &str {
    hash.map_or("not named", Hash::short)
}
