//! Reports of suites that ran in another step than the deploy, as they were taken in.

use std::collections::BTreeMap;

use super::record::ReportAbout;
use super::view::{EnvironmentView, PromotionView};
use crate::model::{Attestation, Class, Hash, Kind, SuiteName};

/// One report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// The record that took it in.
    pub seq: u64,
    /// How many promotions had ended here by then.
    pub(super) n_ended: usize,
    /// What it is about.
    pub about: ReportAbout,
    /// Suite → the signed word that it passed; nothing where it did not.
    pub suites: BTreeMap<SuiteName, Option<Attestation>>,
}

impl EnvironmentView {
    /// What was taken in of the report with this hash.
    pub(crate) fn report(&self, hash: &Hash) -> Option<&Reported> {
        self.reports().iter().find(|report| report.about.report == *hash)
    }

    /// The deployment that stands here, with the configuration that evidence binds to; why no suite can say anything of it.
    pub fn testable(&self) -> Result<(&PromotionView, Hash), String> {
        match self.holder() {
            Some(holder) => Err(format!(
                "{} is {} in `{}`: what runs there changes; test what it leaves, once it is over",
                holder.id(),
                holder.state.phase,
                self.name
            )),
            None => self.rehearsable(),
        }
    }

    /// The same whether or not something else is on its way there: what is said of a release alone may be said meanwhile.
    pub(crate) fn rehearsable(&self) -> Result<(&PromotionView, Hash), String> {
        let name = &self.name;
        let deploy = format!("`promote deploy --env {name} --image REF` first");
        let current = self.current().ok_or_else(|| format!("nothing is recorded in `{name}`: {deploy}"))?;
        let request = &current.state.facts.request;
        if request.class == Class::Production {
            return Err(format!("`{name}` is production, and what passes there is not rehearsed"));
        }
        let put = self.standing().into_iter().map(|it| &it.state.facts.request.kind);
        let put = put.rev().find(|kind| **kind != Kind::Repair);
        let config = self.runs_with(&request.release.id()).map(|(_, config)| config);
        match config.filter(|_| put != Some(&Kind::Adopt)) {
            Some(config) => Ok((current, config)),
            None => Err(format!(
                "what runs in `{name}` was taken over, and which build that is was found and not proven: {deploy}"
            )),
        }
    }
}

impl Reported {
    /// The evidence that was made of it.
    pub fn attestations(&self) -> impl Iterator<Item = &Attestation> {
        self.suites.values().flatten()
    }

    /// Why a record of it cannot stand behind what `view` has before it.
    pub(super) fn check(&self, view: &EnvironmentView) -> Result<(), String> {
        let about = &self.about;
        let deployment = view.promotions.get(&about.deployment);
        let deployment =
            deployment.ok_or_else(|| format!("promotion {} was never requested", about.deployment))?;
        if deployment.state.facts.request.release.id() != about.release {
            return Err(format!("{} is of another release", about.deployment));
        }
        if view.report(&about.report).is_some() {
            return Err(format!("report {} was taken in twice", about.report.short()));
        }
        for (suite, attestation) in &self.suites {
            let Some(it) = attestation.as_ref().map(|attestation| &attestation.statement) else { continue };
            let is_of_it = it.suite == *suite
                && it.report == about.report
                && it.release == about.release
                && it.deployment == about.deployment
                && it.environment == view.name;
            if !is_of_it {
                return Err(format!("what was signed of `{suite}` is about something else"));
            }
        }
        Ok(())
    }
}
