//! A static site as the one unit of its place.

use promotion::model::{UnitState, UnitVersion};
use promotion::ports::{Deployer, PortErrorKind};
use promotion::rollout::UnitCall;
use providers::site::SiteDeployer;
use serde_json::json;

use crate::support::{Cloud, OURS, On, THEIRS, key, map, place, spec, until, within};

fn bundle_spec(image: &flytypes::ImageRef, api: &str) -> promotion::model::UnitSpec {
    promotion::model::UnitSpec {
        group: "site".parse().unwrap(),
        region: "everywhere".parse().unwrap(),
        config: json!({"api": api}).into(),
        ..spec(image)
    }
}

fn create(image: &flytypes::ImageRef, labels: &[(&str, &str)]) -> UnitCall {
    UnitCall::Create {
        slot: "site/everywhere/0".parse().unwrap(),
        spec: bundle_spec(image, "https://api.example"),
        labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        open: true,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_is_published_replaced_and_put_back() {
    within(async {
        let cloud = Cloud::start().await;
        let (one, two) = (cloud.bundle("page", "one").await, cloud.bundle("page", "two").await);
        let sites = cloud.sites();
        let on = On { deployer: &sites, place: place("static", "page") };
        assert_eq!(on.fleet().await.units.len(), 0, "a site that was never published is an empty fleet");

        let made = on.call(create(&one, &[("release", "r1"), ("slot", "site/everywhere/0")])).await;
        let unit = on.unit(&made.unit.unwrap()).await.unwrap();
        assert_eq!(Some(&unit.version), made.version.as_ref());
        assert_eq!((unit.digest.as_ref(), unit.image.as_ref()), (one.digest(), Some(&one)));
        assert_eq!((unit.state, unit.cordoned, unit.managed), (UnitState::Started, false, true));
        assert_eq!(unit.config, json!({"api": "https://api.example"}));
        assert_eq!(unit.label("release"), Some("r1"));
        let edges = cloud.edges("page").await;
        for edge in &edges {
            until(async || cloud.page(edge).await.filter(|page| page == "one")).await;
        }

        let update = UnitCall::Update {
            unit: unit.id.clone(),
            expect: unit.version.clone(),
            spec: bundle_spec(&two, "https://api.example/v2"),
            labels: map(&[("release", Some("r2".to_owned())), ("slot", None)]),
            start: true,
        };
        let version = on.call(update.clone()).await.version.unwrap();
        let after = on.unit(&unit.id).await.unwrap();
        assert_eq!((&after.version, after.digest.as_ref()), (&version, two.digest()));
        assert_eq!(after.config, json!({"api": "https://api.example/v2"}));
        assert_eq!(after.labels, map(&[("release", "r2".to_owned())]));
        for edge in &edges {
            until(async || cloud.page(edge).await.filter(|page| page == "two")).await;
        }
        let stale = on.try_call(update, &key("k")).await.unwrap_err();
        assert_eq!(stale.kind, PortErrorKind::Refused, "{stale:?}");
        assert_eq!(on.unit(&unit.id).await.unwrap().version, version);

        let back = UnitCall::Update {
            unit: unit.id.clone(),
            expect: version,
            spec: bundle_spec(&one, "https://api.example"),
            labels: map(&[("release", Some("r1".to_owned()))]),
            start: true,
        };
        on.call(back).await;
        let restored = on.unit(&unit.id).await.unwrap();
        assert_eq!((&restored.config, &restored.digest), (&unit.config, &unit.digest));
        for edge in &edges {
            until(async || cloud.page(edge).await.filter(|page| page == "one")).await;
        }
        cloud.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_and_marks_are_written_without_a_new_version() {
    within(async {
        let cloud = Cloud::start().await;
        let one = cloud.bundle("page", "one").await;
        let sites = cloud.sites();
        let on = On { deployer: &sites, place: place("static", "page") };
        let id = on.call(create(&one, &[("a", "1")])).await.unit.unwrap();
        let unit = || id.clone();
        let version = on.unit(&id).await.unwrap().version;
        for _ in 0..2 {
            on.call(UnitCall::Tag { unit: unit(), labels: map(&[("a", None), ("b", Some("2".to_owned()))]) })
                .await;
            assert_eq!(on.unit(&id).await.unwrap().labels, map(&[("b", "2".to_owned())]));
        }
        for on_off in [true, true, false, false] {
            on.call(if on_off {
                UnitCall::Cordon { unit: unit() }
            } else {
                UnitCall::Uncordon { unit: unit() }
            })
            .await;
            assert_eq!(on.unit(&id).await.unwrap().cordoned, on_off);
            on.call(if on_off { UnitCall::Stop { unit: unit() } } else { UnitCall::Start { unit: unit() } })
                .await;
            let state = if on_off { UnitState::Stopped } else { UnitState::Started };
            assert_eq!(on.unit(&id).await.unwrap().state, state);
        }
        let after = on.unit(&id).await.unwrap();
        assert_eq!(
            (&after.version, after.labels),
            (&version, map(&[("b", "2".to_owned())])),
            "marks are no labels"
        );
        for _ in 0..2 {
            on.call(UnitCall::Destroy { unit: unit() }).await;
            assert_eq!(on.fleet().await.units.len(), 0);
        }
        let gone = on.try_call(UnitCall::Cordon { unit: unit() }, &key("k")).await.unwrap_err();
        assert_eq!(gone.kind, PortErrorKind::Refused, "{gone:?}");
        cloud.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_create_never_overwrites_what_is_there() {
    within(async {
        let cloud = Cloud::start().await;
        let (one, two) = (cloud.bundle("page", "one").await, cloud.bundle("page", "two").await);
        let sites = cloud.sites();
        let on = On { deployer: &sites, place: place("static", "page") };
        let first = on.call(create(&one, &[("release", "r1")])).await;
        let late = on.try_call(create(&two, &[("release", "r2")]), &key("k2")).await.unwrap_err();
        assert_eq!(late.kind, PortErrorKind::Refused, "{late:?}");
        let unit = on.unit(&first.unit.unwrap()).await.unwrap();
        assert_eq!((Some(unit.version), unit.digest.as_ref()), (first.version, one.digest()));
        cloud.end().await;
    })
    .await;
}

/// A call is about a unit of its place (the port's own words), also where units have names that one could guess.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_on_one_place_never_reaches_another() {
    within(async {
        let cloud = Cloud::start().await;
        let one = cloud.bundle("page", "one").await;
        let sites = cloud.sites();
        let on = On { deployer: &sites, place: place("static", "page") };
        let there = On { deployer: &sites, place: place("static", "other") };
        on.call(create(&one, &[])).await;
        let other = there.call(create(&one, &[])).await.unit.unwrap();
        let before = there.fleet().await;
        for call in [
            UnitCall::Cordon { unit: other.clone() },
            UnitCall::Stop { unit: other.clone() },
            UnitCall::Tag { unit: other.clone(), labels: map(&[("a", Some("1".to_owned()))]) },
            UnitCall::Update {
                unit: other.clone(),
                expect: before.units[0].version.clone(),
                spec: bundle_spec(&one, "x"),
                labels: map(&[]),
                start: true,
            },
        ] {
            let refused = on.try_call(call.clone(), &key("k")).await.expect_err(&call.title());
            assert_eq!(refused.kind, PortErrorKind::Refused, "{}: {refused}", call.title());
        }
        // Not there, hence gone.
        on.call(UnitCall::Destroy { unit: other }).await;
        assert_eq!(there.fleet().await, before);
        cloud.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_is_sorted_and_shows_no_token() {
    within(async {
        let cloud = Cloud::start().await;
        let one = cloud.bundle("page", "one").await;
        let sites = cloud.sites();
        for (name, fault) in [
            ("page-408", json!({"name": "answer-408-after-success", "action": "site-put", "count": 1})),
            (
                "page-cut",
                json!({"name": "cut-connection", "action": "site-put", "applied": true, "count": 1}),
            ),
        ] {
            let on = On { deployer: &sites, place: place("static", name) };
            cloud.fault(fault).await;
            let lost = on.try_call(create(&one, &[]), &key("k")).await.unwrap_err();
            assert_eq!(lost.kind, PortErrorKind::Ambiguous, "{lost:?}");
            assert_eq!(on.fleet().await.units.len(), 1, "it happened: {lost:?}");
        }
        let on = On { deployer: &sites, place: place("static", "page") };
        cloud.fault(json!({"name": "rate-limit-burst", "action": "site-put", "count": 1})).await;
        let busy = on.try_call(create(&one, &[]), &key("k")).await.unwrap_err();
        assert_eq!((busy.kind, on.fleet().await.units.len()), (PortErrorKind::NotSent, 0), "{busy:?}");

        let id = on.call(create(&one, &[])).await.unit.unwrap();
        for token in [THEIRS, "tok-unknown-9999"] {
            let other = SiteDeployer::new(cloud.site_client(token));
            let refused = other
                .perform(&on.place, &UnitCall::Destroy { unit: id.clone() }, &key("k"))
                .await
                .unwrap_err();
            assert_eq!(refused.kind, PortErrorKind::Refused, "{refused:?}");
            assert!(!refused.message.contains(token) && !format!("{other:?}").contains(token));
        }
        assert!(!format!("{sites:?}").contains(OURS));
        let missing = UnitCall::Update {
            unit: "elsewhere".parse().unwrap(),
            expect: UnitVersion::new("1").unwrap(),
            spec: bundle_spec(&one, "x"),
            labels: map(&[]),
            start: true,
        };
        let missing = on.try_call(missing, &key("k")).await.unwrap_err();
        assert_eq!(missing.kind, PortErrorKind::Refused, "{missing:?}");
        cloud.end().await;

        let dead = sites.observe_fleet(&on.place).await.unwrap_err();
        assert_eq!(dead.kind, PortErrorKind::NotSent, "{dead:?}");
    })
    .await;
}
