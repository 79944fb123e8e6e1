//! Images by digest, against a registry in memory.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use flyclient::{
    registry::{Auth, ErrorKind, Moved, Push, Registry, Watch},
    retry::RetryPolicy,
    transport::{Options, ReqwestService},
};
use flytypes::{Digest, ImageRef};
use serde_json::json;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use crate::{
    fake_registry::{FakeRegistry, digest_of},
    support::{TOKEN, bounded},
};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// base64 of `x:` and the token, as `printf 'x:…' | base64` gives it.
const BASIC: &str = "Basic eDpmbTJfaGlkZGVucGVybWlzc2lvbixmbTJfaGlkZGVuZGlzY2hhcmdl";

fn host(server: &MockServer) -> String {
    server.address().to_string()
}

fn registry(server: &MockServer) -> Registry {
    let service = Arc::new(ReqwestService::new(&Options::default()).unwrap());
    let policy = RetryPolicy {
        attempts_max: 3,
        delay_min: Duration::from_millis(1),
        delay_max: Duration::from_millis(20),
        ..RetryPolicy::new(1)
    };
    Registry::new(&host(server), Some(Auth::new(TOKEN.parse().unwrap())), service).unwrap().with_retry(policy)
}

fn image(server: &MockServer, rest: &str) -> ImageRef {
    format!("{}/{rest}", host(server)).parse().unwrap()
}

/// An image with one layer, with odd spacing in its manifest: only a copy byte for byte keeps its digest.
fn sample(os: &str, architecture: &str, layer: &[u8]) -> Push {
    let config = json!({"os": os, "architecture": architecture, "config": {"Labels": {"arch": architecture, "v": "label"}}})
        .to_string();
    let manifest = format!(
        "{{ \"schemaVersion\":2,\n\n\"mediaType\":\"{MANIFEST}\",\"annotations\":{{\"v\":\"annotation\",\"only\":\"annotation\"}},\
         \"config\":{{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"{}\",\"size\":{}}},\
         \"layers\":[{{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"{}\",\"size\":{}}}]}}",
        digest_of(config.as_bytes()),
        config.len(),
        digest_of(layer),
        layer.len(),
    );
    Push {
        repository: "staging".to_owned(),
        tag: Some("v1".to_owned()),
        media_type: MANIFEST.to_owned(),
        manifest: Bytes::from(manifest),
        blobs: vec![Bytes::from(config), Bytes::copy_from_slice(layer)],
    }
}

fn size(push: &Push) -> u64 {
    push.blobs.iter().map(|blob| blob.len() as u64).sum()
}

/// An index of two images and an attestation; returns its digest.
async fn push_index(registry: &Registry) -> Digest {
    let mut entries = Vec::new();
    for (os, architecture) in [("unknown", "unknown"), ("linux", "arm64"), ("linux", "amd64")] {
        let child = Push { tag: None, ..sample(os, architecture, architecture.as_bytes()) };
        let pushed = registry.push(&child).await.unwrap();
        entries.push(
            json!({"mediaType": MANIFEST, "digest": pushed.digest().unwrap(), "size": child.manifest.len(),
            "platform": {"os": os, "architecture": architecture}}),
        );
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string();
    let push = Push {
        repository: "staging".to_owned(),
        tag: Some("multi".to_owned()),
        media_type: INDEX.to_owned(),
        manifest: Bytes::from(index),
        blobs: Vec::new(),
    };
    registry.push(&push).await.unwrap().digest().unwrap().clone()
}

#[tokio::test]
async fn a_tag_resolves_to_the_digest_of_the_bytes() {
    bounded(async {
        let (fake, server) = FakeRegistry::start().await;
        let registry = registry(&server);
        let push = sample("linux", "amd64", b"layer");
        let pinned = registry.push(&push).await.unwrap();
        assert_eq!(pinned.digest(), Some(&digest_of(&push.manifest)));
        assert_eq!(registry.resolve(&image(&server, "staging:v1")).await.unwrap(), pinned);
        assert_eq!(registry.resolve(&pinned).await.unwrap(), pinned);
        assert!(registry.exists(&pinned).await.unwrap());
        assert!(!registry.exists(&image(&server, "staging:v2")).await.unwrap());
        // what is there is not sent again
        fake.with(|state| state.log.clear());
        registry.push(&push).await.unwrap();
        assert!(fake.with(|state| state.log.iter().all(|line| !line.starts_with("POST"))));
    })
    .await;
}

#[tokio::test]
async fn labels_and_platforms_are_those_of_the_image_that_runs() {
    bounded(async {
        let (_fake, server) = FakeRegistry::start().await;
        let registry = registry(&server);
        registry.push(&sample("linux", "arm64", b"layer")).await.unwrap();
        let labels = registry.labels(&image(&server, "staging:v1")).await.unwrap();
        let expected = [("arch", "arm64"), ("only", "annotation"), ("v", "label")];
        assert_eq!(labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), expected);
        push_index(&registry).await;
        let labels = registry.labels(&image(&server, "staging:multi")).await.unwrap();
        assert_eq!(labels["arch"], "amd64");
        let platforms = |tag: &'static str| {
            let (registry, image) = (registry.clone(), image(&server, tag));
            async move {
                let platforms = registry.platforms(&image).await.unwrap();
                platforms.iter().map(ToString::to_string).collect::<Vec<_>>()
            }
        };
        assert_eq!(platforms("staging:v1").await, ["linux/arm64"]);
        assert_eq!(platforms("staging:multi").await, ["linux/amd64", "linux/arm64"]);
    })
    .await;
}

