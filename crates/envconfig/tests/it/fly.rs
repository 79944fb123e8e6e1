//! fly.toml into machine configurations. Expected values are worked out by hand from the rules of flyctl's
//! `internal/appconfig`, named at each place.

use std::time::Duration;

use envconfig::{
    Code, Problem, ProcessGroup, Severity,
    fly_toml::{FlyToml, Timeout},
    project::{MaxUnavailable, Project, Strategy},
};
use flytypes::machine::MachineConfig;
use serde_json::{Value, json};

/// A staging file as teams write it, to the letter.
pub(crate) const STAGING: &str = r#"app = "blue-banded-bee-staging"
primary_region = "syd"

[build]

[env]
  APP_ENV = "staging"
  LOG_LEVEL = "debug"

[http_service]
  internal_port = 8080
  force_https = true
  auto_stop_machines = false
  auto_start_machines = true
  min_machines_running = 1
  processes = ["app"]

[[vm]]
  memory = "1gb"
  cpu_kind = "shared"
  cpus = 1
"#;

pub(crate) fn read(text: &str) -> FlyToml {
    let parsed = FlyToml::parse("fly.toml", text).unwrap_or_else(|problems| panic!("{problems}"));
    let mut findings = parsed.findings;
    findings.retain(|problem| problem.severity > Severity::Note);
    assert_eq!(findings, [], "{findings:#?}");
    parsed.value
}

fn findings(text: &str) -> Vec<Problem> {
    match FlyToml::parse("fly.toml", text) {
        Ok(parsed) => parsed.findings,
        Err(problems) => problems.list,
    }
}

fn group(fly: &FlyToml, name: &str) -> MachineConfig {
    fly.flatten().remove(&name.parse::<ProcessGroup>().unwrap()).unwrap_or_else(|| panic!("no group {name}"))
}

fn json_of(config: &MachineConfig) -> Value {
    serde_json::to_value(config).unwrap()
}

#[test]
fn a_staging_file_becomes_one_machine_configuration() {
    let fly = read(STAGING);
    assert_eq!(fly.groups(), [fly.default_group()]);
    assert_eq!(
        json_of(&group(&fly, "app")),
        json!({
            // env gains FLY_PROCESS_GROUP and PRIMARY_REGION.
            "env": {"APP_ENV": "staging", "LOG_LEVEL": "debug", "FLY_PROCESS_GROUP": "app", "PRIMARY_REGION": "syd"},
            "metadata": {"fly_platform_version": "v2", "fly_process_group": "app"},
            // Preset shared-cpu-1x, then the explicit memory; memory has binary units.
            "guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": 1024},
            // http_service is one tcp service: 80 [http] with force_https, 443 [http, tls].
            "services": [{
                "protocol": "tcp", "internal_port": 8080, "autostart": true, "autostop": false, "min_machines_running": 1,
                "ports": [{"port": 80, "handlers": ["http"], "force_https": true}, {"port": 443, "handlers": ["http", "tls"]}],
            }],
        })
    );
}

const GROUPS: &str = r#"
app = "shop"
kill_signal = "SIGTERM"
kill_timeout = 30
swap_size_mb = 512
[env]
N = 1
[processes]
web = "bin/web --bind '0.0.0.0:8080'"
worker = "bin/worker"
[http_service]
internal_port = 8080
processes = ["web"]
[http_service.concurrency]
type = "requests"
soft_limit = 20
hard_limit = 25
[[http_service.checks]]
path = "/healthz"
interval = 10000
timeout = "2s"
grace_period = "5s"
method = "get"
headers = { X-Probe = "1" }
[[services]]
internal_port = "9000"
protocol = "udp"
processes = ["worker"]
ports = [{ port = "9000" }]
[checks.alive]
type = "tcp"
port = 7000
processes = ["worker"]
[checks.page]
type = "http"
path = "/"
processes = ["web"]
[[vm]]
size = "shared-cpu-2x"
[[vm]]
size = "performance-1x"
memory = "4gb"
processes = ["worker"]
[[mounts]]
source = "data"
destination = "/data"
initial_size = "10gb"
auto_extend_size_threshold = 80
auto_extend_size_increment = "1GB"
auto_extend_size_limit = "50GB"
processes = ["worker"]
[[restart]]
policy = "never"
processes = ["worker"]
[[metrics]]
port = 9091
path = "/metrics"
[[statics]]
guest_path = "/app/public"
url_prefix = "/static/"
"#;

