//! Images by digest, and their copy into the registry of another organisation.

use std::sync::Arc;

use flytypes::ImageRef;
use http::Method;
use localcloud::{Orgs, Right, Scope};
use promotion::model::EnvironmentName;
use promotion::ports::{Copied, Moved, PortErrorKind, Registry as _, Watch};
use providers::Registries;
use serde_json::json;
use tokio::process::Command;

use crate::support::{Cloud, OURS, On, THEIRS, config, place, spec, until, within};

/// Rights that do not deploy.
const PULL_OURS: &str = "tok-pull-ours-1234";
const PULL_THEIRS: &str = "tok-pull-theirs-5678";
const PUSH_THEIRS: &str = "tok-push-theirs-5678";

fn nobody() -> Watch {
    Arc::new(|_| ())
}

async fn scoped() -> Cloud {
    Cloud::start_with(|options| {
        options.orgs = Orgs::one(OURS, "ours")
            .with(THEIRS, "theirs")
            .with_scoped(PULL_OURS, "ours", Scope::new(Right::Pull))
            .with_scoped(PULL_THEIRS, "theirs", Scope::new(Right::Pull))
            .with_scoped(PUSH_THEIRS, "theirs", Scope::new(Right::Push));
    })
    .await
}

/// Staging reads, production reads and writes, and none of the three deploys.
fn rights(cloud: &Cloud) -> Registries {
    Registries::default()
        .with_rights(environment("staging"), cloud.registry(PULL_OURS), cloud.registry(PULL_OURS))
        .with_rights(environment("production"), cloud.registry(PULL_THEIRS), cloud.registry(PUSH_THEIRS))
}

fn in_repository(cloud: &Cloud, repository: &str, image: &ImageRef) -> ImageRef {
    ImageRef::by_digest(cloud.registry_host(), repository, image.digest().unwrap().clone()).unwrap()
}

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
        let moved = registries.ensure_copy(&production, &from, &to, nobody()).await.unwrap().bytes_sent;
        assert!(moved > 100, "the blobs of another organisation went through us: {moved}");
        assert_eq!(&registries.resolve(&production, &to).await.unwrap(), from.digest().unwrap());
        let again = registries.ensure_copy(&production, &from, &to, nobody()).await.unwrap();
        assert_eq!(again, Copied::default(), "it is there");
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
        let wrong = registries.ensure_copy(&production, &one, &other, nobody()).await.unwrap_err();
        assert_eq!(wrong.kind, PortErrorKind::Refused, "{wrong:?}");
        let nothing = one.pinned(format!("sha256:{}", "0".repeat(64)).parse().unwrap());
        let to = to.pinned(nothing.digest().unwrap().clone());
        let absent = registries.ensure_copy(&production, &nothing, &to, nobody()).await.unwrap_err();
        assert!(
            absent.message.contains("not found"),
            "staging would have it, and production may not look: {absent}"
        );
        assert_eq!(absent.kind, PortErrorKind::Refused, "{absent:?}");
        cloud.end().await;
    })
    .await;
}

/// fly.md 5: authorization is per organization, so production's token cannot read staging's image, and it takes a copy with
/// a right to read there and a right to write here. None of them may touch a machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_needs_a_right_to_read_and_one_to_write_and_none_to_deploy() {
    within(async {
        let cloud = scoped().await;
        let from = cloud.image("staging-web", "v1").await;
        let to = in_repository(&cloud, "production-web", &from);
        let production = environment("production");
        // With what deploys in production alone there is no way to staging's image.
        let alone = Registries::default().with(production.clone(), cloud.registry(THEIRS));
        let refused = alone.ensure_copy(&production, &from, &to, nobody()).await.unwrap_err();
        assert_eq!(refused.kind, PortErrorKind::Refused, "{refused:?}");
        assert!(refused.message.contains("another organi"), "{refused}");

        let registries = rights(&cloud);
        let survey = registries.survey(&production, &from, &to).await.unwrap();
        assert!(
            survey.bytes_missing > 0 && !survey.can_mount,
            "their token does not read our blobs: {survey:?}"
        );
        let copied = registries.ensure_copy(&production, &from, &to, nobody()).await.unwrap();
        assert_eq!((copied.bytes_sent, copied.bytes_mounted), (survey.bytes_missing, 0));
        assert_eq!(registries.look(&production, &to).await.unwrap(), survey.facts);
        registries.ensure_tag(&production, &to, "production-0123abc").await.unwrap();
        for token in [PULL_OURS, PULL_THEIRS, PUSH_THEIRS] {
            let apps = cloud.client(token).apps();
            let org = if token == PULL_OURS { "ours" } else { "theirs" };
            let error = apps.list(org).await.unwrap_err();
            assert!(error.to_string().contains("403"), "{error}");
        }
        // What only reads does not write: the other way round it is refused, and nothing is there.
        let back = in_repository(&cloud, "staging-copy", &from);
        let refused =
            registries.ensure_copy(&environment("staging"), &to, &back, nobody()).await.unwrap_err();
        assert_eq!(refused.kind, PortErrorKind::Refused, "{refused:?}");
        let tokens = [PULL_OURS, PULL_THEIRS, PUSH_THEIRS];
        assert!(tokens.iter().all(|token| !refused.message.contains(token)), "{refused}");
        cloud.end().await;
    })
    .await;
}