#[tokio::test]
async fn a_copy_within_a_registry_mounts_and_keeps_the_digest() {
    bounded(async {
        let (fake, server) = FakeRegistry::start().await;
        let registry = registry(&server);
        let push = sample("linux", "amd64", b"layer");
        let pinned = registry.push(&push).await.unwrap();
        let report = registry.copy(&pinned, "production", &["v1", "stable"]).await.unwrap();
        assert_eq!(Some(&report.digest), pinned.digest());
        assert_eq!((report.bytes_mounted, report.bytes_copied, report.bytes_present), (size(&push), 0, 0));
        for reference in ["v1", "stable", report.digest.as_str()] {
            let key = ("production".to_owned(), reference.to_owned());
            let stored = fake.with(|state| state.manifests[&key].clone());
            assert_eq!(stored, (MANIFEST.to_owned(), push.manifest.to_vec()));
        }
        assert_eq!(registry.resolve(&image(&server, "production:stable")).await.unwrap(), report.image);
        let again = registry.copy(&pinned, "production", &[]).await.unwrap();
        assert_eq!((again.bytes_mounted, again.bytes_copied, again.bytes_present), (0, 0, size(&push)));
    })
    .await;
}

#[tokio::test]
async fn where_nothing_can_be_mounted_blobs_are_sent() {
    bounded(async {
        let (fake, server) = FakeRegistry::start().await;
        let registry = registry(&server);
        let push = sample("linux", "amd64", &vec![7; 300_000]);
        let pinned = registry.push(&push).await.unwrap();
        fake.with(|state| state.no_mount = true);
        let report = registry.copy(&pinned, "production", &["v1"]).await.unwrap();
        assert_eq!((report.bytes_mounted, report.bytes_copied), (0, size(&push)));
        assert_eq!(registry.labels(&report.image).await.unwrap()["v"], "label");
    })
    .await;
}

/// The other repository is not ours to read, and the registry says so instead of opening an upload.
#[tokio::test]
async fn where_a_mount_is_denied_blobs_are_sent() {
    bounded(async {
        for status in [401, 403] {
            let (fake, server) = FakeRegistry::start().await;
            let registry = registry(&server);
            let push = sample("linux", "amd64", b"layer");
            let pinned = registry.push(&push).await.unwrap();
            fake.with(|state| state.deny_mount = Some(status));
            let report = registry.copy(&pinned, "production", &[]).await.unwrap();
            assert_eq!((report.bytes_mounted, report.bytes_copied), (0, size(&push)), "{status}");
        }
    })
    .await;
}

