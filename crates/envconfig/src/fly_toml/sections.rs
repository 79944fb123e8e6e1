//! The smaller sections.

use flytypes::{
    GoDuration,
    machine::{File, Metrics, Restart, RestartPolicy, Static},
};

use super::{
    size::Base,
    tolerant::{self, Unit},
};
use crate::{
    Malformed,
    project::{MaxUnavailable, Strategy, max_unavailable},
    reading::{self, Kind, Section, Value},
};

/// `[deploy]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Deploy {
    /// How `fly deploy` would replace machines.
    pub strategy: Option<Strategy>,
    /// How many machines may be away at once.
    pub max_unavailable: Option<MaxUnavailable>,
    /// How long one machine may take.
    pub wait_timeout: Option<GoDuration>,
    /// The command that runs before any machine is touched, in words.
    pub release_command: Option<Vec<String>>,
    /// How long it may take; absent also when the file says `none`.
    pub release_command_timeout: Option<GoDuration>,
    /// The command of the first deployment.
    pub seed_command: Option<Vec<String>>,
}

/// `[experimental]`, as far as it decides what runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Experimental {
    /// Replaces the image's command where the process group has none.
    pub cmd: Vec<String>,
    /// Replaces the image's entrypoint.
    pub entrypoint: Vec<String>,
    /// Replaces both.
    pub exec: Vec<String>,
}

/// `[[mounts]]`. Sizes in GB.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MountSection {
    /// The volume's name.
    pub source: String,
    /// Where it is mounted.
    pub destination: String,
    /// Size of a new volume.
    pub initial_size_gb: Option<u32>,
    /// Days that snapshots are kept, 1 to 60.
    pub snapshot_retention: Option<u32>,
    /// Use in percent from which the volume grows, 50 to 99.
    pub extend_threshold_percent: Option<u32>,
    /// Growth.
    pub add_size_gb: Option<u32>,
    /// Largest size.
    pub size_gb_limit: Option<u32>,
}

pub(super) fn deploy(value: &Value<'_>) -> Deploy {
    let Some(section) = value.section() else { return Deploy::default() };
    let duration = |key: &str| {
        let value = section.get(key)?;
        let none = matches!(&value.node.kind, Kind::Text(text) if text == "none");
        if none { None } else { tolerant::duration(&value, Unit::Seconds) }
    };
    let deploy = Deploy {
        strategy: section.get("strategy").and_then(|v| v.parse()),
        max_unavailable: section.get("max_unavailable").and_then(|v| max_unavailable(&v)).map(|m| m.value),
        wait_timeout: duration("wait_timeout"),
        release_command: section.get("release_command").map(|v| tolerant::command(&v)),
        release_command_timeout: duration("release_command_timeout"),
        seed_command: section.get("seed_command").map(|v| tolerant::command(&v)),
    };
    section.get("release_command_vm");
    section.finish();
    deploy
}

/// `[experimental]`; the metrics of its legacy keys come back beside it.
pub(super) fn experimental(value: &Value<'_>) -> (Experimental, Option<Metrics>, Option<GoDuration>) {
    let Some(section) = value.section() else { return (Experimental::default(), None, None) };
    let command = |key: &str| section.get(key).map(|v| tolerant::command(&v)).unwrap_or_default();
    let experimental =
        Experimental { cmd: command("cmd"), entrypoint: command("entrypoint"), exec: command("exec") };
    let port = section.get("metrics_port").and_then(|v| tolerant::port(&v));
    let path = section.get("metrics_path").and_then(|v| v.text().map(str::to_owned));
    let kill_timeout = section.get("kill_timeout").and_then(|v| tolerant::duration(&v, Unit::Seconds));
    for key in [
        "auto_rollback",
        "enable_consul",
        "enable_etcd",
        "lazy_load_images",
        "attached",
        "machine_config",
        "private_network",
        "allowed_public_ports",
    ] {
        section.get(key);
    }
    section.finish();
    let metrics = port.map(|port| Metrics { port, path: path.unwrap_or_default(), ..Metrics::default() });
    (experimental, metrics, kill_timeout)
}

pub(super) fn mount(section: &Section<'_>) -> MountSection {
    let text = |key: &str, why: &str| {
        section.require(key, why).and_then(|v| v.text().map(str::to_owned)).unwrap_or_default()
    };
    let gb = |key: &str| section.get(key).and_then(|v| tolerant::size(&v, Base::Decimal));
    let number =
        |key: &str| section.get(key).and_then(|v| reading::scalar(&v).and_then(|text| positive(&v, &text)));
    let mount = MountSection {
        source: text("source", "it names the volume"),
        destination: text("destination", "it says where the volume is mounted"),
        initial_size_gb: gb("initial_size"),
        snapshot_retention: number("snapshot_retention"),
        extend_threshold_percent: number("auto_extend_size_threshold"),
        add_size_gb: gb("auto_extend_size_increment"),
        size_gb_limit: gb("auto_extend_size_limit"),
    };
    section.get("scheduled_snapshots");
    mount
}

fn positive(value: &Value<'_>, text: &str) -> Option<u32> {
    let number = text.parse::<u32>().ok().filter(|n| *n > 0);
    if number.is_none() {
        value.malformed(&Malformed::new(text, "a number", "it is a whole number from 1"));
    }
    number
}

pub(super) fn restart(section: &Section<'_>) -> Restart {
    const WORDS: &[&str] = &["always", "never", "on-failure"];
    let policy = section.get("policy").and_then(|v| {
        let text = v.text()?;
        // The API's own word for `never` is `no`.
        if !WORDS.contains(&text) && text != "no" {
            v.malformed(&Malformed::none_of(text, "a restart policy", WORDS));
            return None;
        }
        Some(RestartPolicy::from(text))
    });
    let max_retries = section.get_any(&["retries", "max_retries"]).and_then(|v| v.count(0));
    Restart { policy, max_retries, ..Restart::default() }
}

pub(super) fn metrics(section: &Section<'_>) -> Option<Metrics> {
    let path = section.get("path").and_then(|v| v.text().map(str::to_owned)).unwrap_or_default();
    let https = section.get("https").and_then(|v| v.boolean()).unwrap_or(false);
    let port = section.require("port", "it says where metrics are read").and_then(|v| tolerant::port(&v));
    Some(Metrics { port: port?, path, https, ..Metrics::default() })
}

pub(super) fn statics(section: &Section<'_>) -> Static {
    let text = |key: &str| section.get(key).and_then(|v| v.text().map(str::to_owned));
    Static {
        guest_path: text("guest_path").unwrap_or_default(),
        url_prefix: text("url_prefix").unwrap_or_default(),
        tigris_bucket: text("tigris_bucket"),
        index_document: text("index_document"),
        ..Static::default()
    }
}

/// `local_path` is read by `fly deploy` from the disk; what is not in this file is not part of this value.
pub(super) fn file(section: &Section<'_>) -> Option<File> {
    let text = |key: &str| section.get(key).and_then(|v| v.text().map(str::to_owned));
    if let Some(value) = section.get("raw_value") {
        value.sink.hide(value.span());
    }
    let local = section.get("local_path").is_some();
    let file = File {
        guest_path: text("guest_path").unwrap_or_default(),
        raw_value: text("raw_value"),
        secret_name: text("secret_name"),
        ..File::default()
    };
    (!local).then_some(file)
}
