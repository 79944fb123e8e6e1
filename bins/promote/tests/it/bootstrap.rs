//! `promote start --bootstrap`: the first release of an app that `fly apps create` or `fly launch --no-deploy` made and
//! nobody deployed: it has a name and no machines (fly.md 4.2).

use flytypes::wire::{Machine, MachineState};
use localcloud::flyctl::Deploy;
use serde_json::json;

use crate::support::{PRODUCTION, Project, Stage, within};

/// 1.1.0 is tested on staging; production has an app and nothing in it.
async fn rehearsed() -> (Stage, String) {
    let stage = Stage::new(Project::default()).await;
    let image = stage.push("1.1.0").await;
    stage.put("staging", &image).await;
    (stage, image)
}

fn metadata<'m>(machine: &'m Machine, key: &str) -> Option<&'m str> {
    machine.config.as_ref().unwrap().metadata.get(key).map(String::as_str)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_without_machines_gets_its_first_release_and_flyctl_goes_on_from_there() {
    within(async {
        let (stage, image) = rehearsed().await;
        let (developer, lead) = (stage.key("developer"), stage.key("lead"));
        let start = ["start", "--to", "production", "--key", &lead];
        let refused = stage.run(&start).await.exits(3);
        assert!(format!("{}{}", refused.out, refused.err).contains("--bootstrap"), "{refused:?}");
        // It puts something there that nobody approved: for those who may approve (P1).
        let by = |key| ["start", "--to", "production", "--bootstrap", "--key", key, "--json"];
        let told = stage.run(&by(&developer)).await.exits(3).json();
        assert!(told["why"].as_str().unwrap().contains("may approve"), "{told}");
        assert!(stage.machines(PRODUCTION).await.is_empty());

        let told = stage.run(&by(&lead)).await.exits(0).json();
        assert_eq!((&told["verb"], &told["state"]), (&json!("bootstrap"), &json!("succeeded")), "{told}");
        let machines = stage.machines(PRODUCTION).await;
        // fly.md 2.2: two for a group with services; 2.3: the marks by which flyctl knows its own.
        assert_eq!(machines.len(), 2);
        for machine in &machines {
            assert_eq!((machine.state.clone(), machine.cordoned), (MachineState::Started, false));
            assert_eq!(metadata(machine, "fly_platform_version"), Some("v2"));
            assert_eq!(metadata(machine, "fly_process_group"), Some("app"));
            assert!(machine.lease.is_none());
        }
        let again = stage.run(&by(&lead)).await.exits(3).json();
        assert!(again["why"].as_str().unwrap().contains("runs already"), "{again}");

        let config = serde_json::to_value(machines[0].config.as_ref().unwrap()).unwrap();
        let deploy = Deploy::new(PRODUCTION, &image, config);
        let next = Deploy { image: stage.push("1.2.0").await, ..deploy.clone() };
        stage.flyctl().deploy_rolling(&next).await.unwrap();
        let next = Deploy { image: stage.push("1.3.0").await, ..deploy };
        stage.flyctl().deploy_bluegreen(&next).await.unwrap();
        let tags: Vec<_> = stage.machines(PRODUCTION).await.into_iter().map(|it| it.image_ref.tag).collect();
        assert_eq!(tags, ["1.3.0", "1.3.0"]);
        stage.end().await;
    })
    .await;
}

/// A first release that fails leaves the app as it was found: without machines, but for those of others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_release_that_fails_leaves_nothing_behind() {
    within(async {
        let (stage, image) = rehearsed().await;
        let lead = stage.key("lead");
        let stray = stage.flyctl().machine_run(PRODUCTION, &image, &[]).await.unwrap();
        let start = ["start", "--to", "production", "--bootstrap", "--key", &lead, "--json"];
        stage.fail_smoke(true);
        let told = stage.run(&start).await.exits(5).json();
        assert_eq!(told["state"], "rolled-back", "{told}");
        let left = || async {
            let machines = stage.machines(PRODUCTION).await;
            machines.into_iter().map(|machine| machine.id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(left().await, std::slice::from_ref(&stray));
        stage.fail_smoke(false);
        // It would be met by the suites: it serves nothing, so they meet the release alone.
        let told = stage.run(&start).await.exits(0).json();
        assert!(told["warnings"].to_string().contains(&stray), "{told}");
        assert_eq!(left().await.len(), 3);
        stage.end().await;
    })
    .await;
}
