//! Images by digest.

use std::sync::{Arc, Mutex, PoisonError};

use flytypes::ImageRef;

use crate::model::EnvironmentName;
use crate::ports::{Copied, Moved, PortErrorKind, Registry, Watch};

/// What the suite works on.
#[derive(Debug, Clone)]
pub struct RegistryFixture {
    /// Whose registry access is used.
    pub environment: EnvironmentName,
    /// An image that exists, pinned to its digest.
    pub image: ImageRef,
    /// One that does not; none where every pinned image exists.
    pub missing: Option<ImageRef>,
    /// A pinned reference in another repository where `image` is not yet; none where nothing is ever copied.
    pub copy: Option<ImageRef>,
}

/// Every case.
pub async fn registry(registry: &dyn Registry, fixture: &RegistryFixture) {
    let (environment, image) = (&fixture.environment, &fixture.image);
    let digest = image.digest().expect("the fixture's image is pinned");
    assert_eq!(&registry.resolve(environment, image).await.expect("it exists"), digest);
    let facts = registry.look(environment, image).await.expect("it exists");
    assert_eq!(&facts.digest, digest, "its own digest, not that of a platform");
    assert!(facts.platforms.values().all(|platform| platform != digest), "a platform's is another one");
    let survey = registry.survey(environment, image, image).await.expect("it exists");
    assert_eq!((survey.bytes_missing, &survey.facts), (0, &facts), "it is where it shall be");
    if let Some(missing) = &fixture.missing {
        let refusals = [
            registry.resolve(environment, missing).await.map(drop),
            registry.look(environment, missing).await.map(drop),
            registry.survey(environment, missing, missing).await.map(drop),
            registry.ensure_tag(environment, missing, "kept-0123456").await,
        ];
        for refusal in refusals {
            let error = refusal.expect_err("it does not exist");
            assert_eq!(error.kind, PortErrorKind::Refused, "looking again does not help: {error}");
            assert!(!error.message.is_empty(), "it says what is missing");
        }
    }
    if let Some(copy) = &fixture.copy {
        copies(registry, environment, image, copy).await;
    }
}

async fn copies(registry: &dyn Registry, environment: &EnvironmentName, image: &ImageRef, copy: &ImageRef) {
    let digest = image.digest().expect("the fixture's image is pinned");
    let seen: Arc<Mutex<Vec<Moved>>> = Arc::default();
    let list = seen.clone();
    let watch: Watch = Arc::new(move |moved| list.lock().unwrap_or_else(PoisonError::into_inner).push(moved));
    let survey = registry.survey(environment, image, copy).await.expect("both can be reached");
    assert!(survey.bytes_missing > 0 && survey.bytes_missing <= survey.bytes_total, "{survey:?}");
    let again = registry.survey(environment, image, copy).await.expect("a second time is no error");
    assert_eq!(again, survey, "looking changes nothing");
    let copied = registry.ensure_copy(environment, image, copy, watch.clone()).await.expect("a copy");
    assert_eq!(copied.bytes_sent + copied.bytes_mounted, survey.bytes_missing, "as it was said before");
    let last = seen.lock().unwrap_or_else(PoisonError::into_inner).last().copied();
    assert_eq!(last.map(|moved| (moved.done, moved.total)), Some((survey.bytes_total, survey.bytes_total)));
    assert_eq!(&registry.resolve(environment, copy).await.expect("it is there"), digest, "byte for byte");
    let again = registry.ensure_copy(environment, image, copy, watch).await;
    assert_eq!(again.expect("a second time is no error"), Copied::default(), "and moves nothing");
    for _ in 0..2 {
        registry.ensure_tag(environment, copy, "kept-0123456").await.expect("a tag, and once more");
    }
    assert_eq!(&registry.resolve(environment, copy).await.expect("it is there"), digest);
}
