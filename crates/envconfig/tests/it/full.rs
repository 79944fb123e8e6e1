//! The project files that the documentation shows, read into values.

use envconfig::{
    Period, SecretRef, Source,
    project::{
        Access, Binding, Class, Component, HealthProof, Lifecycle, Project, Queue, Strategy, Tests, Trigger,
    },
};

pub(crate) const SMALLEST: &str = r#"
[components.api]
config = "fly.toml"                      # production's; staging is an overlay, not a copy
[environments.production]
api.app = "runner"
[environments.staging]
api.app = "runner-staging"
[people]
leads = ["github:583231", "ssh:SHA256:AAAAB3NzaC1yc2EAAAADAQABAAABAQC7abcdefghijk"]
"#;

pub(crate) const FULL: &str = r#"[project]
name = "runner"                          # version: --version, else image label, else git describe
[store]
url = "env:UNDERSTUDY_STORE"             # default SQLite in the user's state directory; refused for production under CI
[components.api]
kind = "fly"
config = "fly.toml"
healthy = { started-for = "30s" }        # only where a group has no checks
[components.web]
kind = "static"
dir = "web/dist"
[components.db]
kind = "supabase"
migrations = "supabase/migrations"
[environments.production]
class = "production"
branch = "main"
fly = { org = "acme-prod", token = "env:FLY_TOKEN_PRODUCTION" }
api.app = "runner"
db.project = "prodprojectrefabcdefg"
[environments.staging]
class = "staging"
branch = "staging"
mirrors = "production"
fly = { org = "acme-staging", token = "env:FLY_TOKEN_STAGING" }
api.app = "runner-staging"
api.overlay = { env = { APP_ENV = "staging", LOG_LEVEL = "debug" } }
access = "allowlist"
parity.may-differ = ["vm.memory", "min_machines_running"]
[promotion.staging.production]
suites = ["smoke", "functional", "security", "load"]
attestation-max-age = "24h"
approvals = { count = 1, from = ["leads"], expires = "24h" }
strategy = "bluegreen"
soak = "5m"
breaker = { failures = 3, window = "24h" }
[people]
leads = ["github:583231"]
"#;

pub(crate) fn read(text: &str) -> Project {
    match Project::parse("understudy.toml", text) {
        Ok(parsed) => parsed.value,
        Err(problems) => panic!("{problems}"),
    }
}

fn seconds(n: u64) -> Period {
    Period::from_secs(n)
}

#[test]
fn the_smallest_file_promotes_from_staging_to_production() {
    let parsed = Project::parse("understudy.toml", SMALLEST).unwrap();
    assert_eq!(parsed.findings, []);
    let project = parsed.value;
    let production = project.environment("production").unwrap();
    let staging = project.environment("staging").unwrap();
    assert_eq!((production.class.value, staging.class.value), (Class::Production, Class::Staging));
    assert!(production.class.is_default());
    assert_eq!(staging.lifecycle.value, Lifecycle::Persistent);
    assert_eq!(production.fly.token.value.to_string(), "env:FLY_TOKEN_PRODUCTION");
    assert_eq!(staging.fly.token.value.to_string(), "env:FLY_TOKEN_STAGING");
    let Component::Fly { config, healthy: None, required_secrets } = project.component("api").unwrap() else {
        panic!("kind")
    };
    assert!(required_secrets.value.is_empty() && required_secrets.is_default());
    assert_eq!(config.value.as_str(), "fly.toml");
    assert_eq!(project.paths().len(), 1);
    let policy = project.policy("staging", "production").unwrap();
    assert_eq!(policy.approvals.count.value, 1);
    assert_eq!(policy.approvals.from.value[0].as_str(), "leads");
    assert_eq!(policy.approvals.expires.value, seconds(86400));
    assert_eq!(policy.attestation_max_age.value, seconds(86400));
    assert_eq!((policy.settle.value, policy.drain.value), (seconds(10), seconds(30)));
    assert_eq!((policy.soak.value, policy.wait_timeout.value), (Period::ZERO, seconds(300)));
    assert_eq!((policy.breaker.failures.value, policy.breaker.window.value), (3, seconds(86400)));
    assert_eq!(
        (policy.park_for.value, policy.max_unavailable.value.to_string().as_str()),
        (seconds(600), "0.33")
    );
    assert_eq!(policy.strategy_for(false).value, Strategy::BlueGreen);
    assert_eq!(policy.strategy_for(true).value, Strategy::Rolling);
}

