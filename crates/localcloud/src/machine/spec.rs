//! What a machine's configuration asks for. The configuration itself stays the JSON that was sent, so that fields
//! nobody here knows are preserved; this is the part that is acted on.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::routing::{RawRouting, Routing};
use crate::{duration, error::ApiError};

/// The acted-on part of a machine configuration.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) image: String,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) init: Init,
    pub(crate) restart: Restart,
    pub(crate) stop: Stop,
    pub(crate) auto_destroy: bool,
    /// Internal ports of services, in order; the first is what the app's edge port leads to.
    pub(crate) services: Vec<u16>,
    /// What the proxy may do with it by itself.
    pub(crate) routing: Routing,
    /// All checks by the name under which they are reported.
    pub(crate) checks: Vec<Check>,
    /// Every port the program is expected to listen on, without repetition.
    pub(crate) ports: Vec<u16>,
}

/// Overrides of what the image runs.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Init {
    pub(crate) exec: Option<Vec<String>>,
    pub(crate) entrypoint: Option<Vec<String>>,
    pub(crate) cmd: Option<Vec<String>>,
}

/// When an ended program is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restart {
    No,
    OnFailure { max_retries: u32 },
    Always,
}

/// How a program is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, Deserialize)]
pub(crate) struct Stop {
    pub(crate) signal: i32,
    pub(crate) timeout_ms: u64,
}

impl Default for Stop {
    /// SIGINT, five seconds.
    fn default() -> Self {
        Self { signal: 2, timeout_ms: 5000 }
    }
}

/// One health check.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    pub(crate) name: String,
    /// Whether a failure keeps requests away.
    pub(crate) gates: bool,
    pub(crate) port: u16,
    pub(crate) probe: Probe,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) grace: Duration,
}

/// What a check does.
#[derive(Debug, Clone)]
pub(crate) enum Probe {
    Tcp,
    Http { method: String, path: String, headers: Vec<(String, String)> },
}

#[derive(Deserialize)]
struct Raw {
    image: Option<String>,
    #[serde(default)]
    env: Option<BTreeMap<String, String>>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
    #[serde(default)]
    init: Option<Init>,
    #[serde(default)]
    restart: Option<RawRestart>,
    #[serde(default)]
    stop_config: Option<RawStop>,
    #[serde(default)]
    auto_destroy: Option<bool>,
    #[serde(default)]
    services: Option<Vec<RawService>>,
    #[serde(default)]
    checks: Option<BTreeMap<String, RawCheck>>,
}

#[derive(Deserialize)]
struct RawRestart {
    policy: Option<String>,
    max_retries: Option<u32>,
}

#[derive(Deserialize)]
struct RawStop {
    signal: Option<Value>,
    timeout: Option<Value>,
}

#[derive(Deserialize)]
struct RawService {
    internal_port: u16,
    #[serde(flatten)]
    routing: RawRouting,
    #[serde(default)]
    checks: Option<Vec<RawCheck>>,
}

#[derive(Deserialize)]
struct RawCheck {
    #[serde(rename = "type")]
    of_type: Option<String>,
    port: Option<u16>,
    kind: Option<String>,
    interval: Option<Value>,
    timeout: Option<Value>,
    grace_period: Option<Value>,
    method: Option<String>,
    path: Option<String>,
    #[serde(default)]
    headers: Option<Vec<RawHeader>>,
}

#[derive(Deserialize)]
struct RawHeader {
    name: String,
    #[serde(default)]
    values: Vec<String>,
}

