//! Choices where nobody outside has established what the real service does (fly.md, section 10).
//!
//! `GET /localcloud/v1/quirks` answers all of them, `PATCH` with an object of some changes those.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Behaviour of the real service that nobody outside has established; each choice can be turned round, at the start and
/// at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// A nonce that belongs to no live lease is refused (409) even where the machine is not leased at all.
    pub strict_nonce: bool,
    /// Prolonging a lease that has ended is refused (409) instead of giving a new one.
    pub strict_refresh: bool,
    /// `wait?state=stopped` without `instance_id` or `version` is 400.
    pub strict_wait_instance: bool,
    /// A machine created with `skip_launch` rests at `created` instead of `stopped`.
    pub skip_launch_rests_created: bool,
    /// `image_ref.digest` is the platform manifest's digest where the reference names an index.
    pub platform_digest: bool,
    /// The registry lists no tags, as Fly's does not.
    pub no_tag_list: bool,
    /// The registry mounts blobs of a repository of another organisation, which the caller may not read.
    pub mount_across_orgs: bool,
    /// What 429 answers say in `Retry-After`, in seconds; absent: no such header.
    pub retry_after_s: Option<u64>,
    /// How long a destroyed machine stays readable, in seconds.
    pub destroyed_readable_s: u64,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            strict_nonce: false,
            strict_refresh: false,
            strict_wait_instance: false,
            skip_launch_rests_created: false,
            platform_digest: false,
            no_tag_list: false,
            mount_across_orgs: false,
            retry_after_s: None,
            destroyed_readable_s: 600,
        }
    }
}

impl Quirks {
    /// With these turned round; an unknown name, or a value of another kind, is refused.
    ///
    /// # Errors
    /// What is wrong with `changes`, in the words of the decoder.
    pub fn with(self, changes: Map<String, Value>) -> Result<Self, serde_json::Error> {
        let mut all = serde_json::to_value(self)?;
        if let Value::Object(map) = &mut all {
            map.extend(changes);
        }
        serde_json::from_value(all)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changes(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn some_are_changed_and_others_stay() {
        let one =
            Quirks::default().with(changes(&json!({"strict_nonce": true, "retry_after_s": 2}))).unwrap();
        assert_eq!((one.strict_nonce, one.retry_after_s, one.destroyed_readable_s), (true, Some(2), 600));
        let two = one.with(changes(&json!({"strict_nonce": false, "retry_after_s": null}))).unwrap();
        assert_eq!(two, Quirks::default());
        for bad in [json!({"strict_nonse": true}), json!({"destroyed_readable_s": "long"})] {
            assert!(Quirks::default().with(changes(&bad)).is_err(), "{bad}");
        }
    }
}
