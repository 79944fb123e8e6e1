//! What is about images and about flyctl itself: read for misspelt keys only, since it says nothing about machines.

use super::tolerant::{self, Unit};
use crate::reading::{Section, Value};

/// `[build]`.
pub(super) fn build(value: &Value<'_>) {
    let Some(section) = value.section() else { return };
    for key in [
        "builder",
        "args",
        "buildpacks",
        "image",
        "settings",
        "builtin",
        "dockerfile",
        "ignorefile",
        "build-target",
        "build_target",
        "compression",
        "compression_level",
    ] {
        section.get(key);
    }
    nested(&section, "compose", &["file"]);
    section.finish();
}

/// `[[machine_checks]]`, of the app or of a service: flyctl runs them itself while it deploys.
pub(super) fn machine_checks(value: &Value<'_>) {
    for section in value.one_or_many().iter().filter_map(Value::section) {
        for key in ["command", "entrypoint"] {
            section.get(key).map(|v| tolerant::command(&v));
        }
        for key in ["image", "kill_signal"] {
            section.get(key).and_then(|v| v.text());
        }
        section.get("kill_timeout").and_then(|v| tolerant::duration(&v, Unit::Nanoseconds));
        section.finish();
    }
}

/// `[experimental.attached]`.
pub(super) fn attached(section: &Section<'_>) {
    let Some(attached) = section.get("attached").and_then(|v| v.section()) else { return };
    nested(&attached, "secrets", &["export"]);
    attached.finish();
}

fn nested(section: &Section<'_>, name: &str, keys: &[&str]) {
    let Some(inner) = section.get(name).and_then(|v| v.section()) else { return };
    for key in keys {
        inner.get(key);
    }
    inner.finish();
}