#[test]
fn each_section_goes_to_its_process_group() {
    let fly = read(GROUPS);
    // No group is called `app`, so the alphabetically first is the default one.
    assert_eq!(fly.default_group().as_str(), "web");
    let web = json_of(&group(&fly, "web"));
    assert_eq!(
        web,
        json!({
            "env": {"N": "1", "FLY_PROCESS_GROUP": "web"},
            "metadata": {"fly_platform_version": "v2", "fly_process_group": "web"},
            "init": {"cmd": ["bin/web", "--bind", "0.0.0.0:8080"], "swap_size_mb": 512},
            "stop_config": {"signal": "SIGTERM", "timeout": "30s"}, // integers are seconds
            "guest": {"cpu_kind": "shared", "cpus": 2, "memory_mb": 512}, // [[vm]] without processes: every group
            "services": [{
                "protocol": "tcp", "internal_port": 8080,
                "concurrency": {"type": "requests", "soft_limit": 20, "hard_limit": 25},
                "ports": [{"port": 80, "handlers": ["http"]}, {"port": 443, "handlers": ["http", "tls"]}],
                // Integers of checks are milliseconds; the method is upper-cased.
                "checks": [{"type": "http", "interval": "10s", "timeout": "2s", "grace_period": "5s", "method": "GET",
                            "path": "/healthz", "headers": [{"name": "X-Probe", "values": ["1"]}]}],
            }],
            // A check of the app takes http_service's port.
            "checks": {"page": {"type": "http", "path": "/", "port": 8080}},
            // Without processes: the default group.
            "metrics": {"port": 9091, "path": "/metrics"},
            "statics": [{"guest_path": "/app/public", "url_prefix": "/static/"}],
        })
    );
    assert_eq!(
        json_of(&group(&fly, "worker")),
        json!({
            "env": {"N": "1", "FLY_PROCESS_GROUP": "worker"},
            "metadata": {"fly_platform_version": "v2", "fly_process_group": "worker"},
            "init": {"cmd": ["bin/worker"], "swap_size_mb": 512},
            "stop_config": {"signal": "SIGTERM", "timeout": "30s"},
            // The more specific [[vm]] wins; explicit memory goes before the preset's.
            "guest": {"cpu_kind": "performance", "cpus": 1, "memory_mb": 4096},
            "restart": {"policy": "no"}, // never → no
            "services": [{"protocol": "udp", "internal_port": 9000, "ports": [{"port": 9000}]}],
            "checks": {"alive": {"type": "tcp", "port": 7000}},
            "mounts": [{"path": "/data", "name": "data", "extend_threshold_percent": 80, "add_size_gb": 1, "size_gb_limit": 50}],
            // Statics cannot name a group: flyctl's Flatten leaves them in each group's configuration.
            "statics": [{"guest_path": "/app/public", "url_prefix": "/static/"}],
        })
    );
    assert!(fly.has_mounts(&"worker".parse().unwrap()) && !fly.has_mounts(&"web".parse().unwrap()));
    assert_eq!(fly.mounts[0].value.initial_size_gb, Some(10));
}

#[test]
fn app_is_the_default_group_where_it_exists() {
    let fly =
        read("[processes]\nzebra = \"z\"\napp = \"a\"\nant = \"x\"\n[checks.c]\ntype = \"tcp\"\nport = 1\n");
    assert_eq!(fly.default_group().as_str(), "app");
    assert_eq!(group(&fly, "app").checks.len(), 1);
    assert_eq!(group(&fly, "ant").checks.len(), 0);
}

#[test]
fn without_vm_the_machine_keeps_its_size() {
    assert_eq!(group(&read("app = \"a\"\n"), "app").guest, None);
}

