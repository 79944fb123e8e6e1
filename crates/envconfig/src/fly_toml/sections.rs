//! The smaller sections.

use std::ops::RangeInclusive;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use flytypes::{
    GoDuration,
    machine::{File, Metrics, Restart, RestartPolicy, Static},
};

use super::{
    Vm, build,
    size::Base,
    tolerant::{self, Unit},
    vm,
};
use crate::{
    Code, Malformed, Severity,
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
    /// How long it may take, if the file says it.
    pub release_command_timeout: Option<Timeout>,
    /// The size of the machine it runs in.
    pub release_command_vm: Option<Vm>,
    /// The command of the first deployment.
    pub seed_command: Option<Vec<String>>,
}

/// How long something may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// `none`: as long as it likes.
    Unlimited,
    /// So long.
    After(GoDuration),
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
    let timeout = |key: &str| {
        let value = section.get(key)?;
        let none = matches!(&value.node.kind, Kind::Text(text) if text == "none");
        // An integer is what the API takes it for.
        if none {
            Some(Timeout::Unlimited)
        } else {
            tolerant::duration(&value, Unit::Nanoseconds).map(Timeout::After)
        }
    };
    let duration = |key: &str| match timeout(key) {
        Some(Timeout::After(time)) => Some(time),
        Some(Timeout::Unlimited) | None => None,
    };
    let deploy = Deploy {
        strategy: section.get("strategy").and_then(|v| v.parse()),
        max_unavailable: section.get("max_unavailable").and_then(|v| max_unavailable(&v)).map(|m| m.value),
        wait_timeout: duration("wait_timeout"),
        release_command: section.get("release_command").map(|v| tolerant::command(&v)),
        release_command_timeout: timeout("release_command_timeout"),
        release_command_vm: section.get("release_command_vm").and_then(|v| {
            let section = v.section()?;
            let vm = vm::read(&section);
            section.finish();
            Some(vm)
        }),
        seed_command: section.get("seed_command").map(|v| tolerant::command(&v)),
    };
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
        "use_zstd",
        "machine_config",
        "private_network",
        "allowed_public_ports",
    ] {
        section.get(key);
    }
    build::attached(&section);
    section.finish();
    let metrics = port.map(|port| Metrics { port, path: path.unwrap_or_default(), ..Metrics::default() });
    (experimental, metrics, kill_timeout)
}

const THRESHOLD: &str = "auto_extend_size_threshold";
const INCREMENT: &str = "auto_extend_size_increment";
const LIMIT: &str = "auto_extend_size_limit";

pub(super) fn mount(section: &Section<'_>) -> MountSection {
    let text = |key: &str, why: &str| {
        section.require(key, why).and_then(|v| v.text().map(str::to_owned)).unwrap_or_default()
    };
    let gb = |key: &str| section.get(key).and_then(|v| tolerant::size(&v, Base::Decimal));
    let number =
        |key: &str| section.get(key).and_then(|v| reading::scalar(&v).and_then(|text| positive(&v, &text)));
    // What flyctl refuses.
    let within = |key: &str, range: RangeInclusive<u32>, number: Option<u32>| {
        let value = section.get(key)?;
        let number = number?;
        if !range.contains(&number) {
            let why = format!("it must be between {} and {}", range.start(), range.end());
            value.error(Code::Malformed, format!("`{}` cannot be {number}", value.path), why, None);
        }
        Some(number)
    };
    let mount = MountSection {
        source: text("source", "it names the volume"),
        destination: text("destination", "it says where the volume is mounted"),
        initial_size_gb: gb("initial_size"),
        snapshot_retention: within("snapshot_retention", 1..=60, number("snapshot_retention")),
        extend_threshold_percent: within(THRESHOLD, 50..=99, number(THRESHOLD)),
        add_size_gb: within(INCREMENT, 1..=100, gb(INCREMENT)),
        size_gb_limit: within(LIMIT, 1..=500, gb(LIMIT)),
    };
    section.get("scheduled_snapshots");
    if mount.extend_threshold_percent.is_some()
        && mount.add_size_gb.is_none()
        && section.get(INCREMENT).is_none()
    {
        let what = format!("`{}` grows by nothing", section.path);
        let why = format!("with `{THRESHOLD}` flyctl wants `{INCREMENT}` too");
        section.sink.error(Code::Missing, &section.span, &section.path, what, why, None);
    }
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
    let policy = section.require("policy", "it is `always`, `never` or `on-failure`").and_then(|v| {
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
    let needed = |key: &str, why: &str| {
        section.require(key, why).and_then(|v| v.text().map(str::to_owned)).unwrap_or_default()
    };
    Static {
        guest_path: needed("guest_path", "it is the directory that is served"),
        url_prefix: needed("url_prefix", "it is the path below which it is served"),
        tigris_bucket: text("tigris_bucket"),
        index_document: text("index_document"),
        ..Static::default()
    }
}

/// Says that what `value` names is not looked at.
fn only_flyctl(value: &Value<'_>, what: &str) {
    let said = format!("{what} that `{}` names is not read here", value.path);
    let why = "only `fly deploy` reads it, on the machine it runs on, so no promotion can carry it over";
    let hint = Some("put it into the image, into a secret, or into this file".to_owned());
    value.sink.report(Severity::Warning, Code::OnlyFlyctl, value.span(), &value.path, said, why, hint);
}

/// The content of a file that `value` names, where somebody can read it.
pub(super) fn beside(value: &Value<'_>, what: &str) -> Option<Vec<u8>> {
    let path = value.text()?;
    match value.sink.beside(path) {
        None => {
            only_flyctl(value, what);
            None
        }
        Some(Ok(content)) => Some(content),
        Some(Err(why)) => {
            let said = format!("{what} that `{}` names cannot be read", value.path);
            let hint = format!("`{}` is relative to this file", path.escape_debug());
            value.error(Code::Unreadable, said, why, Some(hint));
            None
        }
    }
}

/// The content of `local_path` is read from the disk, as `fly deploy` does.
pub(super) fn file(section: &Section<'_>) -> Option<File> {
    let text = |key: &str| section.get(key).and_then(|v| v.text().map(str::to_owned));
    if let Some(value) = section.get("raw_value") {
        value.sink.hide(value.span());
    }
    let raw = text("raw_value");
    let secret_name = text("secret_name");
    let guest_path = section.require("guest_path", "it says where the file is written");
    let guest_path = guest_path.and_then(|v| v.text()).unwrap_or_default().to_owned();
    // The order in which flyctl looks.
    if let Some(local) = section.get("local_path") {
        let raw_value = Some(BASE64_STANDARD.encode(beside(&local, "the file")?));
        return Some(File { guest_path, raw_value, ..File::default() });
    }
    let raw_value = raw.filter(|_| secret_name.is_none()).map(|raw| BASE64_STANDARD.encode(raw));
    Some(File { guest_path, raw_value, secret_name, ..File::default() })
}