impl Spec {
    /// Reads a configuration; says which field is wrong.
    pub(crate) fn read(config: &Value) -> Result<Self, ApiError> {
        let raw: Raw = Deserialize::deserialize(config)
            .map_err(|e| ApiError::bad(format!("invalid machine config: {e}")))?;
        let image = raw.image.filter(|i| !i.is_empty());
        let image = image.ok_or_else(|| ApiError::bad("invalid machine config: image is required"))?;
        // Reading it is the check that every value is a string.
        drop(raw.metadata);
        let services = raw.services.unwrap_or_default();
        let mut checks = Vec::new();
        let mut number = 0;
        for service in &services {
            for check in service.checks.iter().flatten() {
                checks.push(check.named_by_service(number, service.internal_port)?);
                number += 1;
            }
        }
        let first = services.first().map(|s| s.internal_port);
        for (name, check) in raw.checks.iter().flatten() {
            checks.push(check.read(name.clone(), first, check.kind.as_deref() == Some("readiness"))?);
        }
        let primary = raw.env.as_ref().and_then(|env| env.get("PRIMARY_REGION"));
        let routing = Routing::of(services.iter().map(|service| &service.routing), primary);
        let services: Vec<u16> = services.iter().map(|s| s.internal_port).collect();
        let mut ports = services.clone();
        ports.extend(checks.iter().map(|c| c.port));
        let mut seen = std::collections::BTreeSet::new();
        ports.retain(|p| seen.insert(*p));
        Ok(Self {
            image,
            env: raw.env.unwrap_or_default(),
            init: raw.init.unwrap_or_default(),
            restart: raw.restart.map_or(Ok(Restart::OnFailure { max_retries: 10 }), |r| r.read())?,
            stop: raw.stop_config.map_or_else(
                || Ok(Stop::default()),
                |s| read_stop(s.signal.as_ref(), s.timeout.as_ref(), Stop::default()),
            )?,
            auto_destroy: raw.auto_destroy.unwrap_or(false),
            services,
            routing,
            checks,
            ports,
        })
    }
}

impl RawRestart {
    fn read(&self) -> Result<Restart, ApiError> {
        match self.policy.as_deref() {
            None | Some("" | "on-failure") => {
                Ok(Restart::OnFailure { max_retries: self.max_retries.unwrap_or(10) })
            }
            Some("no") => Ok(Restart::No),
            Some("always") => Ok(Restart::Always),
            Some(other) => Err(ApiError::bad(format!(
                "invalid machine config: restart.policy `{other}` is none of no, on-failure, always"
            ))),
        }
    }
}

impl RawCheck {
    fn named_by_service(&self, number: usize, port: u16) -> Result<Check, ApiError> {
        let of_type = self.of_type.as_deref().unwrap_or("tcp");
        let port = self.port.unwrap_or(port);
        self.read(format!("servicecheck-{number:02}-{of_type}-{port}"), Some(port), true)
    }

    fn read(&self, name: String, port: Option<u16>, gates: bool) -> Result<Check, ApiError> {
        let field = |what: &str, why: String| {
            ApiError::bad(format!("invalid machine config: check `{name}`: {what}: {why}"))
        };
        let time = |what: &str, value: Option<&Value>, default: u64| {
            let read = duration::from_json(value).map_err(|why| field(what, why))?;
            Ok::<_, ApiError>(read.unwrap_or(Duration::from_secs(default)))
        };
        let port = self.port.or(port).ok_or_else(|| field("port", String::from("is required")))?;
        let probe = match self.of_type.as_deref() {
            Some("http" | "https") => Probe::Http {
                method: self.method.as_deref().unwrap_or("GET").to_ascii_uppercase(),
                path: self.path.clone().filter(|p| !p.is_empty()).unwrap_or_else(|| String::from("/")),
                headers: self
                    .headers
                    .iter()
                    .flatten()
                    .flat_map(|h| h.values.iter().map(|v| (h.name.clone(), v.clone())))
                    .collect(),
            },
            None | Some("tcp") => Probe::Tcp,
            Some(other) => return Err(field("type", format!("`{other}` is neither http nor tcp"))),
        };
        Ok(Check {
            gates,
            port,
            probe,
            interval: time("interval", self.interval.as_ref(), 15)?.max(Duration::from_millis(20)),
            timeout: time("timeout", self.timeout.as_ref(), 10)?.max(Duration::from_millis(20)),
            grace: time("grace_period", self.grace_period.as_ref(), 1)?,
            name,
        })
    }
}

