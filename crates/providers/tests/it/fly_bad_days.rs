//! What a failure of the Machines API means: nothing happened, refused, or it may have happened.

use std::{sync::Arc, time::Duration};

use flyclient::transport::{HttpService, Request, Response, TransportError};
use promotion::model::{Millis, UnitState};
use promotion::ports::{Deployer, PortErrorKind};
use promotion::rollout::UnitCall;
use providers::fly::FlyDeployer;
use serde_json::json;

use crate::support::{Cloud, OURS, On, THEIRS, key, map, place, spec, transport, within};

fn create(image: &flytypes::ImageRef) -> UnitCall {
    let labels = map(&[("slot", "app/fra/0".to_owned())]);
    UnitCall::Create { slot: "app/fra/0".parse().unwrap(), spec: spec(image), labels, open: false }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_ambiguous_and_the_effect_is_found() {
    within(async {
        let (cloud, image) = Cloud::with_web().await;
        let fly = cloud.fly();
        let on = On { deployer: &fly, place: place("fly", "web") };
        for fault in [
            json!({"name": "answer-408-after-success", "action": "machine-create", "count": 1}),
            json!({"name": "cut-connection", "action": "machine-create", "applied": true, "count": 1}),
        ] {
            let before = on.fleet().await.units.len();
            cloud.fault(fault.clone()).await;
            let lost = on.try_call(create(&image), &key("the-key")).await.unwrap_err();
            assert_eq!(lost.kind, PortErrorKind::Ambiguous, "{fault}: {lost:?}");
            let fleet = on.fleet().await;
            assert_eq!(fleet.units.len(), before + 1, "{fault}");
            assert!(
                fleet.units.iter().all(|unit| unit.label("slot") == Some("app/fra/0")),
                "found by its slot"
            );
        }
        cloud
            .fault(
                json!({"name": "cut-connection", "action": "machine-create", "applied": false, "count": 1}),
            )
            .await;
        let lost = on.try_call(create(&image), &key("k")).await.unwrap_err();
        assert_eq!(lost.kind, PortErrorKind::Ambiguous, "the client cannot know: {lost:?}");
        assert_eq!(on.fleet().await.units.len(), 2);
        cloud.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_a_question_is_no_effect() {
    within(async {
        let (cloud, image) = Cloud::with_web().await;
        let fly = cloud.fly();
        let on = On { deployer: &fly, place: place("fly", "web") };
        let unit = on.created("app/fra/0", &image, &[], true).await;
        let cut = async |action: &str| {
            cloud.fault(json!({"name": "cut-connection", "action": action, "count": 1})).await;
        };
        cut("machine-list").await;
        let unseen = fly.observe_fleet(&on.place).await.unwrap_err();
        assert_eq!(unseen.kind, PortErrorKind::NotSent, "{unseen:?}");
        let update = UnitCall::Update {
            unit: unit.id.clone(),
            expect: unit.version.clone(),
            spec: spec(&image),
            labels: map(&[]),
            start: true,
        };
        let tag = UnitCall::Tag { unit: unit.id.clone(), labels: map(&[("a", Some("1".to_owned()))]) };
        for (question, call) in [("machine-get", update), ("machine-get", tag)] {
            // One that has not looked at the fleet asks for the machine first.
            let blind = cloud.fly();
            let on = On { deployer: &blind, place: place("fly", "web") };
            cut(question).await;
            let unsent = on.try_call(call, &key("k")).await.unwrap_err();
            assert_eq!(unsent.kind, PortErrorKind::NotSent, "{question}: {unsent:?}");
        }
        let after = on.unit(&unit.id).await.unwrap();
        assert_eq!((after.version, after.labels), (unit.version, unit.labels));
        cloud.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_requests_and_no_connection_mean_that_nothing_happened() {
    within(async {
        let (cloud, image) = Cloud::with_web().await;
        let fly = cloud.fly();
        let on = On { deployer: &fly, place: place("fly", "web") };
        cloud.fault(json!({"name": "rate-limit-burst", "action": "machine-create", "count": 1})).await;
        let busy = on.try_call(create(&image), &key("k")).await.unwrap_err();
        assert_eq!(busy.kind, PortErrorKind::NotSent, "{busy:?}");
        assert_eq!(on.fleet().await.units.len(), 0);
        // With a connection of its own: one that is kept breaks in the middle when the server goes.
        let fresh = FlyDeployer::new(cloud.client_over(transport(), OURS));
        cloud.end().await;
        let on = On { deployer: &fresh, place: on.place };

        let dead = on.try_call(create(&image), &key("k")).await.unwrap_err();
        assert_eq!(dead.kind, PortErrorKind::NotSent, "{dead:?}");
        let dead = fresh.observe_fleet(&on.place).await.unwrap_err();
        assert_eq!(dead.kind, PortErrorKind::NotSent, "{dead:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_or_not_ours_is_refused_by_name() {
    within(async {
        let (cloud, image) = Cloud::with_web().await;
        let fly = cloud.fly();
        let missing = fly.observe_fleet(&place("fly", "wbe")).await.unwrap_err();
        assert_eq!(missing.kind, PortErrorKind::Refused);
        assert!(missing.message.contains("fly apps create wbe"), "{missing}");
        let unnamed = fly.observe_fleet(&place("fly", "No App")).await.unwrap_err();
        assert_eq!(unnamed.kind, PortErrorKind::Refused, "{unnamed:?}");

        let on = On { deployer: &fly, place: place("fly", "web") };
        let absent = image.pinned(format!("sha256:{}", "0".repeat(64)).parse().unwrap());
        let no_image = on.try_call(create(&absent), &key("k")).await.unwrap_err();
        assert_eq!(no_image.kind, PortErrorKind::Refused, "{no_image:?}");

        for token in [THEIRS, "tok-unknown-9999"] {
            let other = FlyDeployer::new(cloud.client(token));
            for error in [
                other.observe_fleet(&on.place).await.unwrap_err(),
                other.perform(&on.place, &create(&image), &key("k")).await.unwrap_err(),
            ] {
                assert_eq!(error.kind, PortErrorKind::Refused, "{error:?}");
                assert!(!error.message.contains(token), "{error}");
            }
            assert!(!format!("{other:?}").contains(token));
        }
        assert!(!format!("{fly:?}").contains(OURS));
        cloud.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_silently_comes_back_shows_the_old_digest() {
    within(async {
        let cloud = Cloud::start().await;
        cloud.app("web").await;
        let (one, two) = (cloud.image("web", "v1").await, cloud.image("web", "v2").await);
        let fly = cloud.fly();
        let on = On { deployer: &fly, place: place("fly", "web") };
        let unit = on.created("app/fra/0", &one, &[], true).await;
        cloud.fault(json!({"name": "pull-failure-silent-revert", "count": 1})).await;
        let update = UnitCall::Update {
            unit: unit.id.clone(),
            expect: unit.version,
            spec: spec(&two),
            labels: map(&[]),
            start: true,
        };
        let version = on.call(update).await.version.unwrap();
        let after = on.until(&unit.id, |u| u.version == version && u.state == UnitState::Started).await;
        assert_eq!(after.digest.as_ref(), one.digest(), "state and version alone would have been believed");
        cloud.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_does_not_boot_and_a_failing_check_are_seen() {
    within(async {
        let (cloud, image) = Cloud::with_web().await;
        let fly = cloud.fly();
        let on = On { deployer: &fly, place: place("fly", "web") };
        cloud.fault(json!({"name": "boot-failure", "count": 1})).await;
        let id = on.call(create(&image)).await.unit.unwrap();
        on.until(&id, |unit| unit.state == UnitState::Failed).await;
        on.call(UnitCall::Destroy { unit: id }).await;

        let unit = on.created("app/fra/0", &image, &[], true).await;
        cloud.fault(json!({"name": "check-failing"})).await;
        let failing = on.until(&unit.id, |unit| unit.checks.iter().any(|check| !check.passing)).await;
        assert!(failing.checks[0].at > unit.version_since, "{failing:?}");
        cloud.end().await;
    })
    .await;
}

/// Tells of a conflict late: by then the lease that it was about has run out.
#[derive(Debug)]
struct LateConflicts(Arc<dyn HttpService>);

#[async_trait::async_trait]
impl HttpService for LateConflicts {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let response = self.0.send(request).await?;
        if response.status == 409 {
            tokio::time::sleep(Duration::from_millis(3_200)).await;
        }
        Ok(response)
    }
}

/// A lease that runs out between the conflict and the question whose it was is nobody's: it is asked for again, and no
/// promotion ends because somebody else is at work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_ends_while_it_is_asked_for_is_asked_for_again() {
    within(async {
        let cloud = Cloud::start().await;
        cloud.app("web").await;
        let image = cloud.image("web", "v1").await;
        let fly = FlyDeployer::new(cloud.client_over(Arc::new(LateConflicts(transport())), OURS));
        let on = On { deployer: &fly, place: place("fly", "web") };
        let unit = on.created("app/fra/0", &image, &[], true).await;
        let lease = |who: &str, seconds: u64| UnitCall::Lease {
            unit: unit.id.clone(),
            ttl: Millis::secs(seconds),
            description: who.to_owned(),
        };
        on.call(lease("an earlier runner", 3)).await;
        let late = on.try_call(lease("ours", 60), &key("k")).await.unwrap_err();
        assert_eq!(late.kind, PortErrorKind::NotSent, "{late:?}");
        assert!(on.call(lease("ours", 60)).await.nonce.is_some());
        // While it lasts it is somebody else's.
        let taken = FlyDeployer::new(cloud.client_over(transport(), OURS));
        let theirs = taken.perform(&on.place, &lease("theirs", 60), &key("k")).await.unwrap_err();
        assert_eq!(theirs.kind, PortErrorKind::Fenced, "{theirs:?}");
        cloud.end().await;
    })
    .await;
}
