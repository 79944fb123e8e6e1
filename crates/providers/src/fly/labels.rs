//! The engine's labels as machine metadata.
//!
//! Ours carry a prefix of our own, since flyctl keeps metadata it does not know. What `fly deploy` may touch carries
//! `fly_platform_version=v2`; parking moves that key aside so that a parked machine is left alone, and unparking moves
//! it back.

use std::collections::BTreeMap;

use promotion::model::label;

/// In front of every key of ours.
pub(super) const PREFIX: &str = "understudy_";
/// In front of flyctl's keys while a machine is parked.
const ASIDE: &str = "understudy_was_";
/// The key that makes a machine flyctl's business.
pub(super) const PLATFORM: &str = "fly_platform_version";
/// The process group.
pub(super) const GROUP: &str = "fly_process_group";
/// The key under which a create is found again.
pub(super) const KEY: &str = "understudy_key";

/// The engine's labels among `metadata`.
pub(super) fn read(metadata: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    metadata
        .iter()
        .filter(|(key, _)| !key.starts_with(ASIDE) && key.as_str() != KEY)
        .filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?.to_owned(), value.clone())))
        .collect()
}

/// Whether ordinary deploys are about this machine, now or when it is unparked.
pub(super) fn is_managed(metadata: &BTreeMap<String, String>) -> bool {
    let version = metadata.get(PLATFORM).or_else(|| metadata.get(&format!("{ASIDE}{PLATFORM}")));
    let auxiliary = metadata.get(GROUP).is_some_and(|group| group.starts_with("fly_app_"));
    version.map(String::as_str) == Some("v2") && !auxiliary
}

/// What `fly deploy` wrote on the machine: its version and the release (fly.md 2.3).
pub(super) fn deployed_by(metadata: &BTreeMap<String, String>) -> Option<String> {
    let version = metadata.get("fly_flyctl_version")?;
    let release = metadata.get("fly_release_version").map(|release| format!(", release {release}"));
    Some(format!("flyctl {version}{}", release.unwrap_or_default()))
}

/// What of `metadata` belongs to the team's own configuration.
pub(super) fn own(metadata: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    metadata
        .iter()
        .filter(|(key, _)| !key.starts_with(PREFIX) && !key.starts_with("fly_") && !key.starts_with("fly-"))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Label changes as metadata changes, given the metadata there is.
pub(super) fn changes(
    labels: &BTreeMap<String, Option<String>>,
    metadata: &BTreeMap<String, String>,
) -> BTreeMap<String, Option<String>> {
    let mut changes: BTreeMap<String, Option<String>> =
        labels.iter().map(|(key, value)| (format!("{PREFIX}{key}"), value.clone())).collect();
    match labels.get(label::PARKED_UNTIL) {
        Some(Some(_)) => {
            if let Some(value) = metadata.get(PLATFORM) {
                changes.insert(format!("{ASIDE}{PLATFORM}"), Some(value.clone()));
                changes.insert(PLATFORM.to_owned(), None);
            }
        }
        Some(None) => {
            if let Some(value) = metadata.get(&format!("{ASIDE}{PLATFORM}")) {
                changes.insert(PLATFORM.to_owned(), Some(value.clone()));
                changes.insert(format!("{ASIDE}{PLATFORM}"), None);
            }
        }
        None => {}
    }
    changes
}