#[test]
fn deploy_says_how_flyctl_would_deploy() {
    let fly = read(
        "[deploy]\nstrategy = \"canary\"\nrelease_command = \"bin/rails db:migrate\"\nrelease_command_timeout = \"none\"\n\
         wait_timeout = \"5m0s\"\nmax_unavailable = 0.5\n",
    );
    assert_eq!(fly.deploy.strategy, Some(Strategy::Canary));
    assert_eq!(
        fly.deploy.release_command.as_deref(),
        Some(["bin/rails".to_owned(), "db:migrate".to_owned()].as_slice())
    );
    assert_eq!(fly.deploy.release_command_timeout, Some(Timeout::Unlimited));
    assert_eq!(fly.release_command().unwrap().timeout, None);
    assert_eq!(fly.deploy.wait_timeout.unwrap().to_string(), "5m0s");
    assert_eq!(fly.deploy.max_unavailable.map(|m: MaxUnavailable| m.of(4)), Some(2));
    // A release command is no machine's command.
    assert_eq!(group(&fly, "app").init, None);
}

/// fly.md 2.4: "auto_destroy, restart `no`, dns.skip_registration, no services/mounts/checks, `init.cmd` = shell-split
/// command (ENTRYPOINT kept)"; 2.3: the variables; 2.2: five minutes.
#[test]
fn a_release_command_gets_a_machine_of_its_own() {
    let file = |deploy: &str| {
        read(&format!(
            "app = \"a\"\nprimary_region = \"ams\"\nkill_signal = \"SIGTERM\"\nswap_size_mb = 256\n[env]\nLOG = \"info\"\n\
             [experimental]\nentrypoint = \"/other\"\n[deploy]\n{deploy}\n[mounts]\nsource = \"data\"\ndestination = \"/d\"\n\
             [http_service]\ninternal_port = 8080\n[checks.up]\ntype = \"tcp\"\nport = 8080\n"
        ))
    };
    let release = file("release_command = \"bin/rails db:migrate 'a b'\"").release_command().unwrap();
    assert_eq!(release.words, ["bin/rails", "db:migrate", "a b"]);
    assert_eq!(release.timeout, Some(Duration::from_secs(300)));
    assert_eq!(
        serde_json::to_value(&release.config).unwrap(),
        serde_json::json!({
            "env": {
                "LOG": "info", "RELEASE_COMMAND": "1", "FLY_PROCESS_GROUP": "fly_app_release_command",
                "PRIMARY_REGION": "ams",
            },
            "init": {"cmd": ["bin/rails", "db:migrate", "a b"]},
            "restart": {"policy": "no"}, "auto_destroy": true, "dns": {"skip_registration": true},
        })
    );
    let sized = file(
        "release_command = \"migrate\"\nrelease_command_timeout = \"90s\"\n\
         release_command_vm = { size = \"performance-2x\", memory = \"8gb\" }",
    );
    let release = sized.release_command().unwrap();
    assert_eq!(release.timeout, Some(Duration::from_secs(90)));
    let guest = release.config.guest.unwrap();
    assert_eq!(
        (guest.cpu_kind.as_deref(), guest.cpus, guest.memory_mb),
        (Some("performance"), Some(2), Some(8192))
    );
    for none in ["", "release_command = \"\"", "release_command_timeout = \"1m\""] {
        assert_eq!(file(none).release_command(), None, "{none}");
    }
}

