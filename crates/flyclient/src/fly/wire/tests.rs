//! One test for each call: method, path, query, headers and body, against the API's reference.

use std::collections::BTreeMap;

use flytypes::{GoDuration, machine::MachineConfig, wire::MachineState};
use secrecy::SecretString;
use serde_json::json;

use super::*;

fn app() -> AppName {
    "runner".parse().unwrap()
}

fn id() -> MachineId {
    "3287457df24987".parse().unwrap()
}

fn config() -> MachineConfig {
    MachineConfig { image: "registry.fly.io/runner:1".to_owned(), ..MachineConfig::default() }
}

/// `METHOD path?query` and the body.
fn shown(call: &Call) -> (String, Option<Value>) {
    let query: Vec<_> = call.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    (format!("{} {}{mark}{}", call.method, call.path, query.join("&")), call.body.clone())
}

const MACHINE: &str = "/v1/apps/runner/machines/3287457df24987";

#[test]
fn create() {
    let call = create_machine(&app(), &CreateMachine { config: config(), ..CreateMachine::default() });
    let body = json!({"config": {"image": "registry.fly.io/runner:1"}});
    assert_eq!(shown(&call), ("POST /v1/apps/runner/machines".to_owned(), Some(body)));
    assert!(!call.idempotent);
    let call = create_machine(
        &app(),
        &CreateMachine {
            config: config(),
            name: Some("n".to_owned()),
            region: Some("fra".parse().unwrap()),
            skip_launch: true,
            skip_service_registration: true,
            min_secrets_version: Some(3),
            lease_ttl: Some(60),
        },
    );
    let body = json!({"config": {"image": "registry.fly.io/runner:1"}, "name": "n", "region": "fra", "skip_launch": true,
        "skip_service_registration": true, "min_secrets_version": 3, "lease_ttl": 60});
    assert_eq!(call.body, Some(body));
}

#[test]
fn update() {
    let spec = UpdateMachine {
        config: config(),
        current_version: Some("01HDQZ".parse().unwrap()),
        skip_launch: true,
        skip_service_registration: false,
        min_secrets_version: Some(4),
    };
    let call = update_machine(&app(), &id(), &spec, Some("nonce1"));
    let body = json!({"config": {"image": "registry.fly.io/runner:1"}, "current_version": "01HDQZ", "skip_launch": true,
        "min_secrets_version": 4});
    assert_eq!(shown(&call), (format!("POST {MACHINE}"), Some(body)));
    assert_eq!(call.headers, [("fly-machine-lease-nonce", "nonce1".to_owned())]);
    assert!(!call.idempotent);
    assert!(update_machine(&app(), &id(), &spec, None).headers.is_empty());
}