/// Within one organisation the registry links blobs by itself: POST …?mount=…&from=… → 201 (fly.md 5).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn within_one_organisation_nothing_is_sent() {
    within(async {
        let cloud = Cloud::start().await;
        let from = cloud.image("staging-web", "v1").await;
        let to = in_repository(&cloud, "production-web", &from);
        let production = environment("production");
        let registries = Registries::default().with(production.clone(), cloud.registry(OURS));
        let survey = registries.survey(&production, &from, &to).await.unwrap();
        assert!(survey.can_mount && survey.bytes_missing == survey.bytes_total, "{survey:?}");
        let copied = registries.ensure_copy(&production, &from, &to, nobody()).await.unwrap();
        assert_eq!((copied.bytes_sent, copied.bytes_mounted), (0, survey.bytes_missing));
        cloud.end().await;
    })
    .await;
}

/// A runner that dies in the middle of a copy leaves blobs, and the next one sends the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_arrived_before_a_crash_is_not_sent_again() {
    within(async {
        let cloud = scoped().await;
        let from = cloud.index("staging-web", "v1").await.0;
        let to = in_repository(&cloud, "production-web", &from);
        let production = environment("production");
        let registries = rights(&cloud);
        let before = registries.survey(&production, &from, &to).await.unwrap();
        // The last byte is on its way: of six blobs at most four are not finished, and the manifests come after all of them.
        let sent = Arc::new(tokio::sync::Notify::new());
        let tell = sent.clone();
        let watch: Watch = Arc::new(move |it: Moved| {
            if it.done >= it.total {
                tell.notify_one();
            }
        });
        {
            let dies = registries.ensure_copy(&production, &from, &to, watch);
            tokio::select! {
                biased;
                () = sent.notified() => {}
                done = dies => drop(done.unwrap()),
            }
        }
        // What is on its way when the connection ends may still land.
        let rest = until(async || {
            let one = registries.survey(&production, &from, &to).await.unwrap().bytes_missing;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            let two = registries.survey(&production, &from, &to).await.unwrap().bytes_missing;
            (one == two).then_some(one)
        })
        .await;
        assert!(rest < before.bytes_missing, "{rest} of {}", before.bytes_missing);
        let copied = registries.ensure_copy(&production, &from, &to, nobody()).await.unwrap();
        assert_eq!(copied.bytes_sent, rest, "and not a byte more");
        assert_eq!(&registries.resolve(&production, &to).await.unwrap(), from.digest().unwrap());
        cloud.end().await;
    })
    .await;
}

/// Retention takes what no tag names; the tags of a promotion are what it leaves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_tagged_survives_a_prune() {
    within(async {
        let cloud = Cloud::start().await;
        let production = environment("production");
        let registries = Registries::default().with(production.clone(), cloud.registry(OURS));
        let (kept, taken) =
            (cloud.index("staging-web", "v1").await.0, cloud.image("staging-web", "v2").await);
        let (kept, taken) = {
            let mut copies = Vec::new();
            for from in [&kept, &taken] {
                let to = in_repository(&cloud, "production-web", from);
                registries.ensure_copy(&production, from, &to, nobody()).await.unwrap();
                copies.push(to);
            }
            (copies.remove(0), copies.remove(0))
        };
        registries.ensure_tag(&production, &kept, "production-0123abc").await.unwrap();
        let (status, said) = cloud.raw(Method::POST, "/localcloud/v1/registry/prune", None).await;
        assert_eq!((status, &said), (200, &json!({"pruned": [taken.to_string()]})));
        registries.resolve(&production, &kept).await.unwrap();
        let gone = registries.resolve(&production, &taken).await.unwrap_err();
        assert_eq!(gone.kind, PortErrorKind::Refused, "{gone:?}");
        cloud.end().await;
    })
    .await;
}