#[test]
fn an_overlay_changes_what_an_environment_does_differently() {
    let project = Project::parse(
        "understudy.toml",
        r#"
[components.api]
config = "fly.toml"
[environments.staging]
api.app = "shop-staging"
api.overlay = { env = { APP_ENV = "staging", N = 2 }, primary_region = "fra", min_machines_running = 0, auto_stop_machines = "stop", vm = { memory = "512mb" } }
"#,
    )
    .unwrap()
    .value;
    let overlay = &project.environment("staging").unwrap().bindings["api"].as_fly().unwrap().overlay;
    let mut fly = read(GROUPS);
    fly.apply_overlay(overlay);
    let web = group(&fly, "web");
    assert_eq!(web.env["N"], "2");
    assert_eq!((web.env["APP_ENV"].as_str(), web.env["PRIMARY_REGION"].as_str()), ("staging", "fra"));
    assert_eq!(web.services[0].min_machines_running, Some(0));
    assert_eq!(json_of(&web)["services"][0]["autostop"], json!(true));
    let guest = web.guest.unwrap();
    assert_eq!((guest.cpus, guest.memory_mb), (Some(2), Some(512)));
    // A preset is kept, its memory is not.
    assert_eq!(group(&fly, "worker").guest.unwrap().memory_mb, Some(512));
    let mut bare = read("app = \"a\"\n");
    bare.apply_overlay(overlay);
    assert_eq!(group(&bare, "app").guest.unwrap().memory_mb, Some(512));
    let before = read(GROUPS);
    let mut same = before.clone();
    same.apply_overlay(&envconfig::fly_toml::Overlay::default());
    assert_eq!(same, before);
}

/// flyctl starts from a clone of the machine's present configuration.
#[test]
fn an_update_keeps_what_fly_toml_does_not_speak_of() {
    let present: MachineConfig = serde_json::from_value(json!({
        "image": "registry.fly.io/shop:1", "env": {"OLD": "1"}, "metadata": {"team": "a", "fly_process_group": "x"},
        "init": {"cmd": ["old"], "tty": true}, "guest": {"cpu_kind": "performance", "cpus": 1, "memory_mb": 2048},
        "services": [{"protocol": "tcp", "internal_port": 1}], "restart": {"policy": "always"},
        "mounts": [{"volume": "vol_1", "path": "/data", "name": "data", "encrypted": true, "add_size_gb": 9}],
        "schedule": "daily", "dns": {"skip_registration": true}, "standbys": ["3287457df24987"], "auto_destroy": true,
        "future": 1
    }))
    .unwrap();
    let fly = read("[env]\nNEW = \"2\"\n[mounts]\nsource = \"data\"\ndestination = \"/srv\"\n");
    let merged = envconfig::fly_toml::onto(&present, &group(&fly, "app"));
    assert_eq!(
        json_of(&merged),
        json!({
            "image": "registry.fly.io/shop:1", "env": {"NEW": "2", "FLY_PROCESS_GROUP": "app"},
            "metadata": {"team": "a", "fly_process_group": "app", "fly_platform_version": "v2"},
            "init": {"tty": true}, "guest": {"cpu_kind": "performance", "cpus": 1, "memory_mb": 2048},
            "mounts": [{"volume": "vol_1", "path": "/srv", "name": "data", "encrypted": true}],
            "schedule": "daily", "dns": {"skip_registration": true}, "standbys": ["3287457df24987"], "auto_destroy": true,
            "future": 1
        })
    );
    let sized = envconfig::fly_toml::onto(&present, &group(&read("[vm]\nsize = \"shared-cpu-1x\"\n"), "app"));
    assert_eq!(sized.guest.unwrap().memory_mb, Some(256));
}

/// flyctl reads `machine_config` onto the clone of the present configuration, and puts the rest of fly.toml over it.
#[test]
fn a_machine_configuration_in_the_file_goes_over_what_there_is() {
    let present: MachineConfig = serde_json::from_value(json!({
        "image": "registry.fly.io/shop:1", "schedule": "daily", "init": {"kernel_args": ["quiet"]}, "future": 1,
        "dns": {"skip_registration": true}, "guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": 256},
    }))
    .unwrap();
    let base = r#"{"schedule": "weekly", "init": {"tty": true}, "newer": 2, "guest": {"cpu_kind": "shared", "cpus": 2, "memory_mb": 512}}"#;
    let fly = read(&format!("machine_config = '{base}'\n"));
    assert_eq!(
        json_of(&envconfig::fly_toml::onto(&present, &group(&fly, "app"))),
        json!({
            "image": "registry.fly.io/shop:1", "schedule": "weekly", "init": {"tty": true, "kernel_args": ["quiet"]},
            "dns": {"skip_registration": true}, "guest": {"cpu_kind": "shared", "cpus": 2, "memory_mb": 512},
            "env": {"FLY_PROCESS_GROUP": "app"},
            "metadata": {"fly_platform_version": "v2", "fly_process_group": "app"},
            "future": 1, "newer": 2,
        })
    );
}

