//! What buckets and objects may be called.

use sha2::{Digest, Sha256};

use super::Refusal;
use crate::registry::store::hex;

/// The longest key (User Guide, "Naming Amazon S3 objects"), in bytes of UTF-8.
const KEY_MAX: usize = 1024;

/// Whether `name` can be a bucket (User Guide, "General purpose bucket naming rules"): 3 to 63 small letters, digits, dots
/// and hyphens, a letter or digit at both ends, no two dots beside each other.
pub(super) fn is_bucket(name: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b);
    (3..=63).contains(&name.len())
        && name.bytes().all(inner)
        && edge(name.bytes().next())
        && edge(name.bytes().last())
        && !name.contains("..")
}

/// Refuses a key that no object can have.
pub(super) fn check_key(key: &str) -> Result<(), Refusal> {
    if key.len() <= KEY_MAX {
        return Ok(());
    }
    Err(Refusal::bad(
        "KeyTooLongError",
        format!("the key has {} bytes, and {KEY_MAX} is the most", key.len()),
    ))
}

/// The bucket that the store of an organisation may be put into: `understudy-ORG`, where that is a name for a bucket.
pub fn bucket_of(org: &str) -> String {
    let name = format!("understudy-{org}");
    if is_bucket(&name) { name } else { format!("understudy-{}", hex(&Sha256::digest(org)[..8])) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// User Guide, "General purpose bucket naming rules".
    #[test]
    fn names_of_buckets() {
        for good in ["abc", "my-bucket.1", &"a".repeat(63)] {
            assert!(is_bucket(good), "{good}");
        }
        for bad in ["ab", &"a".repeat(64), "Abc", "a_c", "-bc", "ab.", "a..b", "a/b", "..."] {
            assert!(!is_bucket(bad), "{bad}");
        }
    }

    #[test]
    fn every_organisation_has_a_bucket_of_its_own() {
        assert_eq!(bucket_of("acme"), "understudy-acme");
        let odd = ["acme-", "Acme", &"a".repeat(60), ""].map(bucket_of);
        for (n, name) in odd.iter().enumerate() {
            assert!(is_bucket(name) && !odd[..n].contains(name), "{name}");
        }
    }
}
