//! What the proxy may do with a machine by itself: stop it when it is idle, start it for a request.

use serde::Deserialize;
use serde_json::Value;

/// What its services allow, taken together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Routing {
    /// It may be stopped: every service says so.
    pub(crate) autostop: bool,
    /// It may be started: some service says so.
    pub(crate) autostart: bool,
    /// So many are left running in the primary region, whatever the load.
    pub(crate) min_running: u32,
    /// From so many requests under way on it has enough to do.
    pub(crate) soft_limit: Option<usize>,
    /// The region of `PRIMARY_REGION`, which `fly deploy` writes into the environment.
    pub(crate) primary: Option<String>,
}

/// The fields of a service that the proxy acts on.
#[derive(Debug, Default, Deserialize)]
pub(super) struct RawRouting {
    /// A boolean, or `off`, `stop`, `suspend`.
    #[serde(default)]
    autostop: Option<Value>,
    #[serde(default)]
    autostart: Option<bool>,
    #[serde(default)]
    min_machines_running: Option<u32>,
    #[serde(default)]
    concurrency: Option<RawConcurrency>,
}

#[derive(Debug, Deserialize)]
struct RawConcurrency {
    #[serde(default)]
    soft_limit: Option<usize>,
}

impl RawRouting {
    fn stops(&self) -> bool {
        match &self.autostop {
            Some(Value::Bool(stop)) => *stop,
            Some(Value::String(word)) => matches!(word.as_str(), "stop" | "suspend"),
            _ => false,
        }
    }
}

impl Routing {
    pub(super) fn of<'r>(
        services: impl Iterator<Item = &'r RawRouting> + Clone,
        primary: Option<&String>,
    ) -> Self {
        let mut all = services.clone().peekable();
        Self {
            autostop: all.peek().is_some() && all.all(RawRouting::stops),
            autostart: services.clone().any(|service| service.autostart == Some(true)),
            min_running: services
                .clone()
                .filter_map(|service| service.min_machines_running)
                .max()
                .unwrap_or(0),
            soft_limit: services.filter_map(|service| service.concurrency.as_ref()?.soft_limit).min(),
            primary: primary.cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::machine::spec::Spec;

    /// fly.md 1.5: `autostop` is a boolean or a word; 4: `PRIMARY_REGION` is in the environment.
    #[test]
    fn services_say_what_the_proxy_may_do() {
        let routing = |services: Value| {
            Spec::read(&json!({"image": "x", "env": {"PRIMARY_REGION": "ams"}, "services": services}))
                .unwrap()
                .routing
        };
        for (autostop, stops) in [
            (json!(true), true),
            (json!("stop"), true),
            (json!("suspend"), true),
            (json!("off"), false),
            (json!(false), false),
        ] {
            let service = json!({"internal_port": 8080, "autostop": autostop});
            assert_eq!(routing(json!([service])).autostop, stops, "{autostop}");
            let other = json!({"internal_port": 9090});
            assert!(!routing(json!([service, other])).autostop, "one of them does not allow it");
        }
        let service = json!({
            "internal_port": 8080, "autostop": true, "autostart": true, "min_machines_running": 2,
            "concurrency": {"type": "requests", "soft_limit": 20, "hard_limit": 25},
        });
        let primary = Some(String::from("ams"));
        let all = Routing { autostop: true, autostart: true, min_running: 2, soft_limit: Some(20), primary };
        assert_eq!(routing(json!([service])), all);
        assert_eq!(Spec::read(&json!({"image": "x"})).unwrap().routing, Routing::default());
    }
}
