//! Names of an app's secrets over the Machines API, and the version that goes with every machine.

use std::sync::Arc;

use http::Method;
use promotion::conformance;
use promotion::model::{UnitSpec, UnitState};
use promotion::ports::{PortErrorKind, Secrets as _};
use promotion::rollout::UnitCall;
use providers::Dispatch;
use providers::fly::FlySecrets;
use serde_json::{Value, json};

use crate::support::{Cloud, OURS, On, key, map, place, spec, within};

async fn set(cloud: &Cloud, name: &str, value: Option<&str>) -> Value {
    let body = json!({"values": {name: value}});
    let (status, said) = cloud.raw(Method::POST, "/v1/apps/web/secrets", Some(body)).await;
    assert_eq!(status, 200, "{said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_secrets_conform() {
    within(async {
        let (cloud, image) = Cloud::with_web().await;
        let fly = cloud.fly();
        let on = On { deployer: &fly, place: place("fly", "web") };
        let renewed = async || match on.fleet().await.units.first() {
            None => on.created("app/fra/0", &image, &[], true).await,
            Some(unit) => {
                let version = on
                    .call(UnitCall::Update {
                        unit: unit.id.clone(),
                        expect: unit.version.clone(),
                        spec: spec(&image),
                        labels: map(&[]),
                        start: true,
                    })
                    .await
                    .version
                    .unwrap();
                on.until(&unit.id, |unit| unit.version == version && unit.state == UnitState::Started).await
            }
        };
        let change = async |name: &str, value: Option<&str>| {
            set(&cloud, name, value).await;
        };
        let secrets = Arc::new(FlySecrets::new(cloud.client(OURS)));
        let dispatch = Dispatch::default().with_secrets(on.place.environment.clone(), "fly", secrets);
        conformance::secrets(&dispatch, &on.place, change, renewed).await;

        let names = ["A".to_owned(), "B".to_owned()].into();
        let command = dispatch.command(&on.place, &names).unwrap();
        assert_eq!(command, "fly secrets set --stage A=… B=… --app web");
        let page = place("static", "page");
        assert_eq!(
            dispatch.observe_secrets(&page, &[]).await.unwrap(),
            Default::default(),
            "a site has none"
        );
        assert_eq!(dispatch.command(&page, &names), None);
        let elsewhere = dispatch.observe_secrets(&place("fly", "elsewhere"), &[]).await.unwrap_err();
        assert_eq!(elsewhere.kind, PortErrorKind::Refused, "{elsewhere}");
        cloud.end().await;
    })
    .await;
}

/// fly.md 6: a restart keeps the secrets of before, so what is set stays staged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_machine_still_lacks_what_is_staged() {
    within(async {
        let (cloud, image) = Cloud::with_web().await;
        let fly = cloud.fly();
        let on = On { deployer: &fly, place: place("fly", "web") };
        let unit = on.created("app/fra/0", &image, &[], true).await;
        set(&cloud, "LATER", Some("hunter2")).await;
        on.call(UnitCall::Stop { unit: unit.id.clone() }).await;
        on.until(&unit.id, |unit| unit.state == UnitState::Stopped).await;
        on.call(UnitCall::Start { unit: unit.id.clone() }).await;
        let again = on.until(&unit.id, |unit| unit.state == UnitState::Started).await;
        assert!(again.version_since > unit.version_since);
        let seen = FlySecrets::new(cloud.client(OURS)).observe_secrets(&on.place, &[again]).await.unwrap();
        assert_eq!(seen.staged.iter().collect::<Vec<_>>(), ["LATER"]);
        assert!(!format!("{seen:?}").contains("hunter2"));
        cloud.end().await;
    })
    .await;
}

/// fly.md 1.4: `min_secrets_version` is a field of create and update alike.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_is_not_made_before_its_secrets_are_there() {
    within(async {
        let (cloud, image) = Cloud::with_web().await;
        let fly = cloud.fly();
        let on = On { deployer: &fly, place: place("fly", "web") };
        set(&cloud, "ONE", Some("1")).await;
        let at_least = |version| UnitSpec { secrets_version: Some(version), ..spec(&image) };
        let create = |version| UnitCall::Create {
            slot: "app/fra/0".parse().unwrap(),
            spec: at_least(version),
            labels: map(&[]),
            open: true,
        };
        let early = on.try_call(create(2), &key("k")).await.unwrap_err();
        assert!(early.message.contains("secrets are at version 1"), "{early}");
        assert_eq!(early.kind, PortErrorKind::NotSent, "it may be there in a moment");
        assert_eq!(on.fleet().await.units, []);
        let made = on.call(create(1)).await.unit.unwrap();
        let unit = on.until(&made, |unit| unit.state == UnitState::Started).await;
        let update = |version| UnitCall::Update {
            unit: unit.id.clone(),
            expect: unit.version.clone(),
            spec: at_least(version),
            labels: map(&[]),
            start: true,
        };
        let early = on.try_call(update(2), &key("k")).await.unwrap_err();
        assert!(early.message.contains("secrets are at version 1"), "{early}");
        set(&cloud, "TWO", Some("2")).await;
        on.call(update(2)).await;
        cloud.end().await;
    })
    .await;
}
