//! Machines as units: what is written is seen again, and a call whose effect is there already succeeds.

use http::Method;
use promotion::model::{Millis, Nonce, UnitState, UnitVersion, label};
use promotion::ports::{Key, PortErrorKind};
use promotion::rollout::UnitCall;
use serde_json::json;

use crate::support::{Cloud, On, config, key, map, place, spec, until, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_created_is_observed() {
    within(async {
        let (cloud, image) = Cloud::with_web().await;
        let fly = cloud.fly();
        let on = On { deployer: &fly, place: place("fly", "web") };
        assert_eq!(on.fleet().await.units.len(), 0, "an app without machines is an empty fleet");

        let labels =
            [(label::SLOT, "app/fra/0"), (label::PROMOTION, "p-1"), (label::ENVIRONMENT, "production")];
        let unit = on.created("app/fra/0", &image, &labels, false).await;
        let wanted = spec(&image);
        assert_eq!((&unit.group, &unit.region), (&wanted.group, &wanted.region));
        assert_eq!((unit.digest.as_ref(), unit.image.as_ref()), (image.digest(), Some(&image)));
        assert_eq!(unit.config, wanted.config, "equal configurations compare equal after the round trip");
        assert_eq!(unit.labels, labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        assert!(unit.cordoned && unit.managed && unit.lease.is_none() && !unit.is_parked());
        let names = unit.checks.iter().map(|check| check.name.clone()).collect();
        assert_eq!(
            providers::fly::expected_checks(&config()),
            names,
            "checks report under the expected names"
        );
        let since = unit.version_since.unwrap();
        assert!(unit.checks.iter().all(|check| check.at.unwrap() >= since), "results newer than the version");
        let metadata = cloud.machine("web", &unit.id).await["config"]["metadata"].clone();
        for (key, value) in [
            ("fly_platform_version", "v2"),
            ("fly_process_group", "app"),
            ("understudy_key", "k"),
            ("team", "blue"),
        ] {
            assert_eq!(metadata[key], json!(value), "{key}");
        }

        // Closed: no edge sends it anything until it is uncordoned.
        let edges = cloud.edges("web").await;
        assert_eq!(cloud.page(&edges[0]).await, None);
        on.call(UnitCall::Uncordon { unit: unit.id.clone() }).await;
        for edge in &edges {
            let page = until(async || cloud.page(edge).await).await;
            assert!(page.contains(r#""version":"v1""#), "{page}");
        }
        cloud.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_replaces_image_and_labels_and_refuses_a_stale_version() {
    within(async {
        let cloud = Cloud::start().await;
        cloud.app("web").await;
        let (one, two) = (cloud.image("web", "v1").await, cloud.image("web", "v2").await);
        let fly = cloud.fly();
        let on = On { deployer: &fly, place: place("fly", "web") };
        let unit = on.created("app/fra/0", &one, &[("a", "1"), ("b", "2")], true).await;

        let mut changed = spec(&two);
        changed.config["env"]["LOG_LEVEL"] = json!("debug");
        // Also what is left out of the team's own metadata, or a way back could not be exact (P5).
        changed.config["metadata"] = json!({"tier": "gold"});
        let update = UnitCall::Update {
            unit: unit.id.clone(),
            expect: unit.version.clone(),
            spec: changed.clone(),
            labels: map(&[("a", None), ("c", Some("3".to_owned()))]),
            start: true,
        };
        let performed = on.call(update.clone()).await;
        let version = performed.version.expect("an update names the version it makes");
        assert_ne!(version, unit.version);
        let after = on.until(&unit.id, |u| u.version == version && u.state == UnitState::Started).await;
        assert_eq!((after.digest.as_ref(), &after.config), (two.digest(), &changed.config));
        assert_eq!(after.labels, map(&[("b", "2".to_owned()), ("c", "3".to_owned())]));
        assert!(after.version_since.unwrap() >= unit.version_since.unwrap());

        let stale = on.try_call(update, &key("k2")).await.unwrap_err();
        assert_eq!(stale.kind, PortErrorKind::Refused, "{stale:?}");
        assert_eq!(on.unit(&unit.id).await.unwrap().version, version, "the refused update changed nothing");

        on.call(UnitCall::Stop { unit: unit.id.clone() }).await;
        let rest = on.until(&unit.id, |u| u.state == UnitState::Stopped).await;
        let back = UnitCall::Update {
            unit: rest.id.clone(),
            expect: rest.version.clone(),
            spec: spec(&one),
            labels: map(&[]),
            start: false,
        };
        let version = on.call(back).await.version.unwrap();
        let rests = on.until(&unit.id, |u| u.version == version && u.state != UnitState::Starting).await;
        assert_eq!((rests.state, rests.digest.as_ref()), (UnitState::Stopped, one.digest()));
        cloud.end().await;
    })
    .await;
}

/// One list serves a whole fleet: a call after a look reads nothing again, and what it keeps is what that look saw.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_after_a_look_does_not_look_again() {
    within(async {
        let cloud = Cloud::start().await;
        cloud.app("web").await;
        let (one, two) = (cloud.image("web", "v1").await, cloud.image("web", "v2").await);
        let fly = cloud.fly();
        let on = On { deployer: &fly, place: place("fly", "web") };
        let unit = on.created("app/fra/0", &one, &[], true).await;
        let gets = || cloud.audit("web").iter().filter(|line| line["action"] == "machine-get").count();

        // flyctl's own metadata, written by somebody else without a new version (fly.md 1.3).
        let path = format!("/v1/apps/web/machines/{}/metadata/fly_release_version", unit.id);
        let (status, _) = cloud.raw(Method::POST, &path, Some(json!({"value": "7"}))).await;
        assert_eq!(status, 204);
        on.fleet().await;
        let before = gets();
        let update = |expect: &UnitVersion, image| UnitCall::Update {
            unit: unit.id.clone(),
            expect: expect.clone(),
            spec: spec(image),
            labels: map(&[("c", Some("3".to_owned()))]),
            start: true,
        };
        let version = on.call(update(&unit.version, &two)).await.version.unwrap();
        assert_eq!(gets(), before, "the look before it is enough");
        let after = on.until(&unit.id, |u| u.version == version && u.state == UnitState::Started).await;
        assert_eq!(after.label("c"), Some("3"));
        let metadata = cloud.machine("web", &unit.id).await["config"]["metadata"].clone();
        assert_eq!(metadata["fly_release_version"], json!("7"), "it stays as it was seen");

        let before = gets();
        on.call(UnitCall::Tag { unit: unit.id.clone(), labels: map(&[("d", Some("4".to_owned()))]) }).await;
        assert_eq!(gets(), before);
        // Nobody looked since: what the call before left behind is read.
        on.call(UnitCall::Tag { unit: unit.id.clone(), labels: map(&[("d", None)]) }).await;
        assert_eq!(gets(), before + 1);
        cloud.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_whose_effect_is_there_succeed() {
    within(async {
        let (cloud, image) = Cloud::with_web().await;
        let fly = cloud.fly();
        let on = On { deployer: &fly, place: place("fly", "web") };
        let id = on.created("app/fra/0", &image, &[], true).await.id;
        let unit = || id.clone();
        for cordoned in [true, true, false, false] {
            on.call(if cordoned {
                UnitCall::Cordon { unit: unit() }
            } else {
                UnitCall::Uncordon { unit: unit() }
            })
            .await;
            assert_eq!(on.unit(&id).await.unwrap().cordoned, cordoned);
        }
        on.call(UnitCall::Start { unit: unit() }).await;
        for _ in 0..2 {
            on.call(UnitCall::Stop { unit: unit() }).await;
            on.until(&id, |u| u.state == UnitState::Stopped).await;
        }
        for _ in 0..2 {
            on.call(UnitCall::Start { unit: unit() }).await;
            on.until(&id, |u| u.state == UnitState::Started).await;
        }
        on.call(UnitCall::Unlease { unit: unit() }).await;
        for _ in 0..2 {
            on.call(UnitCall::Destroy { unit: unit() }).await;
            until(async || on.unit(&id).await.is_none().then_some(())).await;
        }
        let nobody = UnitCall::Cordon { unit: "00000000000000".parse().unwrap() };
        let absent = on.try_call(nobody, &key("k")).await.unwrap_err();
        assert_eq!(absent.kind, PortErrorKind::Refused, "{absent:?}");
        cloud.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_machine_is_none_of_flyctls_business() {
    within(async {
        let (cloud, image) = Cloud::with_web().await;
        let fly = cloud.fly();
        let on = On { deployer: &fly, place: place("fly", "web") };
        let unit = on.created("app/fra/0", &image, &[("release", "abc")], true).await;
        let tag = |until: Option<&str>| UnitCall::Tag {
            unit: unit.id.clone(),
            labels: map(&[
                (label::PARKED_UNTIL, until.map(str::to_owned)),
                (label::PARKED_BY, until.map(|_| "p-2".to_owned())),
            ]),
        };
        for _ in 0..2 {
            on.call(tag(Some("2026-11-21T10:00:00Z"))).await;
            let parked = on.unit(&unit.id).await.unwrap();
            assert!(parked.is_parked() && parked.managed, "it stays ours to bring back");
            assert_eq!((parked.label("release"), parked.label(label::PARKED_BY)), (Some("abc"), Some("p-2")));
            assert_eq!(
                (&parked.version, &parked.config),
                (&unit.version, &unit.config),
                "labels are no new version"
            );
            let metadata = cloud.machine("web", &unit.id).await["config"]["metadata"].clone();
            assert_eq!(metadata.get("fly_platform_version"), None, "fly deploy goes by this key");
        }
        for _ in 0..2 {
            on.call(tag(None)).await;
            let back = on.unit(&unit.id).await.unwrap();
            assert_eq!((&back.labels, back.is_parked(), back.managed), (&unit.labels, false, true));
            let metadata = cloud.machine("web", &unit.id).await["config"]["metadata"].clone();
            assert_eq!(metadata["fly_platform_version"], json!("v2"));
            assert!(metadata.as_object().unwrap().keys().all(|key| !key.contains("was_")), "{metadata}");
        }
        cloud.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_fences_everybody_else() {
    within(async {
        let (cloud, image) = Cloud::with_web().await;
        let fly = cloud.fly();
        let on = On { deployer: &fly, place: place("fly", "web") };
        let id = on.created("app/fra/0", &image, &[], true).await.id;
        let lease = |words: &str| UnitCall::Lease {
            unit: id.clone(),
            ttl: Millis::secs(60),
            description: words.to_owned(),
        };
        let nonce =
            on.call(lease("understudy production p-1 s-1")).await.nonce.expect("a lease gives its nonce");
        let held = on.unit(&id).await.unwrap().lease.expect("the fleet shows who holds it");
        assert_eq!(held.description, "understudy production p-1 s-1");
        let left_ms = held.expires_at.0 - on.unit(&id).await.unwrap().version_since.unwrap().0;
        assert!((30_000..300_000).contains(&left_ms), "milliseconds since 1970: {left_ms}");

        let ours = Key { id: "k".to_owned(), nonce: Some(nonce.clone()) };
        let stranger = Key { id: "k".to_owned(), nonce: Some(Nonce::new("0123456789ab").unwrap()) };
        for other in [&key("k"), &stranger] {
            let fenced = on.try_call(UnitCall::Cordon { unit: id.clone() }, other).await.unwrap_err();
            assert_eq!(fenced.kind, PortErrorKind::Fenced, "{fenced:?}");
            assert!(!fenced.message.contains(nonce.as_str()), "{fenced:?}");
        }
        assert!(!on.unit(&id).await.unwrap().cordoned);
        on.try_call(UnitCall::Cordon { unit: id.clone() }, &ours).await.unwrap();
        on.try_call(lease("understudy production p-1 s-1"), &ours).await.expect("ours is refreshed");

        let foreign = on.try_call(lease("understudy production p-2 s-2"), &key("k")).await.unwrap_err();
        assert_eq!(foreign.kind, PortErrorKind::Fenced, "{foreign:?}");
        // A successor of the same promotion has lost the nonce with the dead runner: it must wait, not give up.
        let successor = on.try_call(lease("understudy production p-1 s-1"), &key("k")).await.unwrap_err();
        assert_eq!(successor.kind, PortErrorKind::Held, "{successor:?}");

        on.try_call(UnitCall::Unlease { unit: id.clone() }, &ours).await.unwrap();
        on.try_call(UnitCall::Unlease { unit: id.clone() }, &ours).await.expect("given back already");
        assert_eq!(on.unit(&id).await.unwrap().lease, None);
        on.call(UnitCall::Uncordon { unit: id }).await;
        cloud.end().await;
    })
    .await;
}
