//! Release commands over the Machines API: the suite, the size of their machines, and what their logs may say.

use std::collections::BTreeMap;
use std::sync::Arc;

use envconfig::{fly_toml::FlyToml, project::Project};
use flytypes::ImageRef;
use http::Method;
use promotion::conformance::{self, OneOffFixture};
use promotion::model::{Millis, OneOff, OneOffSpec, OneOffState, UnitId, label};
use promotion::ports::{OneOffs, PortErrorKind};
use providers::fly::FlyOneOffs;
use providers::{Dispatch, SystemClock, Targets};
use serde_json::{Value, json};

use crate::support::{Cloud, OURS, On, place, until, within};

const PROJECT: &str = "
[components.api]
config = \"fly.toml\"
[environments.production]
api.app = \"web\"
";

/// What `[deploy]` makes of a release command, as a team's files say it.
fn job(deploy: &str) -> OneOff {
    let text = format!(
        "app = \"web\"\nprimary_region = \"ams\"\n[env]\nLOG = \"info\"\n[deploy]\n{deploy}\n[http_service]\ninternal_port = 8080\n"
    );
    let toml = FlyToml::parse("fly.toml", &text).unwrap_or_else(|problems| panic!("{problems}")).value;
    let project =
        Project::parse("understudy.toml", PROJECT).unwrap_or_else(|problems| panic!("{problems}")).value;
    let configs = BTreeMap::from([("api".to_owned(), toml)]);
    let targets = Targets::new(&project, "production", &configs).unwrap();
    let image: ImageRef = "registry.fly.io/web:1".parse().unwrap();
    targets.target("api", image.clone(), image, None).unwrap().release_command.expect("the file has one")
}

fn spec(image: &ImageRef, deploy: &str) -> OneOffSpec {
    let labels =
        [(label::ONE_OFF, "p-1/api/release-command"), (label::STORE, "store-1"), (label::COMPONENT, "api")];
    OneOffSpec {
        job: job(deploy),
        image: image.clone(),
        secrets_version: None,
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    }
}

fn port(cloud: &Cloud) -> FlyOneOffs {
    FlyOneOffs::new(cloud.client(OURS), cloud.client(OURS))
}

