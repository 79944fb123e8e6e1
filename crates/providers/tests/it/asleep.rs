//! An app that nobody asks for anything, on a proxy that stops whatever is idle and starts what is asked for: what `fly
//! launch` makes of a service (fly.md 7).

use promotion::machine::Phase;
use promotion::model::Millis;
use serde_json::json;

use crate::faulted::{
    rows::{Row, STRATEGIES, When},
    run::{Images, Manner, Run},
};
use crate::support::Cloud;

/// A soak in which every machine falls asleep, again and again.
const SOAK: Millis = Millis(5_000);

fn idle() -> Manner {
    let service = json!({"autostop": "stop", "autostart": true, "min_machines_running": 0});
    // Found awake, whenever the proxy looks: what is found asleep rests in the end.
    Manner { service, before: json!({"autostop": "off", "autostart": true}), soak: SOAK }
}

/// How often the proxy stopped a machine after `from`, and that it was the proxy.
fn stops(cloud: &Cloud, app: &str, from: usize) -> usize {
    cloud.audit(app).iter().skip(from).filter(|l| l["event"] == "proxy" && l["did"] == "stop").count()
}

async fn images(cloud: &Cloud) -> Images {
    Images { old: cloud.image("base", "v1").await, new: cloud.image("base", "v2").await }
}

/// Both strategies come through a soak while the proxy looks three times a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_app_is_promoted_and_soaks_while_the_proxy_stops_its_machines() {
    let cloud = Cloud::start_with(|options| options.idle_look_ms = 330).await;
    let images = images(&cloud).await;
    let runs = STRATEGIES.into_iter().enumerate().map(|(n, strategy)| {
        let (cloud, images) = (&cloud, &images);
        async move {
            let app = format!("idle-{n}");
            let run = Run::new(cloud, images, &app, strategy, idle()).await;
            let ended = Box::pin(run.promote(&[])).await;
            assert_eq!(
                ended.phase,
                Some(Phase::Succeeded),
                "{strategy:?}: {}\n{:#?}",
                ended.why,
                ended.story
            );
            assert_eq!(ended.wrong, [] as [&str; 0], "{strategy:?}\n{:#?}", ended.story);
            // At least each of the two that were found awake, once.
            assert!(stops(cloud, &app, 0) >= 2, "{strategy:?}: the proxy stopped some");
        }
    });
    futures_util::future::join_all(runs).await;
    cloud.end().await;
}

/// A machine whose program ends in the soak did not fall asleep: the earlier release comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_app_whose_new_machines_fail_is_put_back_though_they_may_sleep() {
    let cloud = Cloud::start_with(|options| options.idle_look_ms = 330).await;
    let images = images(&cloud).await;
    let fault = json!({"name": "check-failing", "for_ms": 9_000});
    let sick = Row { title: "check-failing".to_owned(), fault, when: When::Deploying, is_dead_end: false };
    let run = Run::new(&cloud, &images, "idle-sick", STRATEGIES[0], idle()).await;
    let ended = Box::pin(run.promote(&[sick])).await;
    assert_eq!(ended.phase, Some(Phase::RolledBack), "{}\n{:#?}", ended.why, ended.story);
    assert!(ended.why.contains("not healthy within"), "{}", ended.why);
    cloud.end().await;
}
