//! Tags that keep images: of the release that runs from now on, and of the one before it.
//!
//! Who cleans a registry up takes what no tag names, and a copy by digest has none. Whether a tag could be written decides
//! nothing, and none is ever resolved.

use std::collections::{BTreeMap, BTreeSet};

use flytypes::{Digest, ImageRef};

use super::EngineError;
use super::session::Session;
use crate::journal::EnvironmentView;
use crate::model::{ComponentName, Release, keep_tag};

/// An image to keep, and the commit it is of, where that is known.
type Kept = BTreeSet<(ImageRef, Option<String>)>;

impl Session<'_> {
    /// Tags both releases. Convergent; what cannot be tagged is told and left.
    pub(super) async fn keep_images(&mut self) -> Result<(), EngineError> {
        let environment = self.environment.name.clone();
        let registry = self.engine.ports.registry.clone();
        for (image, commit) in self.kept() {
            let Some(digest) = image.digest() else { continue };
            let tag = keep_tag(&environment, commit.as_deref(), digest);
            let tagging = registry.ensure_tag(&environment, &image, &tag);
            if let Err(error) = self.keeping(tagging).await? {
                self.note(format!("{image} is not kept by the tag `{tag}`: {error}"));
            }
        }
        Ok(())
    }

    fn kept(&self) -> Kept {
        let facts = &self.view().state.facts;
        let live = &facts.request.release;
        // Until this promotion ends, what stands is the release before it.
        let before = self.environment.current().map(|before| &before.state.facts.request.release);
        let commit = |release: &Release, component: &ComponentName, digest: &Digest| {
            (release.components.get(component) == Some(digest)).then(|| release.commit.clone())
        };
        let mut kept = Kept::new();
        for target in self.targets() {
            let (name, image) = (&target.place.component, target.image.clone());
            let Some(digest) = target.digest() else { continue };
            kept.insert((image, commit(live, name, digest)));
        }
        let snapshot = facts.snapshot.iter().flat_map(|snapshot| &snapshot.components);
        for (name, component) in snapshot {
            for record in &component.units {
                let Some(digest) = record.image.digest() else { continue };
                if kept.iter().any(|(image, _)| *image == record.image) {
                    continue;
                }
                kept.insert((record.image.clone(), before.and_then(|release| commit(release, name, digest))));
            }
        }
        apart(kept)
    }
}

/// A tag names one image: where two of one commit lie in one repository, each goes by its digest.
fn apart(kept: Kept) -> Kept {
    let mut of: BTreeMap<(String, String, String), BTreeSet<Digest>> = BTreeMap::new();
    let key = |image: &ImageRef, commit: &String| {
        (image.registry().to_owned(), image.repository().to_owned(), commit.clone())
    };
    for (image, commit) in &kept {
        if let (Some(commit), Some(digest)) = (commit, image.digest()) {
            of.entry(key(image, commit)).or_default().insert(digest.clone());
        }
    }
    let is_alone =
        |image: &ImageRef, commit: &String| of.get(&key(image, commit)).is_some_and(|all| all.len() == 1);
    kept.into_iter()
        .map(|(image, commit)| {
            let commit = commit.filter(|commit| is_alone(&image, commit));
            (image, commit)
        })
        .collect()
}

/// Every tag that may have been written for `view`'s environment, with an image of its repository.
pub(super) fn keep_tags(view: &EnvironmentView) -> BTreeSet<(ImageRef, String)> {
    let ended: Vec<_> = view.promotions.values().map(|promotion| &promotion.state.facts).collect();
    let mut images: BTreeSet<(&ComponentName, &ImageRef)> = BTreeSet::new();
    for facts in &ended {
        let put = facts.plan.iter().flat_map(|plan| &plan.target.components);
        images.extend(put.map(|target| (&target.place.component, &target.image)));
        let found = facts.snapshot.iter().flat_map(|snapshot| &snapshot.components);
        images.extend(found.flat_map(|(name, it)| it.units.iter().map(move |record| (name, &record.image))));
    }
    let mut tags = BTreeSet::new();
    for (name, image) in images {
        let Some(digest) = image.digest() else { continue };
        let releases = ended.iter().map(|facts| &facts.request.release);
        let of = releases.filter(|release| release.components.get(name) == Some(digest));
        let commits = of.map(|release| Some(release.commit.as_str())).chain([None]);
        tags.extend(commits.map(|commit| (image.clone(), keep_tag(&view.name, commit, digest))));
    }
    tags
}