#[test]
fn unknown_keys_are_findings_and_the_file_is_still_read() {
    // Seen in real files: a key that Fly never had.
    let text = "app = \"a\"\n[http_service]\ninternal_port = 80\nmax_machines_running = 1\nauto_stop_machine = true\n";
    let parsed = FlyToml::parse("fly.toml", text).unwrap();
    let said: Vec<(Severity, Code, u32, Option<&str>)> =
        parsed.findings.iter().map(|p| (p.severity, p.code, p.line, p.hint.as_deref())).collect();
    assert_eq!(
        said,
        [
            (Severity::Warning, Code::UnknownKey, 4, Some("did you mean `min_machines_running`?")),
            (Severity::Warning, Code::UnknownKey, 5, Some("did you mean `auto_stop_machines`?")),
        ]
    );
    assert_eq!(parsed.value.http_service.unwrap().value.internal_port, 80);
}

#[test]
fn each_mistake_has_its_code() {
    let mount = "[[mounts]]\nsource = \"a\"\ndestination = \"/a\"\n";
    let table: Vec<(String, Code, &str)> = vec![
        ("[http_service]\n".to_owned(), Code::Missing, "has no `internal_port`"),
        ("[http_service]\ninternal_port = 0\n".to_owned(), Code::Malformed, "between 1 and 65535"),
        ("[http_service]\ninternal_port = \"http\"\n".to_owned(), Code::Malformed, "not a port"),
        (
            "[http_service]\ninternal_port = 1\nauto_stop_machines = \"sleep\"\n".to_owned(),
            Code::UnknownWord,
            "`suspend`",
        ),
        (
            "[http_service]\ninternal_port = 1\nprocesses = [\"web\"]\n".to_owned(),
            Code::NoProcessGroup,
            "only `app`",
        ),
        (
            "[processes]\nweb = \"x\"\n[http_service]\ninternal_port = 1\n".to_owned(),
            Code::NoProcesses,
            "processes = [\"web\"]",
        ),
        ("[processes]\nweb = \"x 'y\"\n".to_owned(), Code::Malformed, "a quote is not closed"),
        (
            "[http_service]\ninternal_port = 1\n[[http_service.checks]]\ninterval = \"10ms\"\n".to_owned(),
            Code::Clamped,
            "takes 1s instead",
        ),
        (
            "[http_service]\ninternal_port = 1\n[[http_service.checks]]\ntimeout = 120000\n".to_owned(),
            Code::Clamped,
            "takes 1m0s instead",
        ),
        (
            "[checks.a]\ntype = \"tcp\"\n".to_owned(),
            Code::CheckWithoutPort,
            "no `http_service` to take it from",
        ),
        ("[checks.a]\ntype = \"grpc\"\nport = 1\n".to_owned(), Code::UnknownWord, "one of `http`, `tcp`"),
        ("[[vm]]\nsize = \"shared-cpu-3x\"\n".to_owned(), Code::Guest, "no size of Fly's machines"),
        ("[[vm]]\nmemory = \"8gb\"\n".to_owned(), Code::Guest, "256 to 2048 MB"),
        ("[[vm]]\nmemory = \"a lot\"\n".to_owned(), Code::Malformed, "not a size"),
        (format!("{mount}{mount}"), Code::MountTwice, "at most one volume"),
        (format!("[deploy]\nstrategy = \"bluegreen\"\n{mount}"), Code::StrategyVolumes, "rolling"),
        (
            "[http_service]\ninternal_port = 1\n[[services]]\ninternal_port = 2\nports = [{ port = 443 }]\n"
                .to_owned(),
            Code::PortTwice,
            "port 443",
        ),
        ("[[restart]]\npolicy = \"sometimes\"\n".to_owned(), Code::UnknownWord, "on-failure"),
        ("app = \"Shop\"\n".to_owned(), Code::Malformed, "not a Fly app name"),
        (
            "[http_service]\ninternal_port = 1\nhttp_options = { compress = \"yes\" }\n".to_owned(),
            Code::WrongType,
            "wrong type",
        ),
        (
            "[http_service]\ninternal_port = 1\nhttp_options = { compres = true }\n".to_owned(),
            Code::UnknownKey,
            "no such key",
        ),
        (
            "[http_service]\ninternal_port = 1\nconcurrency = \"20\"\n".to_owned(),
            Code::Malformed,
            "two numbers",
        ),
        ("[env]\nA = []\n".to_owned(), Code::EnvNotText, "is a list"),
        // signal(7)
        ("kill_signal = \"SIGFOO\"\n".to_owned(), Code::NoSignal, "there is no signal `SIGFOO`"),
        ("kill_signal = \"SIGTRM\"\n".to_owned(), Code::NoSignal, "did you mean `SIGTERM`?"),
        (
            "[http_service]\ninternal_port = 1\n[[http_service.checks]]\npath = \"healthz\"\n".to_owned(),
            Code::CheckPath,
            "write `\"/healthz\"`",
        ),
        ("[checks.a]\ntype = \"http\"\nport = 1\npath = \"up\"\n".to_owned(), Code::CheckPath, "`\"/up\"`"),
        ("app = \n".to_owned(), Code::Syntax, "no TOML"),
    ];
    for (text, code, said) in table {
        let list = findings(&text);
        assert_eq!(list.len(), 1, "{list:#?}\nin\n{text}");
        assert_eq!(list[0].code, code, "{}", list[0]);
        assert!(list[0].to_string().contains(said), "{said:?} is not in\n{}", list[0]);
    }
}

