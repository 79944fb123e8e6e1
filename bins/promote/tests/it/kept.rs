//! What fly.toml does not speak of stays as it was found (fly.md 3.3: an update starts from a clone of what there is).

use flytypes::machine::{Guest, MachineConfig, Mount};
use flytypes::wire::Machine;
use serde_json::json;

use crate::support::{Project, STAGING, Stage, within};

fn guest(memory_mb: u32) -> Guest {
    Guest {
        cpu_kind: Some("shared".to_owned()),
        cpus: Some(1),
        memory_mb: Some(memory_mb),
        ..Guest::default()
    }
}

fn config(machine: &Machine) -> &MachineConfig {
    machine.config.as_ref().unwrap()
}

/// Two machines on staging whose size and DNS were set with flyctl, the second one larger.
async fn scaled(stage: &Stage) -> String {
    let (old, new) = (stage.push("1.0.0").await, stage.push("1.1.0").await);
    stage.put("staging", &old).await;
    for (machine, memory_mb) in stage.machines(STAGING).await.iter().zip([512, 1024]) {
        let volume = format!("vol_{memory_mb}");
        let change = |config: &mut MachineConfig| {
            config.guest = Some(guest(memory_mb));
            config.dns = Some(serde_json::from_value(json!({"skip_registration": true})).unwrap());
            for mount in &mut config.mounts {
                *mount = Mount {
                    volume: volume.clone(),
                    encrypted: Some(true),
                    size_gb: Some(3),
                    ..mount.clone()
                };
            }
        };
        stage.change(STAGING, machine, change).await;
    }
    new
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_fleet_has_the_size_that_the_first_one_was_given() {
    within(async {
        let stage = Stage::new(Project::default()).await;
        let new = scaled(&stage).await;
        stage.put("staging", &new).await;
        let after = stage.machines(STAGING).await;
        let serving: Vec<_> = after.iter().filter(|machine| !machine.cordoned).collect();
        assert_eq!(serving.len(), 2);
        for machine in serving {
            let memory = config(machine).guest.as_ref().unwrap().memory_mb.unwrap();
            assert!([512, 1024].contains(&memory), "{machine:#?}");
            assert!(config(machine).dns.is_some());
        }
        stage.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_changes_in_place_keeps_its_size_and_its_volume() {
    within(async {
        let stage = Stage::new(Project::default()).await;
        let toml = std::fs::read_to_string(stage.path("fly.toml")).unwrap();
        let mounts = "\n[mounts]\n  source = \"data\"\n  destination = \"/data\"\n";
        std::fs::write(stage.path("fly.toml"), toml + mounts).unwrap();
        // fly.md 2.2: `fly deploy` makes what a first machine mounts; we do not, and say so before anything is there.
        let (first, key) = (stage.push("0.9.0").await, stage.key("developer"));
        let dry = ["deploy", "--env", "staging", "--image", &first, "--key", &key, "--dry-run", "--json"];
        let told = stage.run(&dry).await.exits(0).json();
        let warnings = told["plan"]["warnings"].to_string();
        let command = "fly volumes create data --app runner-staging --region fra --count 2";
        assert!(warnings.contains("does not make") && warnings.contains(command), "{warnings}");
        let new = scaled(&stage).await;
        // What has its machines has its volumes.
        let told = stage.run(&dry).await.exits(0).json();
        assert!(!told["plan"]["warnings"].to_string().contains("fly volumes"), "{told}");
        let before = stage.machines(STAGING).await;
        stage.put("staging", &new).await;
        let after = stage.machines(STAGING).await;
        assert_eq!(after.len(), 2, "a volume is in one fleet only: in place");
        for (now, was) in after.iter().zip(&before) {
            assert_eq!(now.id, was.id);
            assert_ne!(now.digest(), was.digest());
            assert_eq!(config(now).guest, config(was).guest);
            assert_eq!((&config(now).mounts, &config(now).dns), (&config(was).mounts, &config(was).dns));
        }
        stage.end().await;
    })
    .await;
}
