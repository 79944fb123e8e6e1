//! `[http_service]` and `[[services]]`.

use flytypes::machine::{Concurrency, Port, Service};

use super::{
    Scoped, build,
    check::{self, Kinded},
    lint::Groups,
    tolerant,
};
use crate::{
    Malformed,
    reading::{Kind, Section, Value},
};

/// `[http_service]`: a tcp service with the public ports 80 and 443.
pub(super) fn http_service(value: &Value<'_>, groups: &Groups) -> Option<Scoped<Service>> {
    let section = value.section()?;
    let (mut service, has_port) = common(&section);
    service.protocol = "tcp".to_owned();
    let http_options = section.get("http_options").and_then(|v| tolerant::passed(&v, |o: &_| http_other(o)));
    let tls_options = section
        .get("tls_options")
        .and_then(|v| tolerant::passed(&v, |o: &flytypes::machine::TlsOptions| &o.other));
    let force_https = section.get("force_https").and_then(|v| v.boolean()).unwrap_or(false);
    for (key, kinded) in [("tcp_checks", Kinded::ServiceTcp), ("checks", Kinded::ServiceHttp)] {
        for v in section.get(key).iter().flat_map(Value::one_or_many) {
            service_check(&v, kinded, &mut service);
        }
    }
    service.ports = vec![
        Port {
            port: Some(80),
            handlers: vec!["http".to_owned()],
            force_https,
            http_options: http_options.clone(),
            ..Port::default()
        },
        Port {
            port: Some(443),
            handlers: vec!["http".to_owned(), "tls".to_owned()],
            http_options,
            tls_options,
            ..Port::default()
        },
    ];
    let processes = groups.of_service(&section);
    section.finish();
    has_port.then_some(Scoped { processes, value: service })
}

/// The services of `[[services]]`. One that says nothing is none, as for flyctl.
pub(super) fn listed<'a>(root: &Section<'a>) -> Vec<Value<'a>> {
    let mut all: Vec<Value<'a>> = root.get("services").iter().flat_map(Value::one_or_many).collect();
    all.retain(|value| !matches!(&value.node.kind, Kind::Table(entries) if entries.is_empty()));
    all
}

/// One of `[[services]]`.
pub(super) fn service(value: &Value<'_>, groups: &Groups) -> Option<Scoped<Service>> {
    let section = value.section()?;
    let (mut service, has_port) = common(&section);
    let protocol = section.get("protocol").and_then(|v| protocol(&v));
    service.protocol = protocol.unwrap_or_else(|| "tcp".to_owned());
    service.ports =
        section.get("ports").iter().flat_map(Value::one_or_many).filter_map(|v| port(&v)).collect();
    for (key, kinded) in [
        ("tcp_checks", Kinded::ServiceTcp),
        ("http_checks", Kinded::ServiceHttp),
        ("checks", Kinded::ServiceHttp),
    ] {
        for v in section.get(key).iter().flat_map(Value::one_or_many) {
            service_check(&v, kinded, &mut service);
        }
    }
    // Apps on Fly's first platform had these here; flyctl still accepts them.
    for key in ["script_checks", "restart_limit"] {
        section.get(key);
    }
    let processes = groups.of_service(&section);
    section.finish();
    has_port.then_some(Scoped { processes, value: service })
}

fn http_other(options: &flytypes::machine::HttpOptions) -> &flytypes::machine::Other {
    &options.other
}

/// What both kinds of service have, and whether there is a port: without one the rest is read for its mistakes.
fn common(section: &Section<'_>) -> (Service, bool) {
    let internal_port = section.require("internal_port", "Fly has no default for it");
    let concurrency = section.get("concurrency").and_then(|v| concurrency(&v));
    if let Some(checks) = section.get("machine_checks") {
        build::machine_checks(&checks);
    }
    let port = internal_port.and_then(|v| tolerant::port(&v));
    let service = Service {
        autostop: section.get("auto_stop_machines").and_then(|v| tolerant::autostop(&v)),
        autostart: section.get("auto_start_machines").and_then(|v| v.boolean()),
        min_machines_running: section.get("min_machines_running").and_then(|v| v.count(0)),
        concurrency,
        internal_port: port.unwrap_or_default(),
        ..Service::default()
    };
    (service, port.is_some())
}

fn protocol(value: &Value<'_>) -> Option<String> {
    const WORDS: &[&str] = &["tcp", "udp"];
    let text = value.text()?.to_ascii_lowercase();
    if WORDS.contains(&text.as_str()) {
        return Some(text);
    }
    value.malformed(&Malformed::none_of(&text, "a protocol", WORDS));
    None
}

fn service_check(value: &Value<'_>, kinded: Kinded, service: &mut Service) {
    if let Some(section) = value.section() {
        service.checks.push(check::read(&section, kinded));
        section.finish();
    }
}

/// A table, or the old `"soft,hard"`, which counts requests.
fn concurrency(value: &Value<'_>) -> Option<Concurrency> {
    const WORDS: &[&str] = &["connections", "requests"];
    if let Kind::Text(text) = &value.node.kind {
        let limits = text.split_once(',').and_then(|(soft, hard)| {
            Some((soft.trim().parse::<u32>().ok()?, hard.trim().parse::<u32>().ok()?))
        });
        let Some((soft, hard)) = limits else {
            let why = "it is a table, or two numbers such as `20,25`";
            value.malformed(&Malformed::new(text, "a pair of limits", why));
            return None;
        };
        return Some(Concurrency {
            concurrency_type: "requests".to_owned(),
            soft_limit: Some(soft),
            hard_limit: Some(hard),
            ..Concurrency::default()
        });
    }
    let section = value.section()?;
    let concurrency_type = section.get("type").and_then(|v| {
        let text = v.text()?;
        if !WORDS.contains(&text) {
            v.malformed(&Malformed::none_of(text, "a type of limits", WORDS));
        }
        Some(text.to_owned())
    });
    let concurrency = Concurrency {
        concurrency_type: concurrency_type.unwrap_or_default(),
        soft_limit: section.get("soft_limit").and_then(|v| v.count(0)),
        hard_limit: section.get("hard_limit").and_then(|v| v.count(0)),
        ..Concurrency::default()
    };
    section.finish();
    Some(concurrency)
}

fn port(value: &Value<'_>) -> Option<Port> {
    let section = value.section()?;
    let number = |key: &str| section.get(key).and_then(|v| tolerant::port(&v));
    let port = Port {
        port: number("port"),
        start_port: number("start_port"),
        end_port: number("end_port"),
        handlers: section.get("handlers").map(|v| tolerant::texts(&v)).unwrap_or_default(),
        force_https: section.get("force_https").and_then(|v| v.boolean()).unwrap_or(false),
        tls_options: section
            .get("tls_options")
            .and_then(|v| tolerant::passed(&v, |o: &flytypes::machine::TlsOptions| &o.other)),
        http_options: section.get("http_options").and_then(|v| tolerant::passed(&v, |o: &_| http_other(o))),
        proxy_proto_options: section
            .get("proxy_proto_options")
            .and_then(|v| tolerant::passed(&v, |o: &flytypes::machine::ProxyProtoOptions| &o.other)),
        ..Port::default()
    };
    section.finish();
    Some(port)
}