/// An image whose program is a shell; it stays the entrypoint (fly.md 2.4).
async fn image(cloud: &Cloud) -> ImageRef {
    cloud.script("web", "v1").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn release_commands_conform() {
    within(async {
        let cloud = Cloud::start().await;
        cloud.app("web").await;
        let image = image(&cloud).await;
        let fixture = OneOffFixture {
            place: place("fly", "web"),
            good: spec(&image, "release_command = \"-c 'echo migrated all'\""),
            bad: spec(&image, "release_command = \"-c 'echo no such table >&2; exit 3'\""),
            code: 3,
            slow: Some(spec(&image, "release_command = \"-c 'sleep 120'\"")),
            line: "migrated all".to_owned(),
            patience: Millis::secs(30),
        };
        let dispatch = Dispatch::default().with_one_offs(
            fixture.place.environment.clone(),
            "fly",
            Arc::new(port(&cloud)),
        );
        conformance::one_offs(&dispatch, &fixture, &SystemClock).await;
        let page = dispatch.prepare(&place("static", "page"), &fixture.good).await.unwrap_err();
        assert_eq!(page.kind, PortErrorKind::Refused, "{page}");
        cloud.end().await;
    })
    .await;
}

async fn ended(port: &FlyOneOffs, run: &UnitId) -> OneOffState {
    let at = place("fly", "web");
    until(async || {
        let state = port.observe_run(&at, run).await.unwrap();
        matches!(state, OneOffState::Ended { .. }).then_some(state)
    })
    .await
}

/// fly.md 2.4: what the machine is, "guest = biggest machine of default group or shared-cpu-2x, or
/// `[deploy].release_command_vm`"; 2.3: the group's name keeps deploys away from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_machine_is_as_flyctl_makes_it() {
    within(async {
        let cloud = Cloud::start().await;
        cloud.app("web").await;
        let image = image(&cloud).await;
        let (port, at) = (port(&cloud), place("fly", "web"));
        let made = async |deploy: &str| {
            let run = port.prepare(&at, &spec(&image, deploy)).await.unwrap();
            let config = cloud.machine("web", &run).await["config"].clone();
            port.remove(&at, &run).await.unwrap();
            config
        };
        let config = made("release_command = \"migrate 'a b'\"").await;
        assert_eq!(config["init"]["cmd"], json!(["migrate", "a b"]));
        assert_eq!(config["init"]["entrypoint"], Value::Null, "the image's own stays");
        assert_eq!((&config["auto_destroy"], &config["restart"]["policy"]), (&json!(true), &json!("no")));
        assert_eq!(config["dns"]["skip_registration"], json!(true));
        for (key, value) in [
            ("LOG", "info"),
            ("RELEASE_COMMAND", "1"),
            ("FLY_PROCESS_GROUP", "fly_app_release_command"),
            ("PRIMARY_REGION", "ams"),
        ] {
            assert_eq!(config["env"][key], json!(value), "{key}");
        }
        for none in ["services", "checks", "mounts"] {
            assert!(config[none].is_null(), "{none}: {config}");
        }
        assert_eq!(config["metadata"]["fly_process_group"], "fly_app_release_command");
        assert_eq!(config["metadata"]["understudy_one_off"], "p-1/api/release-command");
        assert_eq!(config["guest"], json!({"cpu_kind": "shared", "cpus": 2, "memory_mb": 512}));

        // The biggest of the default group; another group's and an unmanaged one's size is none of it.
        for (group, managed, memory) in
            [("app", true, 1024), ("app", true, 2048), ("worker", true, 4096), ("app", false, 8192)]
        {
            let mut metadata = BTreeMap::from([("fly_process_group", group)]);
            if managed {
                metadata.insert("fly_platform_version", "v2");
            }
            let config = json!({
                "image": image.to_string(), "metadata": metadata,
                "guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": memory},
            });
            let body = json!({"config": config, "skip_launch": true});
            let (status, said) = cloud.raw(Method::POST, "/v1/apps/web/machines", Some(body)).await;
            assert_eq!(status, 200, "{said}");
        }
        assert_eq!(made("release_command = \"migrate\"").await["guest"]["memory_mb"], 2048);
        let named = "release_command = \"migrate\"\nrelease_command_vm = { size = \"performance-1x\" }";
        assert_eq!(
            made(named).await["guest"],
            json!({"cpu_kind": "performance", "cpus": 1, "memory_mb": 2048})
        );
        // No deploy takes it for one of the app's machines, ours no more than flyctl's.
        let run = port.prepare(&at, &spec(&image, "release_command = \"migrate\"")).await.unwrap();
        let fly = cloud.fly();
        let fleet = On { deployer: &fly, place: at.clone() }.fleet().await;
        assert!(!fleet.unit(&run).unwrap().managed && fleet.live().all(|unit| unit.id != run));
        port.remove(&at, &run).await.unwrap();
        cloud.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p9_a_log_hides_what_looks_like_a_credential() {
    within(async {
        let cloud = Cloud::start().await;
        cloud.app("web").await;
        let image = image(&cloud).await;
        let (port, at) = (port(&cloud), place("fly", "web"));
        let said = "release_command = \"-c 'echo using postgres://app:hunter2@db/x and sb_secret_abc'\"";
        let run = port.prepare(&at, &spec(&image, said)).await.unwrap();
        until(async || (port.observe_run(&at, &run).await.unwrap() == OneOffState::Resting).then_some(()))
            .await;
        until(async || port.start(&at, &run).await.ok()).await;
        ended(&port, &run).await;
        let log =
            until(async || Some(port.observe_log(&at, &run).await.unwrap()).filter(|log| !log.is_empty()))
                .await;
        assert!(log[0].starts_with("using postgres://") && log[0].contains("@db/x and"), "{log:?}");
        assert!(!log[0].contains("hunter2") && !log[0].contains("secret_abc"), "{log:?}");
        cloud.end().await;
    })
    .await;
}

/// A machine that cannot boot stays where it is until somebody takes it away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_does_not_boot_is_told_and_is_still_there() {
    within(async {
        let cloud = Cloud::start().await;
        cloud.app("web").await;
        let image = image(&cloud).await;
        let (port, at) = (port(&cloud), place("fly", "web"));
        cloud.fault(json!({"name": "boot-failure", "count": 1})).await;
        let run = port.prepare(&at, &spec(&image, "release_command = \"migrate\"")).await.unwrap();
        until(async || port.start(&at, &run).await.ok()).await;
        let state = ended(&port, &run).await;
        assert_eq!(
            state,
            OneOffState::Ended { exit_code: None, why: Some("its machine failed to start".to_owned()) }
        );
        let runs = port.observe_runs(&at).await.unwrap();
        assert_eq!((runs.len(), runs[0].is_there, runs[0].key()), (1, true, Some("p-1/api/release-command")));
        port.remove(&at, &run).await.unwrap();
        assert!(port.observe_runs(&at).await.unwrap().iter().all(|run| !run.is_there));
        cloud.end().await;
    })
    .await;
}