/// Reads a stop request: signal by name or number, timeout by the API's convention, at most 300 s.
pub(crate) fn read_stop(
    signal: Option<&Value>,
    timeout: Option<&Value>,
    default: Stop,
) -> Result<Stop, ApiError> {
    let signal = match signal {
        None | Some(Value::Null) => default.signal,
        Some(value) => read_signal(value)?,
    };
    let timeout = duration::from_json(timeout).map_err(|why| ApiError::bad(format!("timeout: {why}")))?;
    let timeout_ms = timeout.map_or(default.timeout_ms, |t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX));
    if timeout_ms > 300_000 {
        return Err(ApiError::bad("timeout: at most 300s"));
    }
    Ok(Stop { signal, timeout_ms })
}

/// `"SIGTERM"`, `"TERM"`, `"15"` or `15`; the empty string is the default.
pub(crate) fn read_signal(value: &Value) -> Result<i32, ApiError> {
    const NAMES: [(&str, i32); 12] = [
        ("", 2),
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ABRT", 6),
        ("KILL", 9),
        ("USR1", 10),
        ("SEGV", 11),
        ("USR2", 12),
        ("PIPE", 13),
        ("ALRM", 14),
        ("TERM", 15),
    ];
    let unknown = || ApiError::bad(format!("signal {value} is unknown; use a name such as \"SIGTERM\""));
    let number = match value {
        Value::Number(n) => n.as_i64().and_then(|n| i32::try_from(n).ok()),
        Value::String(s) => {
            let upper = s.to_ascii_uppercase();
            let short = upper.strip_prefix("SIG").unwrap_or(&upper);
            let named = NAMES.iter().find(|(name, _)| *name == short).map(|(_, n)| *n);
            named.or_else(|| short.parse().ok())
        }
        _ => None,
    };
    number.filter(|n| (1..=31).contains(n)).ok_or_else(unknown)
}

/// The API answers booleans for `autostop` `"off"` and `"stop"`, whatever was sent.
pub(crate) fn normalise(config: &mut Value) {
    let services = config.get_mut("services").and_then(Value::as_array_mut);
    for service in services.into_iter().flatten() {
        if let Some(autostop) = service.get_mut("autostop") {
            match autostop.as_str() {
                Some("off") => *autostop = Value::Bool(false),
                Some("stop") => *autostop = Value::Bool(true),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn service_checks_get_generated_names_and_api_durations() {
        let spec = Spec::read(&json!({
            "image": "x",
            "services": [{"internal_port": 8080, "checks": [
                {"type": "http", "interval": "15s", "timeout": 2_000_000_000u64, "grace_period": "5s", "path": "/h"},
                {"type": "tcp", "port": 9090}]}],
            "checks": {"alive": {"type": "http", "port": 8080}, "ready": {"type": "tcp", "kind": "readiness"}},
        }))
        .unwrap();
        let names: Vec<_> = spec.checks.iter().map(|c| (c.name.as_str(), c.gates)).collect();
        assert_eq!(
            names,
            [
                ("servicecheck-00-http-8080", true),
                ("servicecheck-01-tcp-9090", true),
                ("alive", false),
                ("ready", true)
            ]
        );
        assert_eq!(spec.checks[0].timeout, Duration::from_secs(2));
        assert_eq!(spec.ports, [8080, 9090]);
    }

    #[test]
    fn wrong_fields_are_named() {
        for (config, part) in [
            (json!({}), "image is required"),
            (json!({"image": "x", "restart": {"policy": "never"}}), "restart.policy `never`"),
            (json!({"image": "x", "checks": {"a": {"type": "tcp"}}}), "check `a`: port"),
            (json!({"image": "x", "stop_config": {"signal": "SIGFOO"}}), "SIGFOO"),
        ] {
            assert!(Spec::read(&config).unwrap_err().error.contains(part), "{config}");
        }
    }

    #[test]
    fn signals_by_name_and_number() {
        for (value, number) in [(json!("SIGTERM"), 15), (json!("int"), 2), (json!(9), 9), (json!("9"), 9)] {
            assert_eq!(read_signal(&value).unwrap(), number);
        }
    }

    #[test]
    fn autostop_is_answered_as_booleans() {
        let mut config =
            json!({"services": [{"autostop": "off"}, {"autostop": "stop"}, {"autostop": "suspend"}]});
        normalise(&mut config);
        assert_eq!(
            config,
            json!({"services": [{"autostop": false}, {"autostop": true}, {"autostop": "suspend"}]})
        );
    }
}
