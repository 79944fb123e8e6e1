//! What the proxy does to machines by itself: it stops idle ones, and starts them for a request.

use flytypes::machine::MachineConfig;
use flytypes::wire::MachineEvent;
use promotion::model::{At, Nap};

/// What the proxy last did to a machine, where nobody did anything else to it since. Events come newest first, and name
/// who wanted them: `proxy`, `user`, or `flyd`, the host, which also tells of each what became of it (fly.md 1.5).
pub(super) fn last(events: &[MachineEvent]) -> Option<Nap> {
    for event in events {
        let at = At(event.timestamp);
        match (event.event_type.as_str(), event.source.as_str()) {
            ("stop" | "suspend", "proxy") => return Some(Nap::Asleep(at)),
            ("start", "proxy") => return Some(Nap::Woken(at)),
            // How a program ended that somebody had asked to, and what the host made of a start or a stop.
            ("exit", _) if event.exit().is_some_and(|exit| exit.requested_stop && !exit.restarting) => {}
            ("launch" | "start" | "stop" | "suspend", "flyd") => {}
            ("launch" | "start" | "stop" | "suspend" | "update" | "restart" | "exit" | "destroy", _) => {
                return None;
            }
            // Whether it is in traffic says nothing about why it rests.
            _ => {}
        }
    }
    None
}

/// Whether the proxy starts a machine of this configuration for a request. One that stands by it never does.
pub(super) fn wakes(config: &MachineConfig) -> bool {
    let is_allowed = config.standbys.is_empty() && config.disable_machine_autostart != Some(true);
    is_allowed && config.services.iter().any(|service| service.autostart == Some(true))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Events, newest first, as `type source` and of an exit whether the stop was requested.
    fn events(told: &[&str]) -> Vec<MachineEvent> {
        let newest = i64::try_from(told.len()).unwrap();
        let event = |(n, text): (i64, &&str)| {
            let mut words = text.split(' ');
            let (kind, source) = (words.next().unwrap(), words.next().unwrap());
            let request = match words.next() {
                Some(how) => json!({"exit_event": {
                    "exit_code": 0, "requested_stop": how == "asked", "restarting": how == "restarting"}}),
                None => Value::Null,
            };
            json!({"type": kind, "source": source, "timestamp": 1000 * (newest - n), "request": request})
        };
        (0..).zip(told).map(event).map(|event| serde_json::from_value(event).unwrap()).collect()
    }

    /// fly.md 1.5: events newest first, sources flyd, user and proxy, `requested_stop` of an exit; 7: the proxy stops idle
    /// machines and starts stopped ones.
    #[test]
    fn only_what_the_proxy_did_last_is_a_nap() {
        let asleep = |at| Some(Nap::Asleep(At(at)));
        let woken = |at| Some(Nap::Woken(At(at)));
        for (told, nap) in [
            (&["stop proxy", "start flyd", "launch flyd"][..], asleep(3000)),
            (&["exit flyd asked", "stop proxy", "start flyd", "launch user"], asleep(3000)),
            (&["suspend flyd", "suspend proxy", "start flyd", "launch user"], asleep(3000)),
            (&["uncordon user", "cordon user", "exit flyd asked", "stop proxy"], asleep(1000)),
            (&["start flyd", "launch flyd", "start proxy", "exit flyd asked", "stop proxy"], woken(3000)),
            (&["start proxy", "exit flyd asked", "stop user"], woken(3000)),
            // Somebody else stopped it, or it ended by itself.
            (&["exit flyd asked", "stop user", "start flyd"], None),
            (&["stop user", "exit flyd asked", "stop proxy"], None),
            (&["exit flyd crashed", "start flyd", "launch flyd", "start proxy"], None),
            (&["exit flyd crashed", "stop proxy"], None),
            // It ended and was started again by its own policy.
            (&["start flyd", "launch flyd", "exit flyd restarting", "start flyd", "start proxy"], None),
            // The stop is older than the version.
            (&["update user", "exit flyd asked", "stop proxy"], None),
            (&["start flyd", "launch flyd", "update user", "exit flyd asked", "stop proxy"], None),
            (&["start flyd", "launch flyd"], None),
            (&[], None),
        ] {
            assert_eq!(last(&events(told)), nap, "{told:?}");
        }
    }

    /// fly.md 1.5: `services[].autostart`, `standbys[]`, `disable_machine_autostart`; that absence allows it is said nowhere.
    #[test]
    fn a_request_wakes_only_whom_the_proxy_may_start() {
        for (config, is_woken) in [
            (json!({"services": [{"autostart": true}]}), true),
            (json!({"services": [{"autostart": false}, {"autostart": true}]}), true),
            (json!({"services": [{"autostart": false}]}), false),
            (json!({"services": [{}]}), false),
            (json!({}), false),
            (json!({"services": [{"autostart": true}], "standbys": ["148e21a1b2c3d4"]}), false),
            (json!({"services": [{"autostart": true}], "disable_machine_autostart": true}), false),
        ] {
            let told: MachineConfig = serde_json::from_value(config.clone()).unwrap();
            assert_eq!(wakes(&told), is_woken, "{config}");
        }
    }
}
