//! Names of an app's secrets, and which of them its machines do not have yet.

use std::collections::BTreeSet;

use async_trait::async_trait;
use flyclient::fly::Client;
use flytypes::AppName;
use flytypes::wire::{Secret, SecretsReply};
use promotion::model::{At, Place, SecretsSeen, Unit, canonical};
use promotion::ports::{PortError, Secrets};

use super::error::read;

/// The secrets of a Fly organisation's apps, through one token.
#[derive(Debug, Clone)]
pub struct FlySecrets {
    client: Client,
}

impl FlySecrets {
    /// Over a client.
    pub const fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Secrets for FlySecrets {
    async fn observe_secrets(&self, place: &Place, units: &[Unit]) -> Result<SecretsSeen, PortError> {
        let app: AppName =
            place.name.parse().map_err(|error: flytypes::NameError| PortError::refused(error.to_string()))?;
        let reply = self.client.app(&app).secrets().list(None).await;
        reply.map(|reply| seen(&reply, units)).map_err(|error| read(&error))
    }

    fn command(&self, place: &Place, names: &BTreeSet<String>) -> Option<String> {
        let gaps: Vec<String> = names.iter().map(|name| format!("{name}=…")).collect();
        Some(format!("fly secrets set --stage {} --app {}", gaps.join(" "), place.name))
    }
}

/// Digests and times go into one hash and nowhere else: what is journaled tells that something changed, and not what.
fn seen(reply: &SecretsReply, units: &[Unit]) -> SecretsSeen {
    let marks: Vec<_> = reply
        .secrets
        .iter()
        .map(|secret| (&secret.name, &secret.digest, &secret.created_at, &secret.updated_at))
        .collect();
    // Whose version cannot be dated may have been made at any time: nothing is said of it.
    let oldest = units.iter().filter_map(made_at).min();
    let is_staged = |secret: &&Secret| oldest.zip(set_at(secret)).is_some_and(|(made, set)| set > made);
    SecretsSeen {
        names: reply.secrets.iter().map(|secret| secret.name.clone()).collect(),
        version: reply.version,
        state: Some(canonical::hash("understudy fly secrets v1", &marks)),
        staged: reply.secrets.iter().filter(is_staged).map(|secret| secret.name.clone()).collect(),
    }
}

fn set_at(secret: &Secret) -> Option<At> {
    let text = secret.updated_at.as_ref().or(secret.created_at.as_ref())?;
    text.parse::<jiff::Timestamp>().ok().map(|at| At(at.as_millisecond()))
}

/// When the machine's configuration was written, which is when it got its secrets. The id of a version tells it; a start
/// or restart is later and brings none (fly.md 6, "restart does not apply staged secrets"), so the last event would hide
/// what is staged. It is what is left where the id does not look like one, or is later than what happened since.
fn made_at(unit: &Unit) -> Option<At> {
    let made = ulid_time(unit.version.as_str());
    match (made, unit.version_since) {
        (Some(made), Some(since)) => Some(made.min(since)),
        (made, since) => made.or(since),
    }
}

/// The milliseconds since 1970 in the first ten characters of a ULID (github.com/ulid/spec).
fn ulid_time(id: &str) -> Option<At> {
    const CROCKFORD: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    if id.len() != 26 {
        return None;
    }
    let mut time: i64 = 0;
    for (n, c) in id.chars().enumerate() {
        let digit = CROCKFORD.find(c)?;
        if n < 10 {
            time = time.checked_mul(32)?.checked_add(i64::try_from(digit).ok()?)?;
        }
    }
    // 48 bits, so the first character is at most 7.
    (time < 1 << 48).then_some(At(time))
}

#[cfg(test)]
mod tests {
    use promotion::model::{GroupName, RegionName, UnitId, UnitSpec, UnitVersion};
    use serde_json::Value;

    use super::*;

    fn unit(version: &str, since: Option<i64>) -> Unit {
        let spec = UnitSpec {
            group: GroupName::new("app").unwrap(),
            region: RegionName::new("fra").unwrap(),
            image: "registry.fly.io/web:1".parse().unwrap(),
            config: Value::Null.into(),
            secrets_version: None,
            standby_for: std::collections::BTreeSet::new(),
        };
        let mut unit = Unit::new(UnitId::new("m").unwrap(), UnitVersion::new(version).unwrap(), &spec);
        unit.version_since = since.map(At);
        unit
    }

    fn reply(secrets: &[(&str, &str, &str)]) -> SecretsReply {
        let secret = |(name, digest, at): &(&str, &str, &str)| Secret {
            name: (*name).to_owned(),
            digest: (*digest).to_owned(),
            created_at: Some("2016-01-01T00:00:00Z".to_owned()),
            updated_at: Some((*at).to_owned()).filter(|at| !at.is_empty()),
        };
        SecretsReply { secrets: secrets.iter().map(secret).collect(), version: None }
    }

    /// The example of the ULID specification: 01ARZ3NDEKTSV4RRFFQ69G5FAV is of 2016-07-30T23:54:10.259Z.
    const SPEC: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    const SPEC_MS: i64 = 1_469_922_850_259;

    #[test]
    fn a_version_tells_when_it_was_made() {
        assert_eq!(ulid_time(SPEC), Some(At(SPEC_MS)));
        for other in ["", "01ARZ3NDEK", "01ARZ3NDEKTSV4RRFFQ69G5FAU", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ"] {
            assert_eq!(ulid_time(other), None, "{other}");
        }
    }

    /// What the API does not say is not made up: real Fly lists secrets without a version of the set.
    #[test]
    fn a_change_of_a_value_shows_without_a_version_and_without_times() {
        let one = seen(&reply(&[("A", "d1", ""), ("B", "d2", "")]), &[]);
        assert_eq!((one.version, one.names.len()), (None, 2));
        let same = seen(&reply(&[("A", "d1", ""), ("B", "d2", "")]), &[]);
        assert_eq!(one, same);
        let other = seen(&reply(&[("A", "d1", ""), ("B", "d3", "")]), &[]);
        assert_ne!(one.state, other.state);
        assert!(!format!("{other:?}").contains("d3"), "digests stay here");
    }

    #[test]
    fn a_restart_does_not_hide_what_is_staged() {
        // Set a millisecond after the version was made, and before the restart.
        let set = "2016-07-30T23:54:10.260Z";
        let list = reply(&[("OLD", "d", "2016-07-30T23:54:10.259Z"), ("NEW", "d", set)]);
        let staged = |unit: Unit| seen(&list, &[unit]).staged.into_iter().collect::<Vec<_>>();
        assert_eq!(staged(unit(SPEC, Some(SPEC_MS + 60_000))), ["NEW"]);
        // The second of two machines is older.
        let both = [unit("other", Some(SPEC_MS + 60_000)), unit(SPEC, None)];
        assert_eq!(seen(&list, &both).staged.len(), 1);
        // An id that tells no time: the last event is all there is.
        assert_eq!(staged(unit("other", Some(SPEC_MS + 60_000))), Vec::<String>::new());
        assert_eq!(staged(unit("other", Some(SPEC_MS - 60_000))), ["NEW", "OLD"]);
        assert_eq!(staged(unit("other", None)), Vec::<String>::new());
    }
}
