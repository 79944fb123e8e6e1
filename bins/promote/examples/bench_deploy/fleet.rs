//! The old release as `fly deploy` would have left it.

use std::collections::BTreeMap;
use std::time::Duration;

use envconfig::fly_toml::FlyToml;
use flyclient::fly::wire::{CreateMachine, ListMachines};
use flytypes::wire::MachineState;
use futures_util::{StreamExt as _, stream};

use crate::stage::{REGIONS, Stage};

/// Machines that are made at once; there is no limit while the old release is put there.
const WIDTH: usize = 16;

/// Makes `n` machines of `image`, region by region in turns, and waits until all are healthy.
pub(crate) async fn make(stage: &Stage, image: &str, n: usize) {
    let toml = FlyToml::parse("fly.toml", &stage.fly_toml()).unwrap().value;
    let (group, mut config) = toml.flatten().pop_first().unwrap();
    image.clone_into(&mut config.image);
    // The keys of fly.md 2.3.
    let metadata = [
        ("fly_platform_version", "v2"),
        ("fly_process_group", group.as_str()),
        ("fly_release_id", "rel_1"),
        ("fly_release_version", "1"),
        ("fly_flyctl_version", "0.3.200"),
    ];
    config.metadata.extend(metadata.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let app = stage.app();
    let made = stream::iter(0..n).map(|n| {
        let region = REGIONS[n % REGIONS.len()].parse().unwrap();
        let machine =
            CreateMachine { config: config.clone(), region: Some(region), ..CreateMachine::default() };
        let app = &app;
        async move { app.machines().create(&machine).await.unwrap() }
    });
    made.buffer_unordered(WIDTH).collect::<Vec<_>>().await;
    loop {
        let machines = app.machines().list(&ListMachines::default()).await.unwrap();
        let mut states: BTreeMap<String, usize> = BTreeMap::new();
        for machine in &machines {
            let state = if machine.state != MachineState::Started {
                machine.state.as_str().to_owned()
            } else if machine
                .reported_checks()
                .all(|check| check.status == flytypes::wire::CheckState::Passing)
            {
                continue;
            } else {
                "not passing".to_owned()
            };
            *states.entry(state).or_default() += 1;
        }
        if states.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// The region of each machine.
pub(crate) async fn regions(stage: &Stage) -> BTreeMap<String, String> {
    let machines = stage.app().machines().list(&ListMachines::default()).await.unwrap();
    machines.iter().map(|machine| (machine.id.to_string(), machine.region.to_string())).collect()
}
