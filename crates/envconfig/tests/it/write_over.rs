//! An environment's fly.toml, written over production's.

use envconfig::{
    fly_toml::{FlyToml, Overlay, WriteOverError},
    project::Project,
};
use proptest::prelude::*;

use crate::fly_files::cases;

/// The overlay as it stands in a project file.
fn overlay(text: &str) -> Overlay {
    let project = format!(
        "[components.api]\nconfig = \"fly.toml\"\n[environments.staging]\napi.app = \"shop-staging\"\napi.overlay = {text}\n"
    );
    let project = Project::parse("understudy.toml", &project).unwrap_or_else(|problems| panic!("{problems}"));
    project.value.environment("staging").unwrap().bindings["api"].as_fly().unwrap().overlay.clone()
}

fn written(overlay: &Overlay, text: &str) -> String {
    overlay.write_over("fly.toml", text, &"shop-staging".parse().unwrap()).unwrap()
}

const PRODUCTION: &str = r#"# production
app = "shop" # the shop
primary_region = 'iad'

# who talks to us
[http_service]
  internal_port = 8080
  min_machines_running = 2   # never less
  auto_stop_machines = false

[env] # in the open
  # how much is said
  LOG_LEVEL = "info"   # not debug
  APP_ENV = "production"

[[vm]]
  size = "performance-1x" # big
  memory = "4gb"

[[services]]
internal_port = 9000
processes = ["app"]
"#;

/// A variable that is left out is nowhere: neither in the file nor in what is deployed by it.
#[test]
fn variables_are_left_out() {
    let overlay = overlay(r#"{ without-env = ["LOG_LEVEL", "NEVER_THERE"], env = { DEBUG = "1" } }"#);
    let text = written(&overlay, PRODUCTION);
    assert!(!text.contains("LOG_LEVEL") && text.contains("APP_ENV = \"production\""), "{text}");
    let mut fly = FlyToml::parse("fly.toml", PRODUCTION).unwrap().value;
    fly.apply_overlay(&overlay);
    assert_eq!(FlyToml::parse("fly.toml", &text).unwrap().value.flatten(), fly.flatten());
    assert_eq!(fly.env.keys().collect::<Vec<_>>(), ["APP_ENV", "DEBUG"]);
}

/// Only what the overlay names, and the app, is changed; comments, order, quotes and blanks of everything else stay.
#[test]
fn comments_and_order_stay() {
    let overlay = overlay(
        r#"{ env = { APP_ENV = "staging", DEBUG = "1" }, primary_region = "fra", min_machines_running = 0, auto_stop_machines = "stop", vm = { size = "shared-cpu-1x" } }"#,
    );
    let expected = r#"# production
app = "shop-staging" # the shop
primary_region = "fra"

# who talks to us
[http_service]
  internal_port = 8080
  min_machines_running = 0   # never less
  auto_stop_machines = "stop"

[env] # in the open
  # how much is said
  LOG_LEVEL = "info"   # not debug
  APP_ENV = "staging"
  DEBUG = "1"

[[vm]]
  size = "shared-cpu-1x" # big

[[services]]
internal_port = 9000
processes = ["app"]
min_machines_running = 0
auto_stop_machines = "stop"
"#;
    assert_eq!(written(&overlay, PRODUCTION), expected);
}

#[test]
fn an_overlay_that_says_nothing_changes_the_app_only() {
    let expected = PRODUCTION.replace("\"shop\"", "\"shop-staging\"");
    assert_eq!(written(&Overlay::default(), PRODUCTION), expected);
}

#[test]
fn tables_with_braces_stay_so() {
    let overlay =
        overlay(r#"{ env = { B = "2" }, min_machines_running = 0, vm = { memory = "512mb", cpus = 2 } }"#);
    let production = r#"app = "shop"
env = { A = "1" }
http_service = { internal_port = 80 } # served
vm = [
  { memory = "1gb" }, # first
  { size = "performance-1x" },
]
"#;
    let expected = r#"app = "shop-staging"
env = { A = "1", B = "2" }
http_service = { internal_port = 80, min_machines_running = 0 } # served
vm = [
  { memory = "512mb", cpus = 2 }, # first
  { size = "performance-1x", memory = "512mb", cpus = 2 },
]
"#;
    assert_eq!(written(&overlay, production), expected);
}

#[test]
fn what_production_does_not_say_is_added() {
    let overlay = overlay(r#"{ env = { A = "b" }, primary_region = "fra", vm = { memory = "512mb" } }"#);
    let text = written(&overlay, "# nothing yet\n[checks.a]\ntype = \"tcp\"\nport = 1\n");
    let read = FlyToml::parse("fly.toml", &text).unwrap().value;
    assert_eq!(read.app.as_ref().map(|app| app.as_str()), Some("shop-staging"));
    assert_eq!(read.primary_region.as_ref().map(|region| region.as_str()), Some("fra"));
    assert_eq!(read.env["A"], "b");
    assert_eq!(read.flatten().values().next().unwrap().guest.as_ref().unwrap().memory_mb, Some(512));
    assert!(text.starts_with("# nothing yet\n") || text.contains("\n# nothing yet\n"), "{text}");
}

/// Comments of JSON and YAML could not be kept.
#[test]
fn only_toml_is_written_over() {
    let app = "shop-staging".parse().unwrap();
    let error = Overlay::default().write_over("fly.json", "{}", &app).unwrap_err();
    assert_eq!(error, WriteOverError::NotToml { format: "JSON".to_owned() });
    let error = Overlay::default().write_over("fly.toml", "app = ", &app).unwrap_err();
    assert_eq!(error, WriteOverError::Unreadable);
}

fn overlays() -> impl Strategy<Value = String> {
    let parts = prop::sample::subsequence(
        vec![
            r#"env = { APP_ENV = "staging", PORT = "1", "a.b" = "c" }"#,
            r#"primary_region = "fra""#,
            "min_machines_running = 0",
            r#"auto_stop_machines = "suspend""#,
            "auto_start_machines = true",
        ],
        0..=5,
    );
    let vm = prop::sample::select(vec![
        "",
        r#"vm = { memory = "512mb" }"#,
        r#"vm = { size = "shared-cpu-2x" }"#,
        r#"vm = { size = "performance-1x", memory = "4gb", kernel_args = ["quiet"], persist_rootfs = "always" }"#,
        r#"vm = { cpu_kind = "shared", cpus = 1, memory_mb = 256 }"#,
    ]);
    (parts, vm).prop_map(|(mut parts, vm)| {
        parts.extend(Some(vm).filter(|vm| !vm.is_empty()));
        format!("{{ {} }}", parts.join(", "))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Reading what was written is reading production's and applying the overlay, for every file that can be used.
    #[test]
    fn what_is_written_reads_as_what_is_deployed(text in overlays()) {
        let overlay = overlay(&text);
        for case in cases().iter().filter(|case| case.file == "fly.toml") {
            let Ok(mut expected) = FlyToml::parse(&case.file, &case.text) else { continue };
            expected.value.apply_overlay(&overlay);
            let written = written(&overlay, &case.text);
            let read = FlyToml::parse(&case.file, &written);
            let read = read.unwrap_or_else(|problems| panic!("{}: {problems}\n{written}", case.folder));
            prop_assert_eq!(read.value.app.as_ref().map(|app| app.as_str()), Some("shop-staging"));
            prop_assert_eq!(read.value.flatten(), expected.value.flatten(), "{}\n{}", case.folder, written);
        }
    }
}
