//! From images to a release.

use std::collections::{BTreeMap, BTreeSet};

use clikit::Failure;
use envconfig::pipeline::TREE_LABEL;
use flyclient::registry::{Error, ErrorKind, Registry};
use flytypes::ImageRef;
use promotion::journal::PromotionView;
use promotion::model::{ComponentName, Release, image_label};

/// The OCI label of a version (image spec, "Pre-Defined Annotation Keys").
const VERSION: &str = image_label::VERSION;
/// The OCI label of a source commit.
const COMMIT: &str = image_label::REVISION;

/// A release, and where each component's image was found.
pub(crate) struct Found {
    pub(crate) release: Release,
    pub(crate) images: BTreeMap<String, ImageRef>,
}

/// With what an image is read.
type Reader<'w> = dyn Fn(&ImageRef) -> Result<&'w Registry, Failure> + Sync + 'w;

/// Looks images up by reference: `REF` for the only component, `COMPONENT=REF` else.
pub(crate) async fn of_images(
    reader: &Reader<'_>,
    components: &[String],
    given: &[String],
    version: Option<String>,
    commit: Option<String>,
) -> Result<Found, Failure> {
    let mut images = BTreeMap::new();
    for text in given {
        let (component, reference) = split(components, text)?;
        let image: ImageRef =
            reference.parse().map_err(|error: flytypes::ImageRefError| Failure::usage(error.to_string()))?;
        let pinned =
            reader(&image)?.resolve(&image).await.map_err(|error| registry_failure(&error, &image))?;
        if images.insert(component.clone(), pinned).is_some() {
            return Err(Failure::usage(format!("component `{component}` is given twice")));
        }
    }
    if let Some(missing) = components.iter().find(|component| !images.contains_key(*component)) {
        return Err(Failure::usage(format!("there is no image for component `{missing}`"))
            .with_why("a release is the digests of all components")
            .with_hint(format!("--image {missing}=REGISTRY/REPOSITORY:TAG")));
    }
    let (mut version, mut commit, mut trees) = (version, commit, BTreeSet::new());
    for image in images.values() {
        let labels = reader(image)?.labels(image).await.unwrap_or_default();
        version = version.or_else(|| labels.get(VERSION).cloned());
        commit = commit.or_else(|| labels.get(COMMIT).cloned());
        trees.insert(labels.get(TREE_LABEL).cloned());
    }
    // Of one release there is one tree.
    let tree = if trees.len() == 1 { trees.pop_first().flatten() } else { None };
    let missing = |what: &str, flag: &str, label: &str| {
        Failure::usage(format!("the release's {what} is not known"))
            .with_why(format!("no image has the label {label}"))
            .with_hint(format!("--{flag} {}", what.to_uppercase()))
    };
    let version = version.ok_or_else(|| missing("version", "version", VERSION))?;
    let commit = commit.ok_or_else(|| missing("commit", "commit", COMMIT))?;
    let mut digests = BTreeMap::new();
    for (component, image) in &images {
        let name =
            ComponentName::new(component.clone()).map_err(|error| Failure::usage(error.to_string()))?;
        digests.extend(image.digest().cloned().map(|digest| (name, digest)));
    }
    Ok(Found { release: Release { version, commit, tree, components: digests }, images })
}

fn split<'t>(components: &[String], text: &'t str) -> Result<(String, &'t str), Failure> {
    if let Some((component, reference)) = text.split_once('=') {
        if !components.iter().any(|known| known == component) {
            let known = components.join(", ");
            return Err(Failure::usage(format!("there is no component `{component}`"))
                .with_why(format!("there are: {known}")));
        }
        return Ok((component.to_owned(), reference));
    }
    match components {
        [one] => Ok((one.clone(), text)),
        _ => Err(Failure::usage(format!("it is not clear which component `{text}` is for"))
            .with_hint(format!("--image {}={text}", components.first().map_or("COMPONENT", String::as_str)))),
    }
}

fn registry_failure(error: &Error, image: &ImageRef) -> Failure {
    let why = error.to_string();
    match error.kind() {
        ErrorKind::NotFound => Failure::usage(format!("there is no image {image}")).with_why(why),
        ErrorKind::Unauthenticated | ErrorKind::Forbidden => {
            Failure::usage(format!("the token does not reach {image}")).with_why(why)
        }
        _ => Failure::unavailable(format!("the registry {} cannot be asked", image.registry())).with_why(why),
    }
}

/// The release of an earlier deployment.
pub(crate) fn of_promotion(view: &PromotionView) -> Found {
    let request = &view.state.facts.request;
    let images = request
        .components
        .iter()
        .map(|target| (target.place.component.to_string(), target.image.clone()))
        .collect();
    Found { release: request.release.clone(), images }
}