/// A key is named and never written down.
#[test]
fn the_runners_key_is_a_reference() {
    for (key, is_good) in
        [("env:RUNNER_KEY", true), ("file:keys/runner", true), ("b3BlbnNzaC1rZXktdjE", false)]
    {
        let with = format!("[store]\nurl = \"env:UNDERSTUDY_STORE\"\nkey = \"{key}\"");
        let text = FULL.replacen("[store]\nurl = \"env:UNDERSTUDY_STORE\"", &with, 1);
        match Project::parse("understudy.toml", &text) {
            Ok(parsed) => {
                let named = parsed.value.store().unwrap().key.as_ref().unwrap().to_string();
                assert_eq!((named.as_str(), is_good), (key, true));
            }
            Err(problems) => assert!(!is_good && !problems.to_string().contains(key), "{problems}"),
        }
    }
}

/// A directory for anchors is an address, and no file with a secret in it.
#[test]
fn anchors_go_to_a_directory_a_bucket_or_where_a_variable_says() {
    use envconfig::project::StoreUrl;
    for (anchor, is_secret) in [("file:///anchors", false), ("s3://b/c", false), ("env:ANCHORS", true)] {
        let with = format!("[store]\nurl = \"env:UNDERSTUDY_STORE\"\nanchor = \"{anchor}\"");
        let project = read(&FULL.replacen("[store]\nurl = \"env:UNDERSTUDY_STORE\"", &with, 1));
        let place = project.store().unwrap().anchor.as_ref().unwrap();
        assert_eq!(
            (place.url.to_string().as_str(), matches!(place.url, StoreUrl::Secret(_))),
            (anchor, is_secret)
        );
    }
}

#[test]
fn the_full_file_is_read_to_the_last_key() {
    let project = read(FULL);
    assert_eq!(project.name().unwrap().value.as_str(), "runner");
    assert_eq!(project.store().unwrap().url.to_string(), "env:UNDERSTUDY_STORE");
    let Component::Fly { healthy: Some(healthy), .. } = project.component("api").unwrap() else {
        panic!("kind")
    };
    assert_eq!(healthy.value, HealthProof::StartedFor(seconds(30)));
    let Component::Static { dir } = project.component("web").unwrap() else { panic!("kind") };
    assert_eq!(dir.value.as_str(), "web/dist");
    let Component::Supabase { migrations } = project.component("db").unwrap() else { panic!("kind") };
    assert_eq!(migrations.value.as_str(), "supabase/migrations");
    let staging = project.environment("staging").unwrap();
    assert_eq!(staging.mirrors.as_ref().unwrap().value.as_str(), "production");
    assert_eq!(staging.branch.as_ref().unwrap().value.as_str(), "staging");
    assert_eq!(staging.access.value, Access::Allowlist);
    assert_eq!(staging.fly.org.as_ref().unwrap().as_str(), "acme-staging");
    let fields: Vec<&str> = staging.may_differ.iter().map(envconfig::FieldPath::as_str).collect();
    assert_eq!(fields, ["min_machines_running", "vm.memory"]);
    let Binding::Fly(api) = &staging.bindings["api"] else { panic!("kind") };
    assert_eq!(api.app.value.as_str(), "runner-staging");
    assert_eq!(api.overlay.env["LOG_LEVEL"], "debug");
    let production = project.environment("production").unwrap();
    let Binding::Supabase(db) = &production.bindings["db"] else { panic!("kind") };
    assert_eq!(db.project.value.as_str(), "prodprojectrefabcdefg");
    let policy = project.policy("staging", "production").unwrap();
    let suites: Vec<&str> = policy.suites.value.iter().map(envconfig::SuiteName::as_str).collect();
    assert_eq!(suites, ["smoke", "functional", "security", "load"]);
    assert_eq!(policy.soak.value, seconds(300));
    assert_eq!(policy.strategy.as_ref().unwrap().value, Strategy::BlueGreen);
    // Without `[suites]` a suite is where the convention says.
    assert_eq!(project.suites()["smoke"].file.value.as_str(), "tests/smoke.toml");
}