#[test]
fn values_of_env_and_files_are_never_repeated() {
    for text in [
        "env = { A = \"hunter2\", B = [] }\n",
        "[[files]]\nguest_path = 3\nraw_value = \"hunter2\"\n",
        "files = [{ raw_value = \"hunter2\", guest_path = 3 }]\n",
        "[http_service]\ninternal_port = 1\nchecks = [{ headers = { Authorization = \"hunter2\" }, path = 3 }]\n",
        "[http_service]\ninternal_port = 1\nhttp_options = { response = { headers = { A = \"hunter2\" } }, compress = 3 }\n",
    ] {
        let list = findings(text);
        assert_eq!(list.len(), 1, "{list:#?}");
        assert!(!format!("{}{:?}", list[0], list[0]).contains("hunter2"), "{}", list[0]);
    }
}

mod against_the_project {
    use super::*;

    fn cross(project: &str, fly: &str) -> Vec<(Code, Severity, u32)> {
        let text = format!(
            "[components.api]\nconfig = \"fly.toml\"\n{project}[environments.production]\napi.app = \"runner\"\n\
             [environments.staging]\napi.app = \"runner-staging\"\n[people]\na = [\"github:1\"]\n"
        );
        let project =
            Project::parse("understudy.toml", &text).unwrap_or_else(|problems| panic!("{problems}")).value;
        let api = "api".parse().unwrap();
        envconfig::cross::findings(&project, "understudy.toml", &api, "fly.toml", &read(fly))
            .iter()
            .map(|p| (p.code, p.severity, p.line))
            .collect()
    }

    const CHECKED: &str = "app = \"runner\"\n[checks.a]\ntype = \"tcp\"\nport = 1\n";

    #[test]
    fn a_checked_app_is_fine() {
        assert_eq!(cross("", CHECKED), []);
    }

    #[test]
    fn silence_about_health_is_refused() {
        assert_eq!(cross("", "app = \"runner\"\n"), [(Code::NoChecks, Severity::Error, 0)]);
        let group = "app = \"runner\"\n[processes]\nweb = \"x\"\n";
        assert_eq!(cross("", group), [(Code::NoChecks, Severity::Error, 3)]);
        assert_eq!(cross("healthy = { started-for = \"30s\" }\n", "app = \"runner\"\n"), []);
    }

