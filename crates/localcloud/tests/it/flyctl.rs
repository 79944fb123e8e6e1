//! The scripted flyctl against the records of what it called: orders and metadata are those of fly.md 2.3, 2.5 and 4.2.

use localcloud::flyctl::{Deploy, Failed, Flyctl};
use serde_json::{Value, json};

use crate::support::{Server, within};

/// Two machines on `web:v1`, made by a first deploy, and the deploy of `web:v2`.
async fn deployed() -> (Server, Flyctl, Vec<String>, Deploy) {
    let s = Server::start().await;
    let flyctl = Flyctl::new(&s.client.api, "tok-a");
    flyctl.create_app("web", "acme").await.unwrap();
    let mut config = s.config("");
    config.as_object_mut().unwrap().remove("image");
    s.push("web", "v1", &[]).await;
    s.push("web", "v2", &[]).await;
    let first = Deploy::new("web", &format!("{}/web:v1", s.client.registry), config);
    let ids = flyctl.deploy_first(&first).await.unwrap();
    let second = Deploy { image: format!("{}/web:v2", s.client.registry), ..first };
    (s, flyctl, ids, second)
}

/// The calls that changed something, after the first deploy: action and machine.
fn changes(s: &Server, since: usize) -> Vec<(String, String)> {
    let lines = s.audit();
    let applied = lines[since..].iter().filter(|line| line["applied"] == true);
    applied.map(|line| (text(&line["action"]), text(&line["machine"]))).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn metadata(machine: &Value, key: &str) -> String {
    text(&machine["config"]["metadata"][key])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_deploy_makes_two_machines_with_flyctls_marks() {
    within(async {
        let (s, flyctl, ids, _) = deployed().await;
        let machines = flyctl.managed("web").await.unwrap();
        assert_eq!((ids.len(), machines.len()), (2, 2), "fly.md 2.2: two with services");
        for machine in &machines {
            let marks =
                ["fly_platform_version", "fly_process_group", "fly_release_version", "fly_flyctl_version"];
            assert_eq!(marks.map(|key| metadata(machine, key)), ["v2", "app", "1", "0.3.170"]);
            assert_eq!(machine["config"]["env"]["FLY_PROCESS_GROUP"], "app");
            // fly.md 2.1: the tag goes into the configuration, the digest stands in image_ref alone.
            assert!(text(&machine["config"]["image"]).ends_with("/web:v1"));
        }
        let stray = flyctl.machine_run("web", &text(&machines[0]["config"]["image"]), &[]).await.unwrap();
        assert!(flyctl.managed("web").await.unwrap().iter().all(|machine| machine["id"] != stray.as_str()));
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_deploy_leases_all_first_and_leaves_what_rests_at_rest() {
    within(async {
        let (s, flyctl, ids, second) = deployed().await;
        flyctl.machine_stop("web", &ids[0]).await.unwrap();
        // A key that flyctl does not know stays (fly.md 2.3).
        let path = format!("/v1/apps/web/machines/{}/metadata/team", ids[1]);
        s.call("POST", &path, Some(json!({"value": "payments"}))).await;
        let since = s.audit().len();
        flyctl.deploy_rolling(&second).await.unwrap();
        let changes = changes(&s, since);
        let actions: Vec<&str> = changes.iter().map(|(action, _)| action.as_str()).collect();
        let expected = [
            "lease-acquire",
            "lease-acquire",
            "machine-update",
            "machine-update",
            "lease-release",
            "lease-release",
        ];
        assert_eq!(actions, expected);
        assert_eq!((&changes[2].1, &changes[3].1), (&ids[0], &ids[1]), "what rests first");
        // An update is asynchronous (fly.md 8, trap 1), and flyctl does not wait for what rests.
        s.until("web", &ids[0], |machine| machine["state"] == "stopped").await;
        for machine in flyctl.managed("web").await.unwrap() {
            let rests = machine["id"] == ids[0].as_str();
            assert_eq!(machine["state"], if rests { "stopped" } else { "started" });
            assert_eq!(metadata(&machine, "fly_release_version"), "2");
            assert_eq!(metadata(&machine, "team"), if rests { "" } else { "payments" });
            assert_eq!(machine["image_ref"]["tag"], "v2");
        }
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bluegreen_deploy_switches_before_it_destroys() {
    within(async {
        let (s, flyctl, ids, second) = deployed().await;
        let since = s.audit().len();
        flyctl.deploy_bluegreen(&second).await.unwrap();
        let actions: Vec<String> = changes(&s, since).into_iter().map(|(action, _)| action).collect();
        let mut expected = Vec::new();
        for (action, times) in [
            ("lease-acquire", 2),
            ("machine-create", 2),
            ("machine-uncordon", 2),
            ("metadata-key-set", 2),
            ("machine-cordon", 2),
        ] {
            expected.extend(std::iter::repeat_n(action, times));
        }
        expected.extend(["machine-stop", "machine-delete", "machine-stop", "machine-delete"]);
        assert_eq!(actions, expected);
        let greens = flyctl.managed("web").await.unwrap();
        assert!(greens.len() == 2 && greens.iter().all(|green| !ids.contains(&text(&green["id"]))));
        assert!(greens.iter().all(|green| green["cordoned"] == false && green["image_ref"]["tag"] == "v2"));
        // One that was interrupted leaves two images, and the next one refuses.
        let mixed = Deploy { image: format!("{}/web:v1", s.client.registry), ..second };
        s.post(
            "/v1/apps/web/machines",
            json!({"config": {
                "image": mixed.image, "metadata": {"fly_platform_version": "v2", "fly_process_group": "app"},
            }}),
        )
        .await;
        let refused = flyctl.deploy_bluegreen(&mixed).await.unwrap_err();
        assert!(matches!(&refused, Failed::Unfit(why) if why.contains("multiple image versions")));
        s.end().await;
    })
    .await;
}

/// Whoever holds a lease is named to flyctl, which gives back what it took by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deploy_stops_at_a_lease_of_somebody_else() {
    within(async {
        let (s, flyctl, ids, second) = deployed().await;
        let path = format!("/v1/apps/web/machines/{}/lease", ids.iter().max().unwrap());
        let body = json!({"ttl": 60, "description": "understudy production p-1 store-1"});
        s.call("POST", &path, Some(body)).await;
        let since = s.audit().len();
        let refused = flyctl.deploy_rolling(&second).await.unwrap_err();
        assert!(refused.to_string().contains("understudy production p-1 store-1"), "{refused}");
        let actions: Vec<String> = changes(&s, since).into_iter().map(|(action, _)| action).collect();
        assert_eq!(actions, ["lease-acquire", "lease-release"]);
        s.end().await;
    })
    .await;
}