/// OCI image specification, "Guidance for an Empty Descriptor": an artefact's configuration says nothing, and may not be there.
#[tokio::test]
async fn an_artefact_without_a_configuration_has_no_labels() {
    bounded(async {
        let (fake, server) = FakeRegistry::start().await;
        let registry = registry(&server);
        let push = sample("linux", "amd64", b"layer");
        let pinned = registry.push(&push).await.unwrap();
        let config = ("staging".to_owned(), digest_of(&push.blobs[0]).to_string());
        fake.with(|state| state.blobs.remove(&config));
        let contents = registry.contents(&pinned).await.unwrap();
        assert_eq!((Some(&contents.digest), contents.labels.len()), (pinned.digest(), 0));
        fake.with(|state| state.blobs.insert(config, b"{}".to_vec()));
        let error = registry.contents(&pinned).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Corrupt { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn an_index_goes_to_another_registry_with_all_its_images_and_keeps_its_digest() {
    bounded(async {
        let (_source_fake, source_server) = FakeRegistry::start().await;
        let (fake, server) = FakeRegistry::start().await;
        let (source, destination) = (registry(&source_server), registry(&server));
        let digest = push_index(&source).await;
        let from = image(&source_server, "staging:multi");
        let report = destination.copy_from(&source, &from, "production", &["multi"]).await.unwrap();
        assert_eq!(report.digest, digest);
        assert!(report.bytes_copied > 0 && report.bytes_mounted == 0);
        assert_eq!(destination.platforms(&image(&server, "production:multi")).await.unwrap().len(), 2);
        // children first, the tag last: at no time is there a name for something incomplete
        let puts: Vec<_> = fake.with(|state| {
            let manifests =
                state.log.iter().filter(|line| line.starts_with("PUT") && line.contains("/manifests/"));
            manifests.cloned().collect()
        });
        assert_eq!(puts.len(), 5);
        assert!(puts[3].ends_with(digest.as_str()) && puts[4].ends_with("/multi"), "{puts:?}");
        assert!(fake.with(|state| !state.log.iter().any(|line| line.contains("mount="))));
    })
    .await;
}

/// Before a copy it can be said what it will move: HEAD of each blob (OCI distribution spec, "Checking if content
/// exists"). Nothing is written for that.
#[tokio::test]
async fn a_survey_tells_what_a_copy_would_move_and_writes_nothing() {
    bounded(async {
        let (_source_fake, source_server) = FakeRegistry::start().await;
        let (fake, server) = FakeRegistry::start().await;
        let (source, destination) = (registry(&source_server), registry(&server));
        let push = sample("linux", "amd64", &[7; 5000]);
        let pinned = source.push(&push).await.unwrap();
        let survey = destination.survey(&source, &pinned, "production").await.unwrap();
        assert_eq!((survey.bytes_total, survey.bytes_missing), (size(&push), size(&push)));
        assert!(!survey.can_mount, "two registries");
        assert!(fake.with(|state| state.log.iter().all(|line| line.starts_with("HEAD"))));
        // One of two blobs is there, as after a copy that was cut off.
        let part =
            Push { repository: "production".to_owned(), tag: None, ..sample("linux", "amd64", b"other") };
        destination.push(&part).await.unwrap();
        let survey = destination.survey(&source, &pinned, "production").await.unwrap();
        assert_eq!((survey.bytes_total, survey.bytes_missing), (size(&push), 5000), "one configuration");
        let report = destination.copy_from(&source, &pinned, "production", &[]).await.unwrap();
        assert_eq!((report.bytes_copied, report.bytes_present), (5000, size(&push) - 5000));
        let survey = destination.survey(&source, &pinned, "production").await.unwrap();
        assert_eq!((survey.bytes_total, survey.bytes_missing), (size(&push), 0));
        let survey = source.survey(&source, &pinned, "elsewhere").await.unwrap();
        assert!(survey.can_mount && survey.bytes_missing == size(&push), "{survey:?}");
    })
    .await;
}

#[tokio::test]
async fn a_copy_says_how_far_it_is() {
    bounded(async {
        let (_source_fake, source_server) = FakeRegistry::start().await;
        let (fake, server) = FakeRegistry::start().await;
        let (source, destination) = (registry(&source_server), registry(&server));
        let push = sample("linux", "amd64", &vec![7; 1_000_000]);
        let pinned = source.push(&push).await.unwrap();
        // A try that fails is not counted.
        fake.with(|state| state.fail_next = vec![503, 503]);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let list = seen.clone();
        let watch: Watch = Arc::new(move |moved: Moved| list.lock().unwrap().push(moved));
        destination.copy_watched(&source, &pinned, "production", &[], Some(watch)).await.unwrap();
        let seen = seen.lock().unwrap();
        assert!(seen.len() > 2, "{}", seen.len());
        assert!(seen.iter().all(|moved| moved.total == size(&push) && moved.done <= moved.total));
        assert_eq!(seen.last().unwrap().done, size(&push));
    })
    .await;
}

/// A tag is written for those who clean up; nobody here asks what it names.
#[tokio::test]
async fn a_tag_is_written_byte_for_byte_and_not_read() {
    bounded(async {
        let (fake, server) = FakeRegistry::start().await;
        let registry = registry(&server);
        let push = sample("linux", "amd64", b"layer");
        let pinned = registry.push(&push).await.unwrap();
        fake.with(|state| state.log.clear());
        registry.tag(&pinned, "production-0123abc").await.unwrap();
        let key = ("staging".to_owned(), "production-0123abc".to_owned());
        assert_eq!(fake.with(|state| state.manifests[&key].1.clone()), push.manifest.to_vec());
        let log = fake.with(|state| state.log.clone());
        assert!(log.iter().all(|line| !line.contains("0123abc") || line.starts_with("PUT")), "{log:?}");
        let error = registry.tag(&image(&server, "staging:v1"), "production-x").await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Configuration, "only what is pinned is tagged");
        let error = registry.tag(&pinned, "not/a tag").await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Configuration);
    })
    .await;
}

#[tokio::test]
async fn an_image_tells_its_platforms_digests() {
    bounded(async {
        let (_fake, server) = FakeRegistry::start().await;
        let registry = registry(&server);
        let single = registry.push(&sample("linux", "amd64", b"layer")).await.unwrap();
        let contents = registry.contents(&single).await.unwrap();
        assert_eq!(Some(&contents.digest), single.digest());
        assert!(contents.platforms.is_empty(), "a manifest of one platform has no other digest");
        assert_eq!(contents.labels["arch"], "amd64");
        let index = push_index(&registry).await;
        let child =
            |architecture: &str| digest_of(&sample("linux", architecture, architecture.as_bytes()).manifest);
        let contents = registry.contents(&single.pinned(index.clone())).await.unwrap();
        assert_eq!(contents.digest, index);
        let expected = [("linux/amd64", child("amd64")), ("linux/arm64", child("arm64"))];
        let shown: Vec<_> =
            contents.platforms.into_iter().map(|(is, digest)| (is.to_string(), digest)).collect();
        assert_eq!(shown, expected.map(|(is, digest)| (is.to_owned(), digest)));
    })
    .await;
}

#[tokio::test]
async fn content_that_is_not_its_digest_is_never_passed_on() {
    bounded(async {
        let (source_fake, source_server) = FakeRegistry::start().await;
        let (fake, server) = FakeRegistry::start().await;
        let (source, destination) = (registry(&source_server), registry(&server));
        let pinned = source.push(&sample("linux", "amd64", b"layer")).await.unwrap();
        let layer = digest_of(b"layer");
        source_fake.with(|state| {
            state.blobs.insert(("staging".to_owned(), layer.to_string()), b"LAYER".to_vec());
        });
        let error = destination.copy_from(&source, &pinned, "production", &["v1"]).await.unwrap_err();
        assert_eq!(
            error.kind(),
            &ErrorKind::Corrupt { expected: layer.clone(), actual: digest_of(b"LAYER") }
        );
        assert!(error.subject().starts_with(source.host()), "{error}");
        assert!(fake.with(|state| state.manifests.is_empty()));
        assert!(fake.with(|state| !state.blobs.keys().any(|(_, digest)| digest == layer.as_str())));

        let error = source.blob("staging", &layer, 100).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Corrupt { .. }));
        let key = ("staging".to_owned(), pinned.digest().unwrap().to_string());
        source_fake.with(|state| state.manifests.get_mut(&key).unwrap().1.push(b'\n'));
        let error = source.resolve(&pinned).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Corrupt { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_missing_image_is_named_with_what_to_do() {
    bounded(async {
        let (_fake, server) = FakeRegistry::start().await;
        let registry = registry(&server);
        let error = registry.resolve(&image(&server, "runner:v9")).await.unwrap_err();
        assert!(error.is_not_found() && !error.is_transient());
        let text = error.to_string();
        assert!(text.contains(&format!("{}/runner:v9: not found; push it first", host(&server))), "{text}");
        assert!(text.contains("MANIFEST_UNKNOWN"), "{text}");
        let error = registry.resolve(&"registry.fly.io/a:1".parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Configuration);
        let error = registry.copy(&image(&server, "runner:v9"), "UPPER/../x", &[]).await.unwrap_err();
        assert!(error.is_not_found());
    })
    .await;
}

#[tokio::test]
async fn p9_the_token_is_sent_as_basic_and_is_in_no_error() {
    bounded(async {
        let (fake, server) = FakeRegistry::start().await;
        fake.with(|state| {
            state.authorization = Some(BASIC.to_owned());
            state.challenge = "Basic realm=\"fly\"".to_owned();
        });
        registry(&server).push(&sample("linux", "amd64", b"layer")).await.unwrap();
        fake.with(|state| state.authorization = Some("Basic other".to_owned()));
        let error = registry(&server).resolve(&image(&server, "staging:v1")).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Unauthenticated);

        let echo = MockServer::start().await;
        let body = format!("denied {TOKEN} {BASIC}");
        Mock::given(wiremock::matchers::any())
            .respond_with(ResponseTemplate::new(403).set_body_string(body))
            .mount(&echo)
            .await;
        let error = registry(&echo).resolve(&image(&echo, "staging:v1")).await.unwrap_err();
        let text = format!("{error} {error:?} {:?} {:?}", registry(&echo), Auth::new(TOKEN.parse().unwrap()));
        assert!(!text.contains("hidden") && !text.contains(&BASIC[6..]), "{text}");
    })
    .await;
}

#[tokio::test]
async fn a_short_lived_token_is_fetched_once_and_the_own_one_stays_at_home() {
    bounded(async {
        let (fake, server) = FakeRegistry::start().await;
        fake.with(|state| {
            state.authorization = Some("Bearer short-lived".to_owned());
            state.challenge = format!("Bearer realm=\"{}/token\",service=\"s\"", server.uri());
            state.grants = Some("short-lived".to_owned());
        });
        let pinned = registry(&server).push(&sample("linux", "amd64", b"layer")).await.unwrap();
        let registry = registry(&server);
        fake.with(|state| state.log.clear());
        registry.copy(&pinned, "production", &[]).await.unwrap();
        let asked = fake.with(|state| state.log.iter().filter(|line| line.contains("/token")).count());
        // one for reading the source, one for looking at the destination, one for mounting into it
        assert!(asked <= 4, "{asked}");

        // the same with a token service elsewhere: it is asked, as nobody
        let (other, elsewhere) = FakeRegistry::start().await;
        other.with(|state| state.grants = Some("short-lived".to_owned()));
        fake.with(|state| state.challenge = format!("Bearer realm=\"{}/token\"", elsewhere.uri()));
        crate::registry::registry(&server).resolve(&pinned).await.unwrap();
        let requests = elsewhere.received_requests().await.unwrap();
        assert_eq!(requests.len(), 1);
        assert!(!requests[0].headers.contains_key("authorization"));
    })
    .await;
}

#[tokio::test]
async fn blobs_in_a_bucket_are_fetched_without_the_token() {
    bounded(async {
        let (fake, server) = FakeRegistry::start().await;
        fake.with(|state| state.authorization = Some(BASIC.to_owned()));
        let registry = registry(&server);
        registry.push(&sample("linux", "amd64", b"layer")).await.unwrap();
        let bucket = MockServer::start().await;
        Mock::given(path(format!("/bucket/{}", digest_of(b"layer"))))
            .respond_with(ResponseTemplate::new(200).set_body_bytes(b"layer"))
            .mount(&bucket)
            .await;
        fake.with(|state| state.blobs_at = Some(bucket.uri()));
        let blob = registry.blob("staging", &digest_of(b"layer"), 100).await.unwrap();
        assert_eq!(blob, "layer");
        let requests = bucket.received_requests().await.unwrap();
        assert!(
            !requests.is_empty() && requests.iter().all(|seen| !seen.headers.contains_key("authorization"))
        );
    })
    .await;
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    bounded(async {
        let (fake, server) = FakeRegistry::start().await;
        let registry = registry(&server);
        let pinned = registry.push(&sample("linux", "amd64", b"layer")).await.unwrap();
        fake.with(|state| state.fail_next = vec![503, 429]);
        assert_eq!(registry.resolve(&image(&server, "staging:v1")).await.unwrap(), pinned);
        fake.with(|state| state.fail_next = vec![503; 3]);
        let error = registry.resolve(&pinned).await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (&ErrorKind::Unavailable, true));
        assert!(error.to_string().contains("3 attempts"), "{error}");
    })
    .await;
}

#[test]
fn only_loopback_goes_without_tls() {
    let shown = |host: &str| {
        let service = Arc::new(ReqwestService::new(&Options::default()).unwrap());
        Registry::new(host, None, service).map(|registry| format!("{registry:?}"))
    };
    assert!(shown("registry.fly.io").unwrap().contains("https://registry.fly.io"));
    for loopback in ["127.0.0.1:5000", "localhost:5000", "[::1]:5000", "127.9.8.7:1"] {
        assert!(shown(loopback).unwrap().contains(&format!("http://{loopback}")), "{loopback}");
    }
    assert!(shown("127.0.0.1.example.org:5000").unwrap().contains("https://"));
    for bad in ["", "a/b", "user@host", "a b", "http://x"] {
        assert!(shown(bad).is_err(), "{bad}");
    }
}
