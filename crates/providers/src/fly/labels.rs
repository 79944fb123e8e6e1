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

/// Whether a machine with this metadata is known to a journal: whose it is stands there.
pub fn is_marked(metadata: &BTreeMap<String, String>) -> bool {
    read(metadata).contains_key(label::STORE)
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
    let stays = |label: &String| labels.get(label).is_none_or(Option::is_some);
    let is_last = !read(metadata).keys().any(stays) && !labels.values().any(Option::is_some);
    if is_last && metadata.contains_key(KEY) {
        changes.insert(KEY.to_owned(), None);
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map<V: Clone>(pairs: &[(&str, V)]) -> BTreeMap<String, V> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
    }

    fn told(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    /// fly.md 2.3: flyctl is about machines with `fly_platform_version=v2`, and leaves keys alone that it does not know.
    #[test]
    fn parking_moves_flyctls_key_aside_and_unparking_back() {
        let metadata = map(&[(PLATFORM, "v2".to_owned()), (GROUP, "app".to_owned())]);
        let parked = changes(&map(&[(label::PARKED_UNTIL, told("2026"))]), &metadata);
        assert_eq!(
            parked,
            map(&[
                ("understudy_parked_until", told("2026")),
                ("understudy_was_fly_platform_version", told("v2")),
                (PLATFORM, None),
            ])
        );
        let metadata = map(&[("understudy_was_fly_platform_version", "v2".to_owned())]);
        assert!(is_managed(&metadata) && read(&metadata).is_empty());
        let back = changes(&map(&[(label::PARKED_UNTIL, None)]), &metadata);
        assert_eq!(back[PLATFORM], told("v2"));
    }

    #[test]
    fn with_the_last_label_the_key_of_its_create_goes_too() {
        let metadata = map(&[
            (PLATFORM, "v2".to_owned()),
            (KEY, "p-1/create/app/fra/0".to_owned()),
            ("understudy_store", "s".to_owned()),
            ("understudy_promotion", "p-1".to_owned()),
            ("team", "payments".to_owned()),
        ]);
        let one = changes(&map(&[("promotion", None)]), &metadata);
        assert_eq!(one, map(&[("understudy_promotion", None)]));
        let all = changes(&map(&[("promotion", None), ("store", None)]), &metadata);
        let expected = map(&[("understudy_promotion", None), ("understudy_store", None), (KEY, None)]);
        assert_eq!(all, expected);
    }

    #[test]
    fn flyctl_says_which_release_it_deployed() {
        let metadata =
            map(&[("fly_flyctl_version", "0.3.170".to_owned()), ("fly_release_version", "7".to_owned())]);
        assert_eq!(deployed_by(&metadata), told("flyctl 0.3.170, release 7"));
        assert_eq!(deployed_by(&map(&[("fly_release_version", "7".to_owned())])), None);
    }
}
