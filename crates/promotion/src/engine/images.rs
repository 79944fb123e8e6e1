//! What a plan says about images: what moves, whether they are what the release says, and whether there is a way back to
//! those that run.

use std::collections::BTreeMap;

use flytypes::ImageRef;

use super::EngineError;
use super::planning::NoPlan;
use super::session::Session;
use crate::journal::EnvironmentView;
use crate::machine::Phase;
use crate::model::{
    ComponentTarget, Fleet, ImagePreview, Kind, Release, Request, image_label, is_same_commit,
    is_same_version,
};
use crate::ports::{ImageFacts, PortErrorKind};

impl Session<'_> {
    /// What is known of `target`'s image before anything is done; `warnings` gets what a reader should know.
    ///
    /// What is taken over or gone back to is not looked at: it runs, or did, and no label decides over a way back.
    pub(super) async fn survey(
        &self,
        request: &Request,
        target: &ComponentTarget,
        fleet: &Fleet,
        warnings: &mut Vec<String>,
    ) -> Result<Result<Option<ImagePreview>, NoPlan>, EngineError> {
        // Of another image than the release's nothing is asked: a gate refuses it.
        let is_its_own = target.digest() == request.release.components.get(&target.place.component);
        if matches!(request.kind, Kind::Adopt | Kind::Rollback { .. }) || !is_its_own {
            return Ok(Ok(None));
        }
        let environment = &target.place.environment;
        let registry = &self.engine.ports.registry;
        let survey = match registry.survey(environment, &target.source, &target.image).await {
            Ok(survey) => survey,
            Err(error) if error.kind == PortErrorKind::Refused => {
                let why = format!("the image of `{}`: {error}", target.place.component);
                return Ok(Err(NoPlan::Closed { gate: "image", why }));
            }
            Err(error) => return Ok(Err(NoPlan::Away(error))),
        };
        if Some(&survey.facts.digest) != target.digest() {
            let why = format!("{} reads as {}", target.source, survey.facts.digest);
            return Ok(Err(NoPlan::Closed { gate: "image", why }));
        }
        if !self.is_unchanged(target) && !self.was_let_in(request).await? {
            match mismatch(&request.release, target, &survey.facts) {
                Some(Mismatch::Refused(why)) => return Ok(Err(NoPlan::Closed { gate: "labels", why })),
                Some(Mismatch::Doubtful(why)) => warnings.push(why),
                None => {}
            }
        }
        self.ways_back(target, fleet, warnings).await;
        Ok(Ok(Some(ImagePreview {
            component: target.place.component.clone(),
            from: target.source.clone(),
            to: target.image.clone(),
            bytes_total: survey.bytes_total,
            bytes_missing: survey.bytes_missing,
            can_mount: survey.can_mount,
        })))
    }

    /// Whether the component stays what it is here, beside others: its image came with an earlier release, and says so.
    fn is_unchanged(&self, target: &ComponentTarget) -> bool {
        let current = self.environment.current().map(|current| &current.state.facts.request.release);
        current.is_some_and(|release| {
            release.components.len() > 1 && release.components.get(&target.place.component) == target.digest()
        })
    }

    /// Whether this very release (its hash covers commit, version and digests) was put somewhere before: then it was looked at
    /// there, and components that it only kept say an earlier commit.
    async fn was_let_in(&self, request: &Request) -> Result<bool, EngineError> {
        let id = request.release.id();
        let has = |view: &EnvironmentView| {
            let mut put = view.promotions.values();
            put.any(|it| it.state.phase == Phase::Succeeded && it.state.facts.request.release.id() == id)
        };
        if has(&self.environment) {
            return Ok(true);
        }
        let Some(rule) = &request.policy.evidence else { return Ok(false) };
        let there = self.engine.view(&rule.from).await?;
        Ok(has(&there))
    }

    /// Names what runs, or is parked, and could not be brought back once its machines are gone.
    async fn ways_back(&self, target: &ComponentTarget, fleet: &Fleet, warnings: &mut Vec<String>) {
        let mut found: BTreeMap<&ImageRef, bool> = BTreeMap::new();
        for unit in fleet.units.iter().filter(|unit| unit.managed) {
            if let Some(image) = unit.image.as_ref().filter(|image| image.digest().is_some()) {
                let runs = found.entry(image).or_default();
                *runs |= !unit.is_parked();
            }
        }
        let place = &target.place;
        for (image, runs) in found {
            if *image == target.image {
                continue;
            }
            let what = if runs { "runs" } else { "is parked" };
            let what = format!("{image} {what} in `{}`", place.name);
            match self.engine.ports.registry.resolve(&place.environment, image).await {
                Ok(_) => {}
                Err(error) if error.kind == PortErrorKind::Refused => warnings.push(format!(
                    "{what} and does not resolve any more: once its machines are gone there is no way back to it; push it again before you go on ({error})"
                )),
                Err(error) => {
                    warnings.push(format!("{what}, and it is not known whether it still resolves: {error}"));
                }
            }
        }
    }
}

/// What an image says that the release does not.
enum Mismatch {
    Refused(String),
    Doubtful(String),
}

/// Labels against the release, where both say something.
///
/// An image inherits the labels of the image that it is built on, and common ones (Ubuntu's) have a version of their own: so a
/// version counts only beside a commit that is the release's.
fn mismatch(release: &Release, target: &ComponentTarget, facts: &ImageFacts) -> Option<Mismatch> {
    let said = |key: &str| facts.labels.get(key).map(|text| text.trim()).filter(|text| !text.is_empty());
    let name = &target.place.component;
    let commit = said(image_label::REVISION);
    if let Some(commit) =
        commit.filter(|commit| !release.commit.is_empty() && !is_same_commit(commit, &release.commit))
    {
        return Some(Mismatch::Refused(format!(
            "the image of `{name}` says it is of commit {commit} ({}), and the release is of {}: deploy the image of this commit, or name the image's own with --commit",
            image_label::REVISION,
            release.commit
        )));
    }
    let version = said(image_label::VERSION)?;
    if release.version.is_empty() || is_same_version(version, &release.version) {
        return None;
    }
    let what = format!(
        "the image of `{name}` says it is version {version} ({}), and the release is {}",
        image_label::VERSION,
        release.version
    );
    Some(if commit.is_some() {
        Mismatch::Refused(format!(
            "{what}: deploy the image of this version, or name the image's own with --version"
        ))
    } else {
        Mismatch::Doubtful(format!("{what}; it may be that of the image it is built on"))
    })
}