    /// `env:NAME` in the project file is a secret; here also the default token of an environment.
    #[test]
    fn a_variable_with_the_name_of_a_secret_is_named_at_its_line() {
        let env = format!("{CHECKED}[env]\nPORT = \"1\"\nFLY_TOKEN_STAGING = \"x\"\n");
        assert_eq!(cross("", &env), [(Code::EnvSecret, Severity::Warning, 7)]);
        let store = "[store]\nurl = \"env:STORE\"\n";
        let env = format!("{CHECKED}[env]\nSTORE = \"x\"\n");
        assert_eq!(cross(store, &env), [(Code::EnvSecret, Severity::Warning, 6)]);
        assert_eq!(cross("", &env), []);
    }

    #[test]
    fn a_secret_that_is_required_is_no_variable() {
        let env = format!("{CHECKED}[env]\nDATABASE_URL = \"x\"\n");
        let required = "secrets = { required = [\"DATABASE_URL\"] }\n";
        assert_eq!(cross(required, &env), [(Code::EnvSecret, Severity::Warning, 6)]);
        assert_eq!(cross(required, CHECKED), []);
    }

    /// fly.md 3.3: performance CPUs have 2048 to 8192 MB each; what production's file says itself is said there.
    #[test]
    fn a_size_that_only_an_overlay_makes_is_named_at_its_environment() {
        let big = format!("{CHECKED}[vm]\nsize = \"performance-1x\"\n");
        let overlay =
            |vm: &str| format!("[environments.pre]\napi.app = \"pre\"\napi.overlay.vm = {{ {vm} }}\n");
        assert_eq!(cross(&overlay("memory = \"512mb\""), &big), [(Code::Guest, Severity::Warning, 4)]);
        assert_eq!(cross(&overlay("size = \"shared-cpu-1x\""), &big), []);
        assert_eq!(cross(&overlay("memory = \"512mb\""), CHECKED), []);
    }

    /// 4 GB are too much for the default size and right for a performance CPU, and the overlay does not say which it is.
    #[test]
    fn an_overlay_alone_is_no_size() {
        let text = "[components.api]\nconfig = \"fly.toml\"\n[environments.pre]\napi.app = \"pre\"\n\
                    api.overlay.vm.memory = \"4gb\"\n";
        assert_eq!(Project::parse("understudy.toml", text).unwrap().findings, []);
    }

    #[test]
    fn another_app_is_named() {
        let other = CHECKED.replace("runner", "other");
        assert_eq!(cross("", &other), [(Code::OtherApp, Severity::Warning, 0)]);
    }

    #[test]
    fn a_strategy_that_volumes_forbid_is_refused_at_its_line() {
        let volumes = format!("{CHECKED}[mounts]\nsource = \"d\"\ndestination = \"/d\"\n");
        assert_eq!(cross("", &volumes), []);
        let policy = "[promotion.staging.production]\nstrategy = \"bluegreen\"\n";
        assert_eq!(cross(policy, &volumes), [(Code::PolicyVolumes, Severity::Error, 4)]);
    }
}

/// Where nobody can read files, what they say is left out, and that is said.
#[test]
fn files_that_nobody_can_read_are_left_out_and_named() {
    let text = "machine_config = \"m.json\"\n[[files]]\nguest_path = \"/a\"\nlocal_path = \"a\"\n\
                [checks.alive]\ntype = \"tcp\"\nport = 1\n";
    let parsed = FlyToml::parse("fly.toml", text).unwrap();
    let said: Vec<_> = parsed.findings.iter().map(|p| (p.code, p.line, p.column)).collect();
    assert_eq!(said, [(Code::OnlyFlyctl, 1, 18), (Code::OnlyFlyctl, 4, 14)]);
    assert!(parsed.value.files.is_empty() && parsed.value.machine_config.is_none());

    let missing = |named: &str| Err(format!("{named} is not there"));
    let problems = FlyToml::parse_beside("fly.toml", text, &missing).unwrap_err().list;
    let said: Vec<_> = problems.iter().map(|p| (p.code, p.line, p.column)).collect();
    assert_eq!(said, [(Code::Unreadable, 1, 18), (Code::Unreadable, 4, 14)]);
}
