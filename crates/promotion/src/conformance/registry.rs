//! Images by digest.

use flytypes::ImageRef;

use crate::model::EnvironmentName;
use crate::ports::{PortErrorKind, Registry};

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
    if let Some(missing) = &fixture.missing {
        let error = registry.resolve(environment, missing).await.expect_err("it does not exist");
        assert_eq!(error.kind, PortErrorKind::Refused, "looking again does not help: {error}");
        assert!(!error.message.is_empty(), "it says what is missing");
    }
    if let Some(copy) = &fixture.copy {
        registry.ensure_copy(environment, image, copy).await.expect("a copy");
        assert_eq!(&registry.resolve(environment, copy).await.expect("it is there"), digest, "byte for byte");
        registry.ensure_copy(environment, image, copy).await.expect("a second time is no error");
    }
}
