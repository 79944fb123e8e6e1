use serde_json::{Value, json};

use super::*;
use crate::GoDuration;

fn read(value: Value) -> MachineConfig {
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{error}"))
}

/// A configuration with every field that the API documents, in the form that is written.
fn full() -> Value {
    json!({
        "image": "registry.fly.io/runner@sha256:aa", "env": {"A": "1"}, "metadata": {"fly_process_group": "app"},
        "init": {"exec": ["/x"], "entrypoint": ["/e"], "cmd": ["c"], "tty": true, "swap_size_mb": 512, "kernel_args": ["k"]},
        "guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": 256, "max_memory_mb": 512, "gpus": 1, "gpu_kind": "a10",
                  "host_dedication_id": "h", "kernel_args": ["k"], "persist_rootfs": "never"},
        "restart": {"policy": "always", "max_retries": 3},
        "stop_config": {"timeout": "30s", "signal": "SIGTERM"},
        "services": [{
            "protocol": "tcp", "internal_port": 8080, "autostart": false, "autostop": "suspend",
            "min_machines_running": 0, "force_instance_key": "key", "machine_checks": [{"command": ["true"]}],
            "concurrency": {"type": "requests", "soft_limit": 20, "hard_limit": 25},
            "ports": [
                {"port": 443, "handlers": ["tls", "http"],
                 "tls_options": {"alpn": ["h2"], "versions": ["TLSv1.3"], "default_self_signed": false},
                 "http_options": {"compress": true, "h2_backend": false, "idle_timeout": 60, "headers_read_timeout": 15,
                                  "response": {"headers": {"X": false}, "pristine": true}, "replay_cache": [{}]}},
                {"start_port": 1000, "end_port": 2000, "force_https": true, "proxy_proto_options": {"version": "v2"}}
            ],
            "checks": [{"type": "tcp", "interval": "15s", "timeout": "2s", "grace_period": "1m0s"}]
        }],
        "checks": {"alive": {"type": "http", "port": 8080, "kind": "readiness", "interval": "10s", "timeout": "500ms",
            "grace_period": "5s", "method": "POST", "path": "/healthz", "protocol": "https", "tls_skip_verify": true,
            "tls_server_name": "x", "headers": [{"name": "A", "values": ["b", "c"]}]}},
        "mounts": [{"volume": "vol_1", "path": "/data", "name": "data", "encrypted": true, "size_gb": 10,
            "extend_threshold_percent": 80, "add_size_gb": 1, "add_size_percent": 5, "min_add_size_gb": 1, "size_gb_limit": 20}],
        "statics": [{"guest_path": "/web", "url_prefix": "/", "tigris_bucket": "b", "index_document": "index.html"}],
        "files": [{"guest_path": "/f", "raw_value": "aGk=", "mode": 420}, {"guest_path": "/g", "secret_name": "S"},
                  {"guest_path": "/h", "image_config": "i"}],
        "metrics": {"port": 9090, "path": "/metrics", "https": true},
        "processes": [{"exec": ["a"], "entrypoint": ["b"], "cmd": ["c"], "user": "u", "env": {"K": "v"},
            "secrets": [{"env_var": "S"}], "ignore_app_secrets": true, "env_from": [{"env_var": "E", "field_ref": "id"}]}],
        "dns": {"skip_registration": true, "nameservers": ["1.1.1.1"], "searches": ["s"], "options": [{"name": "n"}],
            "dns_forward_rules": [{"basename": "b"}], "hostname": "h"},
        "schedule": "daily", "auto_destroy": true, "standbys": ["3287457df24987"], "size": "shared-cpu-1x",
        "disable_machine_autostart": true, "rootfs": {"persist": "always", "size_gb": 8},
        "cache_drive": {"size_mb": 1}, "spot": true, "containers": [{"name": "c"}], "volumes": [{"name": "v"}]
    })
}

#[test]
fn every_documented_field_survives_a_round_trip_and_is_known() {
    let config = read(full());
    assert_eq!(serde_json::to_value(&config).unwrap(), full());
    assert!(config.other.is_empty(), "{:?}", config.other);
    assert!(config.services[0].other.is_empty() && config.checks["alive"].other.is_empty());
    assert!(config.guest.as_ref().unwrap().other.is_empty() && config.services[0].ports[0].other.is_empty());
}

