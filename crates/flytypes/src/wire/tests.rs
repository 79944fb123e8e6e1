use serde_json::{Value, json};

use super::*;

fn machine(extra: &Value) -> Machine {
    let mut value = json!({"id": "3287457df24987", "name": "runner-1", "state": "started", "region": "fra"});
    for (key, part) in extra.as_object().unwrap() {
        value[key] = part.clone();
    }
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_machine_is_read_with_all_its_parts() {
    let digest = format!("sha256:{}", "0a".repeat(32));
    let machine = machine(&json!({
        "instance_id": "01HDQZ6VVFZJ8D4VJZ1T5TN0Z9", "private_ip": "fdaa::1",
        "image_ref": {"registry": "registry.fly.io", "repository": "runner", "tag": "", "digest": digest, "labels": null},
        "config": {"image": "registry.fly.io/runner:1", "metadata": {"k": "v"}},
        "checks": [
            {"name": "servicecheck-00-http-8080", "status": "passing", "output": "ok", "updated_at": "2026-01-01T00:00:00Z"},
            {"name": "bg_deployments_compat_1", "status": "passing"},
            {"name": "other", "status": "warning", "updated_at": ""}
        ],
        "events": [{"id": "e", "type": "exit", "status": "stopped", "source": "flyd", "timestamp": 1_700_000_000_000i64,
            "request": {"exit_event": {"exit_code": 1, "oom_killed": true, "new": 1}, "restart_count": 2}}],
        "lease": {"owner": "me", "expires_at": 1, "description": "d"}, "host_status": "ok", "cordoned": true, "new": {}
    }));
    assert_eq!(machine.digest().unwrap().as_str(), digest);
    assert_eq!(
        machine.image_ref.reference().unwrap().to_string(),
        format!("registry.fly.io/runner@{digest}")
    );
    assert_eq!(machine.metadata("k"), Some("v"));
    // fly.md 1.5: the API still reports checks that it invents for old versions of flyctl.
    let names: Vec<_> = machine.reported_checks().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["servicecheck-00-http-8080", "other"]);
    assert_eq!(machine.checks[2].updated_at, None);
    assert!(machine.events[0].exit().unwrap().oom_killed);
    assert_eq!(machine.host_status, Some(HostStatus::Ok));
    assert!(machine.cordoned && machine.lease.as_ref().unwrap().nonce.is_none());
    let again: Machine = serde_json::from_value(serde_json::to_value(&machine).unwrap()).unwrap();
    assert_eq!(again, machine);
}

#[test]
fn a_machine_of_an_unreachable_host_has_no_configuration() {
    let machine = machine(
        &json!({"host_status": "unreachable", "incomplete_config": {"image": "x"}, "image_ref": {"digest": ""},
        "config": null, "checks": null, "events": null, "instance_id": ""}),
    );
    assert!(machine.config.is_none() && machine.digest().is_none() && machine.instance_id.is_none());
}

#[test]
fn every_documented_state_is_known_and_an_unknown_one_is_kept() {
    for (word, transient, terminal) in [
        ("created", false, false),
        ("started", false, false),
        ("stopped", false, false),
        ("suspended", false, false),
        ("failed", false, false),
        ("creating", true, false),
        ("starting", true, false),
        ("stopping", true, false),
        ("restarting", true, false),
        ("suspending", true, false),
        ("updating", true, false),
        ("replacing", true, false),
        ("launch_failed", true, false),
        ("destroying", true, false),
        ("destroyed", false, true),
        ("replaced", false, true),
        ("migrated", false, true),
    ] {
        let state = MachineState::from(word);
        assert!(!matches!(state, MachineState::Unknown(_)), "{word}");
        assert_eq!((state.as_str(), state.is_transient(), state.is_terminal()), (word, transient, terminal));
    }
    let state: MachineState = serde_json::from_value(json!("hibernating")).unwrap();
    assert_eq!(serde_json::to_value(&state).unwrap(), json!("hibernating"));
    assert!(state.is_transient());
}

#[test]
fn leases_come_in_an_envelope() {
    let envelope: LeaseEnvelope<Lease> = serde_json::from_value(json!({"status": "success",
        "data": {"nonce": "b1", "expires_at": 1_700_000_000, "owner": "o", "description": "d", "version": "01H"}}))
    .unwrap();
    let lease = envelope.data.unwrap();
    assert_eq!((lease.nonce.as_deref(), lease.expires_at), (Some("b1"), 1_700_000_000));
    let refused: LeaseEnvelope<Lease> =
        serde_json::from_value(json!({"status": "error", "message": "held", "code": "conflict"})).unwrap();
    assert!(refused.data.is_none() && refused.message.as_deref() == Some("held"));
}

#[test]
fn apps_secrets_and_waits_are_read() {
    let app: App = serde_json::from_value(
        json!({"id": "x", "internal_numeric_id": 1, "name": "runner", "status": "deployed",
        "organization": {"name": "Acme", "slug": "acme", "internal_numeric_id": 2}, "network": "default"}),
    )
    .unwrap();
    assert_eq!((app.status, app.organization.unwrap().slug.as_str()), (Some(AppStatus::Deployed), "acme"));
    let page: AppPage = serde_json::from_value(json!({"apps": null, "next_cursor": ""})).unwrap();
    assert!(page.apps.is_empty());
    let secrets: SecretsReply = serde_json::from_value(
        json!({"secrets": [{"name": "A", "digest": "d", "updated_at": "2026-01-01T00:00:00Z"}], "version": 3}),
    )
    .unwrap();
    assert_eq!((secrets.secrets[0].name.as_str(), secrets.version), ("A", Some(3)));
    let outcome: WaitOutcome = serde_json::from_value(json!({"ok": true})).unwrap();
    assert_eq!((outcome.ok, outcome.state), (true, None));
}