#[test]
fn list() {
    let call = list_machines(&app(), &ListMachines::default());
    assert_eq!(shown(&call), ("GET /v1/apps/runner/machines".to_owned(), None));
    let query = ListMachines {
        metadata: BTreeMap::from([("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())]),
        region: Some("fra".parse().unwrap()),
        states: vec![MachineState::Started, MachineState::Stopped],
        include_deleted: true,
        include_leases: true,
        page_size: Some(5000),
    };
    let call = list_machines(&app(), &query).with_cursor(Some("c1"));
    assert_eq!(
        shown(&call).0,
        "GET /v1/apps/runner/machines?include_deleted=true&include_leases=true&region=fra&state=started,stopped\
         &metadata.a=1&metadata.b=2&limit=1000&cursor=c1"
    );
    assert!(call.idempotent);
}

#[test]
fn get() {
    let call = get_machine(&app(), &id(), false);
    assert_eq!(shown(&call), (format!("GET {MACHINE}"), None));
    assert_eq!((call.rate, call.idempotent), (RateKind::GetMachine, true));
    assert_eq!(shown(&get_machine(&app(), &id(), true)).0, format!("GET {MACHINE}?include_leases=true"));
}

#[test]
fn start_and_stop() {
    let call = start_machine(&app(), &id(), Some("n"));
    assert_eq!(shown(&call), (format!("POST {MACHINE}/start"), None));
    assert_eq!(call.headers.len(), 1);
    let how = StopMachine { signal: Some("SIGTERM".to_owned()), timeout: Some(GoDuration::from_secs(90)) };
    let call = stop_machine(&app(), &id(), &how, Some("n"));
    let body = json!({"signal": "SIGTERM", "timeout": "1m30s"});
    assert_eq!(shown(&call), (format!("POST {MACHINE}/stop"), Some(body)));
    assert_eq!(call.headers.len(), 1);
    assert_eq!(stop_machine(&app(), &id(), &StopMachine::default(), None).body, Some(json!({})));
}

#[test]
fn cordon_and_uncordon_show_the_lease_too() {
    let call = cordon_machine(&app(), &id(), Some("n"));
    assert_eq!((shown(&call).0, call.headers.len()), (format!("POST {MACHINE}/cordon"), 1));
    let call = uncordon_machine(&app(), &id(), Some("n"));
    assert_eq!((shown(&call).0, call.headers.len()), (format!("POST {MACHINE}/uncordon"), 1));
}

#[test]
fn wait() {
    let wait = |millis, version: Option<&str>| {
        let version = version.map(|version| version.parse().unwrap());
        wait_machine(
            &app(),
            &id(),
            &WaitMachine { state: WaitFor::Stopped, version, timeout: Duration::from_millis(millis) },
        )
    };
    let call = wait(30_500, Some("01HDQZ"));
    assert_eq!(shown(&call).0, format!("GET {MACHINE}/wait?state=stopped&timeout=31&version=01HDQZ"));
    assert_eq!(call.value_statuses, [408]);
    assert!(call.timeout > Duration::from_secs(31));
    // fly.md 1.6: at most 60 s, and whole seconds; nothing below one.
    assert_eq!(shown(&wait(3_600_000, None)).0, format!("GET {MACHINE}/wait?state=stopped&timeout=60"));
    assert_eq!(shown(&wait(0, None)).0, format!("GET {MACHINE}/wait?state=stopped&timeout=1"));
    let states =
        [WaitFor::Started, WaitFor::Suspended, WaitFor::Destroyed, WaitFor::Failed, WaitFor::Settled];
    let words = ["started", "suspended", "destroyed", "failed", "settled"];
    assert_eq!(states.map(WaitFor::as_str), words);
}

#[test]
fn destroy() {
    let call = destroy_machine(&app(), &id(), true, Some("n"));
    assert_eq!((shown(&call).0, call.headers.len()), (format!("DELETE {MACHINE}?force=true"), 1));
    assert_eq!(shown(&destroy_machine(&app(), &id(), false, None)).0, format!("DELETE {MACHINE}"));
    assert!(!call.idempotent);
}

#[test]
fn events() {
    assert_eq!(shown(&machine_events(&app(), &id(), 20)).0, format!("GET {MACHINE}/events?limit=20"));
    assert_eq!(shown(&machine_events(&app(), &id(), 255)).0, format!("GET {MACHINE}/events?limit=50"));
}

#[test]
fn leases() {
    let lease = NewLease { ttl: Duration::from_millis(12_100), description: "d".to_owned() };
    let call = acquire_lease(&app(), &id(), &lease);
    let body = json!({"ttl": 13, "description": "d"});
    assert_eq!(shown(&call), (format!("POST {MACHINE}/lease"), Some(body)));
    assert!(!call.idempotent && call.headers.is_empty());
    let call = refresh_lease(&app(), &id(), Duration::ZERO, "n");
    assert_eq!(shown(&call), (format!("POST {MACHINE}/lease"), Some(json!({"ttl": 1}))));
    assert_eq!((call.headers, call.idempotent), (vec![("fly-machine-lease-nonce", "n".to_owned())], true));
    assert_eq!(shown(&get_lease(&app(), &id())).0, format!("GET {MACHINE}/lease"));
    let call = release_lease(&app(), &id(), "n");
    assert_eq!((shown(&call).0, call.headers.len()), (format!("DELETE {MACHINE}/lease"), 1));
}

#[test]
fn metadata() {
    assert_eq!(shown(&get_metadata(&app(), &id())).0, format!("GET {MACHINE}/metadata"));
    let call = set_metadata(&app(), &id(), "a/b", "v");
    assert_eq!(shown(&call), (format!("POST {MACHINE}/metadata/a%2Fb"), Some(json!({"value": "v"}))));
    assert_eq!(shown(&delete_metadata(&app(), &id(), "k")).0, format!("DELETE {MACHINE}/metadata/k"));
    let changes = BTreeMap::from([("a".to_owned(), None), ("b".to_owned(), Some("2".to_owned()))]);
    let call = patch_metadata(&app(), &id(), &changes, Some(&"01H".parse().unwrap()));
    let body = json!({"metadata": {"a": null, "b": "2"}, "machine_version": "01H"});
    assert_eq!(shown(&call), (format!("PATCH {MACHINE}/metadata"), Some(body)));
    let call = patch_metadata(&app(), &id(), &changes, None);
    assert_eq!(call.body, Some(json!({"metadata": {"a": null, "b": "2"}})));
}

/// fly.md 7: `GET https://api.fly.io/api/v1/apps/{app}/logs?next_token=&instance=&region=`.
#[test]
fn logs() {
    assert_eq!(shown(&read_logs(&app(), None, None)).0, "GET /api/v1/apps/runner/logs");
    let call = read_logs(&app(), Some(&id()), Some("17 a"));
    assert_eq!(shown(&call).0, format!("GET /api/v1/apps/runner/logs?instance={}&next_token=17 a", id()));
    assert!(call.idempotent);
    assert_eq!(crate::Base::fly_logs().to_string().trim_end_matches('/'), "https://api.fly.io");
}

#[test]
fn secrets() {
    assert_eq!(shown(&list_secrets(&app(), None)).0, "GET /v1/apps/runner/secrets");
    assert_eq!(shown(&list_secrets(&app(), Some(3))).0, "GET /v1/apps/runner/secrets?min_version=3");
    let changes = BTreeMap::from([
        ("GONE".to_owned(), None),
        ("KEY".to_owned(), Some(SecretString::from("hidden-value"))),
    ]);
    let call = set_secrets(&app(), &changes);
    let body = json!({"values": {"GONE": null, "KEY": "hidden-value"}});
    assert_eq!(shown(&call), ("POST /v1/apps/runner/secrets".to_owned(), Some(body)));
    assert!(!format!("{call:?}").contains("hidden-value"));
}

#[test]
fn apps() {
    assert_eq!(shown(&get_app(&app())).0, "GET /v1/apps/runner");
    let new = NewApp { name: app(), org_slug: "acme".to_owned(), network: None };
    let body = json!({"app_name": "runner", "org_slug": "acme"});
    assert_eq!(shown(&create_app(&new)), ("POST /v1/apps".to_owned(), Some(body)));
    let call = create_app(&NewApp { network: Some("net".to_owned()), ..new });
    assert_eq!(call.body, Some(json!({"app_name": "runner", "org_slug": "acme", "network": "net"})));
    assert_eq!(shown(&list_apps("acme").with_cursor(Some("c"))).0, "GET /v1/apps?org_slug=acme&cursor=c");
}

#[test]
fn budgets_are_by_action_and_machine_and_for_creation_by_app() {
    // https://fly.io/docs/machines/api/working-with-machines-api/, "Rate limits".
    let create = create_machine(&app(), &CreateMachine::default());
    assert_eq!((create.subject(), create.rate), ("runner".to_owned(), RateKind::Other));
    let start = start_machine(&app(), &id(), None);
    assert_eq!((start.subject(), start.rate), (id().to_string(), RateKind::Other));
    assert_ne!(start.operation, cordon_machine(&app(), &id(), None).operation);
}