#[test]
fn unknown_fields_survive_at_every_level() {
    // fly.md 8.15: an update replaces everything, so what is not sent back is lost.
    let value = json!({
        "image": "i", "future": {"deep": [1]},
        "guest": {"cpus": 1, "new": "g"},
        "services": [{"protocol": "tcp", "internal_port": 1, "new": 1, "ports": [{"port": 80, "new": 2}],
            "checks": [{"type": "tcp", "new": 3}], "concurrency": {"type": "requests", "new": 4}}],
        "mounts": [{"volume": "v", "path": "/p", "new": 5}]
    });
    assert_eq!(serde_json::to_value(read(value.clone())).unwrap(), value);
}

#[test]
fn null_absent_and_empty_are_one() {
    let nulls = json!({"image": null, "env": null, "metadata": null, "services": null, "checks": null, "mounts": null,
        "init": null, "guest": null, "auto_destroy": null, "standbys": null, "processes": null, "statics": null});
    assert_eq!(read(nulls), MachineConfig::default());
    assert_eq!(serde_json::to_string(&MachineConfig::default()).unwrap(), "{}");
    let service = json!({"services": [{"protocol": "tcp", "internal_port": 1, "force_instance_key": null, "checks": null}]});
    assert_eq!(
        serde_json::to_value(read(service)).unwrap(),
        json!({"services": [{"protocol": "tcp", "internal_port": 1}]})
    );
}

#[test]
fn false_that_differs_from_absent_is_written() {
    let value = json!({"services": [{"protocol": "tcp", "internal_port": 1, "autostart": false, "autostop": false,
        "min_machines_running": 0}]});
    assert_eq!(serde_json::to_value(read(value.clone())).unwrap(), value);
}

#[test]
fn autostop_is_read_as_boolean_and_as_word() {
    let autostop = |value: Value| serde_json::from_value::<Autostop>(value).unwrap();
    assert_eq!(autostop(json!(true)), autostop(json!("stop")));
    assert_eq!(autostop(json!(false)), autostop(json!("off")));
    assert_eq!(autostop(json!("suspend")), Autostop::Suspend);
    assert_eq!(serde_json::to_value(autostop(json!("stop"))).unwrap(), json!(true));
    assert_eq!(serde_json::to_value(autostop(json!("hibernate"))).unwrap(), json!("hibernate"));
    assert!(serde_json::from_value::<Autostop>(json!(1)).unwrap_err().to_string().contains("suspend"));
}

#[test]
fn normalised_folds_what_means_the_same() {
    let a = read(json!({
        "image": "i", "init": {}, "dns": {"options": null}, "new": null, "restart": {"policy": "on-failure", "max_retries": 10},
        "stop_config": {"signal": "sigterm", "timeout": 5_000_000_000u64},
        "services": [{"protocol": "TCP", "internal_port": 80, "autostop": "off", "concurrency": {}}],
        "checks": {"a": {"type": "HTTP", "interval": "60s", "method": "get", "path": "/", "protocol": "http", "tls_skip_verify": false}}
    }));
    let b = read(json!({
        "image": "i", "stop_config": {"signal": "SIGTERM", "timeout": "5s"},
        "services": [{"protocol": "tcp", "internal_port": 80, "autostop": false}],
        "checks": {"a": {"type": "http", "interval": "1m0s"}}
    }));
    assert_ne!(a, b);
    assert_eq!(a.normalised(), b.normalised());
    assert_eq!(a.normalised().normalised(), a.normalised());
    let never = read(json!({"restart": {"policy": "never"}}));
    assert_eq!(never, read(json!({"restart": {"policy": "no"}})));
}

#[test]
fn normalised_keeps_what_differs() {
    let base = read(full());
    for change in [
        json!({"restart": {"policy": "on-failure", "max_retries": 3}}),
        json!({"env": {"A": "2"}}),
        json!({"guest": {"cpus": 2}}),
        json!({"services": []}),
        json!({"new": 0}),
    ] {
        let mut value = full();
        for (key, part) in change.as_object().unwrap() {
            value[key] = part.clone();
        }
        assert_ne!(read(value).normalised(), base.normalised(), "{change}");
    }
    assert_eq!(serde_json::to_value(base.normalised()).unwrap(), full());
}

#[test]
fn a_files_content_is_not_in_debug() {
    let text = format!("{:?}", read(json!({"files": [{"guest_path": "/k", "raw_value": "c2VjcmV0"}]})));
    assert!(!text.contains("c2VjcmV0"), "{text}");
    assert!(text.contains("8 bytes"), "{text}");
}

#[test]
fn durations_of_checks_are_nanoseconds_as_integers() {
    let config = read(json!({"checks": {"a": {"type": "tcp", "interval": 15_000_000_000u64}}}));
    assert_eq!(config.checks["a"].interval, Some(GoDuration::from_secs(15)));
}
