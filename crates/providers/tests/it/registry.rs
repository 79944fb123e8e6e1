//! Images by digest, and their copy into the registry of another organisation.

use promotion::model::EnvironmentName;
use promotion::ports::{PortErrorKind, Registry as _};
use providers::Registries;

use crate::support::{Cloud, OURS, THEIRS, within};

fn environment(name: &str) -> EnvironmentName {
    name.parse().unwrap()
}

fn registries(cloud: &Cloud) -> Registries {
    Registries::default()
        .with(environment("staging"), cloud.registry(OURS))
        .with(environment("production"), cloud.registry(THEIRS))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_becomes_a_digest() {
    within(async {
        let cloud = Cloud::start().await;
        let pinned = cloud.bundle("page", "v1").await;
        let registries = registries(&cloud);
        let staging = environment("staging");
        let tagged = format!("{}/page:v1", cloud.registry_host()).parse().unwrap();
        for image in [&tagged, &pinned] {
            assert_eq!(&registries.resolve(&staging, image).await.unwrap(), pinned.digest().unwrap());
        }
        let absent = format!("{}/page:v2", cloud.registry_host()).parse().unwrap();
        let refused = registries.resolve(&staging, &absent).await.unwrap_err();
        assert_eq!(refused.kind, PortErrorKind::Refused, "{refused:?}");
        assert!(refused.message.contains("page:v2"), "{refused}");
        // Another organisation's repository, by the credential of this one.
        let foreign = registries.resolve(&environment("production"), &pinned).await.unwrap_err();
        assert_eq!(foreign.kind, PortErrorKind::Refused, "{foreign:?}");
        assert!(!foreign.message.contains(THEIRS), "{foreign}");
        let unknown = registries.resolve(&environment("preview"), &pinned).await.unwrap_err();
        assert!(unknown.kind == PortErrorKind::Refused && unknown.message.contains("preview"), "{unknown:?}");
        cloud.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_keeps_the_digest_and_is_made_once() {
    within(async {
        let cloud = Cloud::start().await;
        let from = cloud.image("staging-web", "v1").await;
        let registries = registries(&cloud);
        let production = environment("production");
        let to = format!("{}/production-web", cloud.registry_host()).parse::<flytypes::ImageRef>().unwrap();
        let to = to.pinned(from.digest().unwrap().clone());
        let moved = registries.ensure_copy(&production, &from, &to).await.unwrap();
        assert!(moved > 100, "the blobs of another organisation went through us: {moved}");
        assert_eq!(&registries.resolve(&production, &to).await.unwrap(), from.digest().unwrap());
        assert_eq!(registries.ensure_copy(&production, &from, &to).await.unwrap(), 0, "it is there");
        cloud.end().await;

        let dead = registries.resolve(&production, &to).await.unwrap_err();
        assert_eq!(dead.kind, PortErrorKind::NotSent, "{dead:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_something_else_is_no_copy() {
    within(async {
        let cloud = Cloud::start().await;
        let (one, two) = (cloud.bundle("page", "one").await, cloud.bundle("page", "two").await);
        let registries = registries(&cloud);
        let production = environment("production");
        let to = format!("{}/production-page", cloud.registry_host()).parse::<flytypes::ImageRef>().unwrap();
        let other = to.pinned(two.digest().unwrap().clone());
        let wrong = registries.ensure_copy(&production, &one, &other).await.unwrap_err();
        assert_eq!(wrong.kind, PortErrorKind::Refused, "{wrong:?}");
        let nothing = one.pinned(format!("sha256:{}", "0".repeat(64)).parse().unwrap());
        let to = to.pinned(nothing.digest().unwrap().clone());
        let absent = registries.ensure_copy(&production, &nothing, &to).await.unwrap_err();
        assert_eq!(absent.kind, PortErrorKind::Refused, "{absent:?}");
        cloud.end().await;
    })
    .await;
}
