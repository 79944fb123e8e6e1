//! From the project's files to machines, and back to the same values.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use envconfig::{fly_toml::FlyToml, project::Project};
use promotion::model::{MaxUnavailable, Millis, Proof, QueueRule, Strategy, UnitSpec, frozen};
use promotion::ports::{Deployer, PortErrorKind};
use promotion::rollout::UnitCall;
use providers::{Dispatch, TargetError, Targets};
use serde_json::json;

use crate::support::{Cloud, On, map, place, within};

const PROJECT: &str = r#"
[components.api]
config = "fly.toml"
secrets = { required = ["DATABASE_URL"] }
[components.web]
kind = "static"
dir = "web"
[environments.production]
api.app = "runner"
web = { site = "runner-web", env = { apiUrl = "https://api.example" } }
[environments.staging]
api.app = "runner-staging"
api.overlay = { env = { APP_ENV = "staging" } }
"#;

const FLY_TOML: &str = r#"
app = "runner"
primary_region = "ams"
[env]
APP_ENV = "production"
[http_service]
internal_port = 8080
force_https = false
min_machines_running = 2
[[http_service.checks]]
method = "GET"
path = "/healthz"
interval = "2s"
timeout = "2s"
grace_period = "5s"
[[vm]]
memory = "512mb"
cpu_kind = "shared"
cpus = 1
"#;