/// A machine on an image that is not what it was configured with is told as it is, also where platforms' digests are
/// reported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_part_of_the_configured_index_counts_as_it() {
    within(async {
        for platform_digest in [false, true] {
            let cloud = Cloud::start_with(|options| options.quirks.platform_digest = platform_digest).await;
            cloud.app("web").await;
            let (index, part) = cloud.index("web", "v1").await;
            let (plain, images) = (cloud.fly(), cloud.fly().with_images(cloud.registry(OURS)));
            let unit = On { deployer: &images, place: place("fly", "web") }
                .created("app/fra/0", &index, &[], true)
                .await;
            assert_eq!(unit.digest.as_ref(), index.digest());
            assert_eq!(unit.image.as_ref(), Some(&index));
            // Without a registry to ask it is as the machine says.
            let told = On { deployer: &plain, place: place("fly", "web") }.unit(&unit.id).await.unwrap();
            let expected = if platform_digest { Some(&part) } else { index.digest() };
            assert_eq!(told.digest.as_ref(), expected);
            // Configured with a tag, nobody says which index was meant.
            let mut tagged = serde_json::to_value(config()).unwrap();
            tagged["image"] = json!(format!("{}/web:v1-index", cloud.registry_host()));
            let body = json!({"config": tagged, "region": "fra"});
            let (status, made) = cloud.raw(Method::POST, "/v1/apps/web/machines", Some(body)).await;
            assert_eq!(status, 200, "{made}");
            let id = made["id"].as_str().unwrap().parse().unwrap();
            let told = On { deployer: &images, place: place("fly", "web") }.unit(&id).await.unwrap();
            assert_eq!(told.digest.as_ref(), expected, "{:?}", spec(&index));
            cloud.end().await;
        }
    })
    .await;
}

/// An image comes in with skopeo, goes to the other organisation with our copy, and skopeo agrees on the digest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn skopeo_agrees_on_the_digest_of_a_copy_across_organisations() {
    within(async {
        let cloud = scoped().await;
        let skopeo = async |args: &[&str]| {
            let output = Command::new("skopeo").args(args).output().await;
            output.map(|it| {
                assert!(it.status.success(), "skopeo {args:?}: {}", String::from_utf8_lossy(&it.stderr));
                String::from_utf8_lossy(&it.stdout).trim().to_owned()
            })
        };
        if skopeo(&["--version"]).await.is_err() {
            println!("not run: skopeo is not installed");
            cloud.end().await;
            return;
        }
        let host = cloud.registry_host();
        let dir = tempfile::tempdir().unwrap();
        let layout = format!("oci:{}:v1", dir.path().join("layout").display());
        // An image index, out of the stand-in into a directory: from here on it is skopeo's own.
        let index = cloud.index("seed", "v1").await.0;
        let seed = format!("docker://{host}/seed@{}", index.digest().unwrap());
        let copy = ["--insecure-policy", "copy", "--all", "--preserve-digests"];
        let ours = format!("x:{OURS}");
        skopeo(&[&copy[..], &["--src-tls-verify=false", "--src-creds", &ours, &seed, &layout]].concat())
            .await
            .unwrap();
        // In with skopeo, into the organisation where it is tested.
        let staged = format!("docker://{host}/staging-web:v1");
        skopeo(&[&copy[..], &["--dest-tls-verify=false", "--dest-creds", &ours, &layout, &staged]].concat())
            .await
            .unwrap();
        let digest_of = async |creds: &str, image: &str| {
            let creds = format!("x:{creds}");
            let raw = ["inspect", "--tls-verify=false", "--creds", &creds, "--format", "{{.Digest}}", image];
            skopeo(&raw).await.unwrap()
        };
        let staged_digest = digest_of(PULL_OURS, &staged).await;
        assert_eq!(staged_digest, index.digest().unwrap().as_str(), "skopeo kept it");

        // Across with ours, and by digest.
        let (production, registries) = (environment("production"), rights(&cloud));
        let from = in_repository(&cloud, "staging-web", &index);
        let to = in_repository(&cloud, "production-web", &index);
        registries.ensure_copy(&production, &from, &to, nobody()).await.unwrap();
        registries.ensure_tag(&production, &to, "production-0123abc").await.unwrap();
        for reference in [format!("@{}", index.digest().unwrap()), ":production-0123abc".to_owned()] {
            let image = format!("docker://{host}/production-web{reference}");
            assert_eq!(digest_of(PULL_THEIRS, &image).await, staged_digest, "{image}");
        }
        // And all of it is there: skopeo takes the whole index out again.
        let out = format!("oci:{}:v1", dir.path().join("out").display());
        let theirs = format!("x:{PULL_THEIRS}");
        let image = format!("docker://{host}/production-web:production-0123abc");
        skopeo(&[&copy[..], &["--src-tls-verify=false", "--src-creds", &theirs, &image, &out]].concat())
            .await
            .unwrap();
        cloud.end().await;
    })
    .await;
}
