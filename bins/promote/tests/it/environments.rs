//! Two environments of one app: what differs, and what does not.

use std::collections::BTreeMap;

use flytypes::wire::Machine;

use crate::support::{PRODUCTION, Project, STAGING, Stage, within};

/// The environment of the process that runs as this machine.
fn process_environment(machine: &Machine) -> BTreeMap<String, String> {
    let mark = format!("FLY_MACHINE_ID={}", machine.id);
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let environ = std::fs::read(process.path().join("environ")).unwrap_or_default();
        let pairs: Vec<String> =
            environ.split(|byte| *byte == 0).map(|pair| String::from_utf8_lossy(pair).into_owned()).collect();
        if pairs.contains(&mark) {
            let pairs = pairs.iter().filter_map(|pair| pair.split_once('='));
            return pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        }
    }
    panic!("no process runs as {}", machine.id);
}

/// What a request for staging changes: staging's own app, its variables and its size. Production keeps every instance
/// version, so it was not touched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staging_has_its_own_size_and_variables_and_production_does_not_notice() {
    within(async {
        let stage = Stage::new(Project::default()).await;
        stage.edit(
            r#"overlay = { env = { APP_ENV = "staging" } }"#,
            r#"overlay = { env = { APP_ENV = "staging", LOG_LEVEL = "debug" }, vm = { memory = "512mb" } }"#,
        );
        let image = stage.push("1.0.0").await;
        stage.put("production", &image).await;
        let production = stage.machines(PRODUCTION).await;
        stage.put("staging", &image).await;
        let staging = stage.machines(STAGING).await;

        // fly.md 3.3: a new machine without [[vm]] has the API's default; with one, shared-cpu-1x and what it says.
        let memory = |machine: &Machine| {
            machine.config.as_ref().unwrap().guest.as_ref().and_then(|guest| guest.memory_mb)
        };
        assert!(staging.iter().all(|machine| memory(machine) == Some(512)), "{staging:#?}");
        assert!(production.iter().all(|machine| memory(machine) != Some(512)), "{production:#?}");
        // The same image in the same region.
        for (ours, theirs) in staging.iter().zip(&production) {
            assert_eq!(ours.digest(), theirs.digest());
            assert_eq!((ours.region.as_str(), theirs.region.as_str()), ("fra", "fra"));
        }
        for (machines, expected) in
            [(&staging, (Some("staging"), Some("debug"))), (&production, (Some("production"), None))]
        {
            for machine in machines {
                let found = process_environment(machine);
                let of = |name: &str| found.get(name).map(String::as_str);
                assert_eq!((of("APP_ENV"), of("LOG_LEVEL")), expected);
            }
        }
        // Machines say which environment they are of (docs/ARCHITECTURE.md: labels live in the metadata).
        for (machines, name) in [(&staging, "staging"), (&production, "production")] {
            for machine in machines {
                let metadata = &machine.config.as_ref().unwrap().metadata;
                assert_eq!(metadata.get("understudy_environment").map(String::as_str), Some(name));
            }
        }

        stage.edit(r#"memory = "512mb""#, r#"memory = "1gb""#);
        let again = stage.push("1.1.0").await;
        stage.put("staging", &again).await;
        let staging = stage.machines(STAGING).await;
        let serving = || staging.iter().filter(|machine| !machine.cordoned);
        assert!(serving().count() == 2 && serving().all(|machine| memory(machine) == Some(1024)));
        let versions = |machines: &[Machine]| {
            machines.iter().map(|it| (it.id.to_string(), it.instance_id.clone())).collect::<Vec<_>>()
        };
        assert_eq!(versions(&stage.machines(PRODUCTION).await), versions(&production));
        stage.end().await;
    })
    .await;
}