fn files() -> (Project, BTreeMap<String, FlyToml>) {
    let project =
        Project::parse("understudy.toml", PROJECT).unwrap_or_else(|problems| panic!("{problems}")).value;
    let toml = FlyToml::parse("fly.toml", FLY_TOML).unwrap_or_else(|problems| panic!("{problems}")).value;
    (project, BTreeMap::from([("api".to_owned(), toml)]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_made_of_a_target_shows_no_difference_to_it() {
    within(async {
        let cloud = Cloud::start().await;
        cloud.app("runner").await;
        let image = cloud.image("runner", "v1").await;
        let (project, configs) = files();
        let targets = Targets::new(&project, "production", &configs).unwrap();
        let target = targets.target("api", image.clone(), image.clone(), None).unwrap();
        assert_eq!((target.place.provider.as_str(), target.place.name.as_str()), ("fly", "runner"));
        assert_eq!(target.strategy, Strategy::BlueGreen, "no volumes");
        assert_eq!(target.release_command, None);
        let required: Vec<&str> = target.secrets.required.iter().map(String::as_str).collect();
        assert_eq!((required, target.secrets.version), (vec!["DATABASE_URL"], None));
        assert_eq!(target.slots().len(), 2, "a new group with services gets two machines");
        let (group, app) = target.groups.first_key_value().unwrap();
        let fly = cloud.fly();
        let on = On { deployer: &fly, place: target.place.clone() };
        let (slot, _, region) = target.slots().remove(0);
        assert_eq!(region.as_str(), "ams");
        let spec = UnitSpec {
            group: group.clone(),
            region,
            image,
            config: app.config.clone(),
            secrets_version: None,
            standby_for: BTreeSet::new(),
        };
        let create = UnitCall::Create { slot, spec, labels: map(&[]), open: true };
        let id = on.call(create).await.unit.unwrap();
        let Proof::Checks(names) = &app.proof else { panic!("{:?}", app.proof) };
        let passing = |unit: &promotion::model::Unit| {
            names.iter().all(|name| unit.checks.iter().any(|check| check.name == *name && check.passing))
        };
        let unit = on.until(&id, passing).await;
        assert_eq!((&unit.config, &unit.group), (&app.config, group), "a fresh deploy is no drift");
        cloud.end().await;
    })
    .await;
}

#[test]
fn an_environment_differs_by_its_overlay_alone() {
    let (project, configs) = files();
    let image: flytypes::ImageRef =
        format!("registry.fly.io/runner@sha256:{}", "a".repeat(64)).parse().unwrap();
    let config = |environment: &str| {
        let targets = Targets::new(&project, environment, &configs).unwrap();
        let target = targets.target("api", image.clone(), image.clone(), None).unwrap();
        target.groups.into_values().next().unwrap().config
    };
    let (production, mut staging) = (config("production"), config("staging"));
    assert_eq!(
        (&production["env"]["APP_ENV"], &staging["env"]["APP_ENV"]),
        (&json!("production"), &json!("staging"))
    );
    staging["env"]["APP_ENV"] = json!("production");
    assert_eq!(staging, production);

    let targets = Targets::new(&project, "production", &configs).unwrap();
    assert_eq!(targets.components(), ["api", "web"]);
    let web = targets.target("web", image.clone(), image.clone(), None).unwrap();
    assert_eq!((web.place.provider.as_str(), web.strategy), ("static", Strategy::Immediate));
    assert_eq!(web.groups.values().next().unwrap().config, json!({"apiUrl": "https://api.example"}));

    let staging = Targets::new(&project, "staging", &configs).unwrap();
    let unbound = staging.target("web", image.clone(), image, None).unwrap_err();
    assert!(matches!(unbound, TargetError::NoBinding { .. }), "{unbound:?}");
    assert!(matches!(Targets::new(&project, "preview", &configs), Err(TargetError::NoEnvironment(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_place_has_its_own_deployer() {
    within(async {
        let cloud = Cloud::start().await;
        cloud.app("web").await;
        let production = "production".parse().unwrap();
        let dispatch = Dispatch::default().with(production, "fly", Arc::new(cloud.fly()));
        assert_eq!(dispatch.observe_fleet(&place("fly", "web")).await.unwrap().units.len(), 0);
        let staging =
            promotion::model::Place { environment: "staging".parse().unwrap(), ..place("fly", "web") };
        for place in [place("static", "web"), staging] {
            let refused = dispatch.observe_fleet(&place).await.unwrap_err();
            assert_eq!(refused.kind, PortErrorKind::Refused);
            assert!(refused.message.contains(place.environment.as_str()), "{refused}");
        }
        cloud.end().await;
    })
    .await;
}

/// What the project file says of the queue and of freezes is what the engine goes by, to the minute.
#[test]
fn the_queue_and_the_windows_of_a_freeze_are_the_project_files() {
    let read = |policy: &str, freeze: &str| {
        let text = PROJECT.replacen(
            "[environments.production]\n",
            &format!("[environments.production]\n{freeze}"),
            1,
        );
        let text = format!(
            "{text}\n[people]\nleads = [\"github:1\"]\n[promotion.staging.production]\nsuites = []\n{policy}"
        );
        Project::parse("understudy.toml", &text).unwrap_or_else(|p| panic!("{p}")).value
    };
    let queue = |policy: &str| {
        let project = read(policy, "");
        let rules = project.policy("staging", "production").unwrap();
        providers::policy(&project, Some("staging"), rules).unwrap().queue
    };
    assert_eq!(queue(""), QueueRule::FirstCome);
    assert_eq!(queue("queue = \"newest-wins\"\n"), QueueRule::NewestWins);
    assert_eq!(queue("queue = \"refuse\"\n"), QueueRule::Refuse);

    let window =
        "freeze = [{ from = \"Sun 23:59\", to = \"Mon 00:01\", zone = \"UTC\", reason = \"midnight\" }]\n";
    let project = read("", window);
    assert_eq!(providers::freezes(&project, "staging"), []);
    let windows = providers::freezes(&project, "production");
    // 2027-01-17 is a Sunday.
    let closed = |at: &str| frozen(&windows, at.parse().unwrap()).unwrap().map(|it| it.until.to_string());
    assert_eq!(closed("2027-01-17T23:58:59Z"), None);
    assert_eq!(closed("2027-01-17T23:59:00Z").as_deref(), Some("2027-01-18T00:01:00.000Z"));
    assert_eq!(closed("2027-01-18T00:01:00Z"), None);
}

/// The strategy and its numbers, from both files: what the project file says goes before what fly.toml says.
#[test]
fn strategies_and_their_numbers_come_from_both_files() {
    let image: flytypes::ImageRef =
        format!("registry.fly.io/runner@sha256:{}", "a".repeat(64)).parse().unwrap();
    let target = |policy: &str, toml: &str| {
        let project = format!(
            "{PROJECT}\n[people]\nleads = [\"github:1\"]\n[promotion.staging.production]\nsuites = []\n{policy}"
        );
        let project = Project::parse("understudy.toml", &project).unwrap_or_else(|p| panic!("{p}")).value;
        let toml = format!("{FLY_TOML}\n{toml}");
        let toml = FlyToml::parse("fly.toml", &toml).unwrap_or_else(|p| panic!("{p}")).value;
        let configs = BTreeMap::from([("api".to_owned(), toml)]);
        let rules = project.policy("staging", "production").unwrap();
        let targets = Targets::new(&project, "production", &configs).unwrap();
        targets.target("api", image.clone(), image.clone(), Some(rules)).unwrap()
    };
    // fly.md 2.2: max_unavailable 0.33, at least 1 is absolute.
    let width = |policy: &str, toml: &str| target(policy, toml).limits.max_unavailable;
    assert_eq!(width("", ""), MaxUnavailable::Part { permille: 330 });
    assert_eq!(width("", "[deploy]\nmax_unavailable = 2\n"), MaxUnavailable::Units(2));
    let both = width("max-unavailable = 0.5\n", "[deploy]\nmax_unavailable = 2\n");
    assert_eq!(both, MaxUnavailable::Part { permille: 500 });

    let canary =
        target("strategy = \"canary\"\nbake = \"90s\"\nwaves = [[\"lhr\"], [\"fra\", \"iad\"]]\n", "");
    assert_eq!((canary.strategy, canary.limits.bake), (Strategy::Canary, Millis::secs(90)));
    let waves: Vec<Vec<&str>> =
        canary.waves.iter().map(|wave| wave.iter().map(|region| region.as_str()).collect()).collect();
    assert_eq!(waves, [vec!["lhr"], vec!["fra", "iad"]]);
    assert_eq!(target("", "").limits.bake, Millis::secs(300));

    // fly.md 8: one volume = one machine = no second fleet.
    let volume = "[[mounts]]\nsource = \"data\"\ndestination = \"/data\"\n";
    for policy in ["", "strategy = \"bluegreen\"\n"] {
        let target = target(policy, volume);
        assert_eq!(target.strategy, Strategy::Rolling, "{policy}");
        assert!(target.because.unwrap().contains("a volume belongs to one machine"), "{policy}");
    }
    assert_eq!(target("strategy = \"canary\"\n", volume).strategy, Strategy::Canary, "in place");
    assert_eq!(target("", "").because, None);

    // Where the project file says nothing, fly.toml's own words count (fly.md 3.2: `[deploy]` strategy, wait_timeout).
    for (word, strategy) in [
        ("rolling", Strategy::Rolling),
        ("canary", Strategy::Canary),
        ("bluegreen", Strategy::BlueGreen),
        ("immediate", Strategy::Immediate),
    ] {
        let deploy = format!("[deploy]\nstrategy = \"{word}\"\n");
        let found = target("", &deploy);
        assert_eq!(found.strategy, strategy, "{word}");
        let because = found.because.unwrap_or_default();
        assert_eq!(
            because.contains("`[deploy] strategy`"),
            strategy != Strategy::BlueGreen,
            "{word}: {because}"
        );
        let asked = target("strategy = \"canary\"\n", &deploy);
        let because = asked.because.unwrap();
        assert_eq!(asked.strategy, Strategy::Canary, "{word}");
        assert!(because.contains("the project file") && !because.contains("[deploy]"), "{word}: {because}");
        // Who answers requests, of whom some are lost while all change at once, whoever chose that (P7).
        assert_eq!(found.serves, ["app".parse().unwrap()].into(), "{word}");
        let policy = format!("strategy = \"{word}\"\n");
        assert_eq!(target(&policy, "").because.is_some(), strategy != Strategy::BlueGreen, "{word}");
    }
    let groups = "[processes]\nweb = \"serve\"\nqueue = \"work\"\n";
    let toml = FLY_TOML.replace("internal_port = 8080", "internal_port = 8080\nprocesses = [\"web\"]");
    let toml =
        FlyToml::parse("fly.toml", &format!("{toml}\n{groups}")).unwrap_or_else(|p| panic!("{p}")).value;
    let (project, configs) = (files().0, BTreeMap::from([("api".to_owned(), toml)]));
    let targets = Targets::new(&project, "production", &configs).unwrap();
    let two = targets.target("api", image.clone(), image.clone(), None).unwrap();
    assert_eq!(
        (two.groups.len(), two.serves),
        (2, ["web".parse().unwrap()].into()),
        "fly.md 3.2: by `processes`"
    );
    let both = target("", &format!("[deploy]\nstrategy = \"bluegreen\"\n{volume}"));
    assert_eq!(both.strategy, Strategy::Rolling, "no second fleet with a volume");
    let wait = |policy: &str, toml: &str| target(policy, toml).limits.wait;
    assert_eq!(wait("", ""), Millis::secs(300));
    assert_eq!(wait("", "[deploy]\nwait_timeout = \"10m\"\n"), Millis::secs(600));
    assert_eq!(wait("wait-timeout = \"1m\"\n", "[deploy]\nwait_timeout = \"10m\"\n"), Millis::secs(60));
}
