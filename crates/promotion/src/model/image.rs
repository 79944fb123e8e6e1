//! Images as they are told and written down: what moves, what arrived, and the tags that keep them.

use std::collections::BTreeMap;

use flytypes::{Digest, ImageRef};
use serde::{Deserialize, Serialize};

use super::{ComponentName, EnvironmentName};

/// Labels of images (OCI image specification, "Pre-Defined Annotation Keys").
pub mod image_label {
    /// The source commit.
    pub const REVISION: &str = "org.opencontainers.image.revision";
    /// The version of what is in it.
    pub const VERSION: &str = "org.opencontainers.image.version";
}

/// An image of a plan, for people: where it comes from, where it goes, and what that moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagePreview {
    /// Which component.
    pub component: ComponentName,
    /// Where it is.
    pub from: ImageRef,
    /// Where it is run from; the same where nothing is copied.
    pub to: ImageRef,
    /// Bytes of all its blobs.
    pub bytes_total: u64,
    /// Bytes of those that are not in the target's repository yet.
    pub bytes_missing: u64,
    /// Whether the registry may link them by itself instead.
    pub can_mount: bool,
}

impl ImagePreview {
    /// Whether it goes to another place.
    pub fn is_copied(&self) -> bool {
        (self.from.registry(), self.from.repository()) != (self.to.registry(), self.to.repository())
    }
}

/// An image as it was read back from the registry out of which it is run.
///
/// A provider may say of a machine that it runs the digest of an index, or that of the platform's manifest in it: with both
/// written down, like can be compared with like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// By its own digest: that of the index, where it is one.
    pub image: ImageRef,
    /// Of an index: the manifest's digest per platform, such as `linux/amd64`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub platforms: BTreeMap<String, Digest>,
    /// Bytes that went through us.
    pub bytes_sent: u64,
    /// Bytes that the registry linked by itself.
    pub bytes_mounted: u64,
}

/// Digits of a digest that stand in a tag where no commit does.
const DIGEST_DIGITS: usize = 12;

/// The tag that keeps an image: `<environment>-<sha>`, with the commit as the release names it where that is a hash
/// (hexadecimal digits, at least seven), else the first twelve digits of the image's digest.
///
/// It is written for those who clean registries up, and nobody resolves it: what runs is named by digest.
pub fn keep_tag(environment: &EnvironmentName, commit: Option<&str>, digest: &Digest) -> String {
    let hash = commit.filter(|commit| is_hash(commit)).map(str::to_ascii_lowercase);
    let sha = hash.unwrap_or_else(|| digest.hex().chars().take(DIGEST_DIGITS).collect());
    format!("{environment}-{sha}")
}

/// Whether `text` is a commit's hash, or the beginning of one that is long enough to mean one.
fn is_hash(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_hexdigit())
}

/// Whether two people who wrote a commit meant the same one: alike, or one hash begins with the other.
pub fn is_same_commit(one: &str, other: &str) -> bool {
    let (one, other) = (one.to_ascii_lowercase(), other.to_ascii_lowercase());
    one == other || (is_hash(&one) && is_hash(&other) && (one.starts_with(&other) || other.starts_with(&one)))
}

/// Whether two versions are the same, with or without a `v` in front.
pub fn is_same_version(one: &str, other: &str) -> bool {
    one.strip_prefix('v').unwrap_or(one) == other.strip_prefix('v').unwrap_or(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest() -> Digest {
        Digest::from_hex(&"ab".repeat(32)).unwrap()
    }

    #[test]
    fn a_tag_has_the_commit_or_the_digest() {
        let staging = EnvironmentName::new("staging").unwrap();
        let commit = "0123456789ABCDEF0123456789abcdef01234567";
        let tag = keep_tag(&staging, Some(commit), &digest());
        assert_eq!(tag, "staging-0123456789abcdef0123456789abcdef01234567");
        for none in [None, Some(""), Some("main"), Some("abc123"), Some("a/b c")] {
            assert_eq!(keep_tag(&staging, none, &digest()), "staging-abababababab", "{none:?}");
        }
    }

    #[test]
    fn commits_and_versions_are_compared_as_people_write_them() {
        assert!(is_same_commit("0123456789abcdef", "0123456789ABCDEF"));
        assert!(is_same_commit("0123456", "0123456789abcdef"));
        assert!(!is_same_commit("012345", "0123456789abcdef"), "too short to mean one");
        assert!(!is_same_commit("1123456", "0123456789abcdef"));
        assert!(is_same_commit("main", "main") && !is_same_commit("main", "maintenance"));
        assert!(is_same_version("v1.2.0", "1.2.0") && !is_same_version("1.2.0", "1.2.1"));
    }
}