#[test]
fn every_other_key_is_read() {
    let project = read(
        r#"
[components.api]
config = "fly.toml"
[components.web]
dir = "web/dist"
[environments.production]
api.app = "runner"
web = { site = "web", url = "https://example.com/app/", env = { API = "https://api.example.com", depth = { a = [1, true] } } }
[environments.staging]
fly = { org = "o", token = "file:/run/secrets/fly", api = "http://127.0.0.1:4280", registry = "127.0.0.1:5000" }
lifecycle = "on-demand"
limits = { num-runners = 4, timeout = "35s" }
api.app = "runner-staging"
api.url = "http://127.0.0.1:8000"
api.edges = ["http://127.0.0.1:8001", "http://127.0.0.1:8002"]
api.overlay = { primary_region = "syd", min_machines_running = 1, auto_stop_machines = "suspend", vm = { memory = "512mb" } }
web.site = "web-staging"
[environments.pr-12]
api.app = "runner-pr-12"
[suites.smoke]
file = "tests/it/smoke.toml"
tags = ["quick", "skew"]
[promotion.staging.production]
settle = 0
drain = "1s500ms"
wait-timeout = "2m"
max-unavailable = 2
bake = "10m"
waves = [["lhr"], ["fra", "iad"]]
park-for = "1h30m"
strategy = "rolling"
queue = "newest-wins"
trigger = "automatic"
tests = "apart"
base-data = ["supabase/seed.sql"]
sarif = { fail-on = "warning", security-severity = "7.0", accepted = [{ rule = "sql", owner = "mira", reason = "behind the login", until = "2027-01-01T00:00Z" }] }
checklist = [{ id = "slow", text = "no slow queries", by = ["ops", "github:3"] }]
[people]
leads = ["github:1"]
ops = ["github:2"]
[shared]
secrets = ["env:SENTRY_DSN"]
"#,
    );
    let staging = project.environment("staging").unwrap();
    assert_eq!(staging.fly.token.value.to_string(), "file:/run/secrets/fly");
    assert_eq!(staging.fly.api.as_ref().unwrap().as_str(), "http://127.0.0.1:4280/");
    assert_eq!(staging.fly.registry.as_ref().unwrap().as_str(), "127.0.0.1:5000");
    let api = staging.bindings["api"].as_fly().unwrap();
    assert_eq!(api.edges.as_ref().unwrap().len(), 2);
    assert_eq!(api.overlay.min_machines_running, Some(1));
    let web = project.environment("production").unwrap().bindings["web"].as_static().unwrap();
    assert_eq!(
        serde_json::Value::Object(web.env.clone()),
        serde_json::json!({"API": "https://api.example.com", "depth": {"a": [1, true]}})
    );
    assert_eq!(project.environment("pr-12").unwrap().class.value, Class::Preview);
    assert_eq!(project.environment("pr-12").unwrap().fly.token.value.to_string(), "env:FLY_TOKEN_PR_12");
    let policy = project.policy("staging", "production").unwrap();
    assert_eq!(policy.settle.value, Period::ZERO);
    assert_eq!(policy.max_unavailable.value.of(10), 2);
    assert_eq!(policy.bake.value, seconds(600));
    assert_eq!(policy.waves.value.to_string(), r#"[["lhr"], ["fra", "iad"]]"#);
    assert_eq!(policy.queue.value, Queue::NewestWins);
    assert_eq!(policy.trigger.value, Trigger::Automatic);
    let item = &policy.checklist.value[0];
    let by: Vec<String> = item.by.iter().map(ToString::to_string).collect();
    assert_eq!((item.id.as_str(), by), ("slow", vec!["github:2".to_owned(), "github:3".to_owned()]));
    let sarif = &policy.sarif.as_ref().unwrap().value;
    assert_eq!((sarif.max_age, sarif.severity, sarif.accepted.len()), (seconds(24 * 3600), Some(70), 1));
    assert_eq!(policy.tests.value, Tests::Apart);
    assert_eq!(policy.base_data.value[0].as_str(), "supabase/seed.sql");
    assert_eq!(policy.suites.value[0].as_str(), "smoke");
    assert_eq!(policy.approvals.from.value.len(), 2);
    assert_eq!(project.suites()["smoke"].tags.len(), 2);
    let terms = policy.terms();
    let json = serde_json::to_string(&terms).unwrap();
    assert_eq!(serde_json::from_str::<envconfig::project::PolicyTerms>(&json).unwrap(), terms);
    assert!(json.contains(r#""drain":"1s500ms""#), "{json}");
}

#[test]
fn defaults_are_explained_with_their_source() {
    let rows = read(FULL).explain_defaults(&std::collections::BTreeMap::new());
    let row = |key: &str| rows.iter().find(|row| row.key == key).unwrap_or_else(|| panic!("{key}"));
    let soak = row("promotion.staging.production.soak");
    assert_eq!((soak.value.as_str(), &soak.source), ("5m", &Source::File { line: 35, column: 8 }));
    let settle = row("promotion.staging.production.settle");
    assert_eq!(settle.value, "10s");
    assert!(settle.source.to_string().starts_with("default: "), "{}", settle.source);
    assert_eq!(row("environments.staging.fly.token").value, "env:FLY_TOKEN_STAGING");
    // A right to images is the right to deploy until the file says otherwise, and the source says that.
    for key in ["environments.staging.registry.pull", "environments.staging.registry.push"] {
        assert_eq!(row(key).value, "env:FLY_TOKEN_STAGING", "{key}");
        assert!(row(key).source.to_string().contains("token that deploys"), "{}", row(key).source);
    }
    let strategies = read(SMALLEST).explain_defaults(&std::collections::BTreeMap::new());
    assert!(strategies.iter().any(|row| row.key.contains("volumes") && row.value == "rolling"));
}

/// fly.md 3.2: `[deploy]` strategy, max_unavailable, wait_timeout.
#[test]
fn what_fly_toml_decides_is_explained_with_its_source() {
    let fly = "[deploy]\nstrategy = \"rolling\"\nmax_unavailable = 2\nwait_timeout = \"10m\"\n";
    let fly = envconfig::fly_toml::FlyToml::parse("fly.toml", fly).unwrap().value;
    let configs = std::collections::BTreeMap::from([("api".to_owned(), fly)]);
    let rows = read(SMALLEST).explain_defaults(&configs);
    for (key, value, said) in [
        ("strategy", "rolling", "`[deploy] strategy` of its fly.toml"),
        ("max-unavailable", "2", "`[deploy] max_unavailable` of its fly.toml"),
        ("wait-timeout", "10m", "`[deploy] wait_timeout` of its fly.toml"),
    ] {
        let key = format!("promotion.staging.production.{key} (component api)");
        let row = rows.iter().find(|row| row.key == key).unwrap_or_else(|| panic!("{key}: {rows:#?}"));
        assert!(row.value.starts_with(value) && row.source.to_string().contains(said), "{row:#?}");
    }
    // What the project file says itself is all there is to say.
    let asked = read(&format!("{SMALLEST}[promotion.staging.production]\nstrategy = \"canary\"\n"));
    assert!(!asked.explain_defaults(&configs).iter().any(|row| row.key.contains("strategy (component")));
}

/// Names alone: nobody needs a value to say which secrets an app cannot do without.
#[test]
fn required_secrets_are_read_with_their_place() {
    let text = SMALLEST.replace(
        "[environments.production]",
        "secrets = { required = [\"DATABASE_URL\", \"API_KEY\"] }\n[environments.production]",
    );
    let project = read(&text);
    let Component::Fly { required_secrets, .. } = project.component("api").unwrap() else { panic!("kind") };
    let names: Vec<&str> = required_secrets.value.iter().map(|name| name.as_str()).collect();
    assert_eq!(names, ["DATABASE_URL", "API_KEY"]);
    let rows = project.explain_defaults(&std::collections::BTreeMap::new());
    let row = rows.iter().find(|row| row.key == "components.api.secrets.required").unwrap();
    assert_eq!(
        (row.value.as_str(), &row.source),
        (r#"["DATABASE_URL", "API_KEY"]"#, &Source::File { line: 4, column: 24 })
    );
    let rows = read(SMALLEST).explain_defaults(&std::collections::BTreeMap::new());
    let row = rows.iter().find(|row| row.key == "components.api.secrets.required").unwrap();
    assert_eq!(
        (row.value.as_str(), row.source.to_string().as_str()),
        ("[]", "default: no secret is asked for")
    );
}

#[test]
fn the_public_view_has_the_promised_fields() {
    let project = read(FULL);
    let api = "api".parse().unwrap();
    let view = project.environment("staging").unwrap().view(&api).unwrap();
    assert_eq!(
        serde_json::to_value(&view).unwrap(),
        serde_json::json!({
            "name": "staging",
            "apiUrl": "https://runner-staging.fly.dev/",
            "deploymentTarget": "runner-staging",
            "resourceLimits": {"numRunners": 1, "timeout": 30},
        })
    );
    let snake = serde_json::json!({
        "name": "staging", "api_url": "https://runner-staging.fly.dev/", "deployment_target": "runner-staging",
        "resource_limits": {"num_runners": 1, "timeout": 30}
    });
    assert_eq!(serde_json::from_value::<envconfig::project::EnvironmentConfig>(snake).unwrap(), view);
    assert_eq!(project.environment("staging").unwrap().view(&"web".parse().unwrap()), None);
}

#[test]
fn a_flag_wins_over_a_variable_and_a_variable_over_the_file() {
    let policy = read(FULL).policy("staging", "production").unwrap().clone();
    let resolved = policy.soak.or_variable("SOAK", Some(seconds(1))).or_flag("--soak", Some(seconds(2)));
    assert_eq!((resolved.value, resolved.source), (seconds(2), Source::Flag { name: "--soak".to_owned() }));
    let kept = policy.settle.clone().or_variable("X", None).or_flag("--x", None);
    assert_eq!(kept, policy.settle);
}

#[test]
fn references_to_secrets_read_back() {
    for text in ["env:FLY_TOKEN", "file:secrets/token", "file:/run/secrets/token"] {
        assert_eq!(text.parse::<SecretRef>().unwrap().to_string(), text);
    }
    for text in ["", "env:", "file:", "fm2_abc", "env:a b", "ENV:X", "env:1"] {
        let error = text.parse::<SecretRef>().unwrap_err();
        assert!(text.is_empty() || !error.to_string().contains(text) || "env:NAME file:PATH".contains(text));
    }
}

/// A window comes every week, in minutes since Monday, or once.
#[test]
fn windows_of_a_freeze_are_weekly_or_once() {
    use envconfig::project::FreezeSpan;
    let project = read(
        r#"
[components.api]
config = "fly.toml"
[environments.production]
api.app = "runner"
freeze = [
  { from = "Fri 16:00", to = "Mon 08:00", zone = "Europe/Berlin", reason = "weekend" },
  { from = "2026-12-20T00:00", to = "2027-01-04T08:00", zone = "America/New_York", reason = "holidays" },
]
[environments.staging]
api.app = "runner-staging"
[people]
leads = ["github:1"]
"#,
    );
    let production = project.environment("production").unwrap();
    let [weekend, holidays] = production.freeze.value.as_slice() else { panic!("two windows") };
    // Friday is four days after Monday.
    let week = FreezeSpan::Week { from: 4 * 24 * 60 + 16 * 60, to: 8 * 60 };
    assert_eq!((weekend.span, weekend.zone.as_str()), (week, "Europe/Berlin"));
    let FreezeSpan::Once { from, to } = holidays.span else { panic!("once") };
    assert_eq!(
        (from.to_string(), to.to_string()),
        ("2026-12-20T00:00:00".into(), "2027-01-04T08:00:00".into())
    );
    assert_eq!(weekend.to_string(), "Fri 16:00 to Mon 08:00 Europe/Berlin (weekend)");
    let staging = project.environment("staging").unwrap();
    assert!(staging.freeze.value.is_empty() && staging.freeze.is_default());
}
