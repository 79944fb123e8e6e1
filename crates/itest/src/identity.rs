//! Does the target that answers happen to be the one that was meant?

use http::HeaderMap;
use serde_json::Value;

use crate::{target::ExpectedIdentity, transport::Answer};

/// What a target says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) environment: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) commit: Option<String>,
    pub(crate) digest: Option<String>,
}

/// The shortest commit, in hex digits, that can stand for a whole one (git's own default abbreviation).
const COMMIT_DIGITS_MIN: usize = 7;

impl Claim {
    /// The members `environment`, `version`, `commit`, `digest` of a JSON object in a 2xx answer, and the
    /// headers `x-environment` … `x-digest` of any answer. Saying two different things is an error.
    pub(crate) fn read(answer: &Answer) -> Result<Self, String> {
        let document: Option<Value> =
            answer.status.is_success().then(|| serde_json::from_slice(&answer.body).ok()).flatten();
        let part = |name: &str| {
            let member = document.as_ref().and_then(|json| json.get(name)).filter(|value| !value.is_null());
            let member = match member {
                Some(Value::String(text)) => Some(text.clone()),
                Some(other) => return Err(format!("says that its {name} is {other}, which is no string")),
                None => None,
            };
            agree(name, member, header(&answer.headers, name))
        };
        Ok(Self {
            environment: part("environment")?,
            version: part("version")?,
            commit: part("commit")?,
            digest: part("digest")?,
        })
    }

    /// Takes what is missing here from a second page.
    pub(crate) fn and(self, other: Self) -> Result<Self, String> {
        Ok(Self {
            environment: agree("environment", self.environment, other.environment)?,
            version: agree("version", self.version, other.version)?,
            commit: agree("commit", self.commit, other.commit)?,
            digest: agree("digest", self.digest, other.digest)?,
        })
    }

    /// Whether this is who was expected, else both in one sentence.
    pub(crate) fn check(&self, expected: &ExpectedIdentity) -> Result<(), String> {
        let Some(environment) = &self.environment else {
            return Err(format!("does not say which environment it is, expected `{}`", expected.environment));
        };
        let same = |claimed: &Option<String>, wanted: &Option<String>| wanted.is_none() || claimed == wanted;
        let matches = *environment == expected.environment
            && same(&self.version, &expected.version)
            && same(&self.digest, &expected.digest)
            && same_commit(self.commit.as_deref(), expected.commit.as_deref());
        if matches {
            return Ok(());
        }
        let claimed = sentence(environment, [&self.version, &self.commit, &self.digest], expected);
        let wanted = sentence(
            &expected.environment,
            [&expected.version, &expected.commit, &expected.digest],
            expected,
        );
        Err(format!("says it is {claimed}, expected {wanted}"))
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(format!("x-{name}")).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn agree(name: &str, a: Option<String>, b: Option<String>) -> Result<Option<String>, String> {
    match (a, b) {
        (Some(a), Some(b)) if a != b => Err(format!("says two things about its {name}: `{a}` and `{b}`")),
        (a, b) => Ok(a.or(b)),
    }
}

fn same_commit(claimed: Option<&str>, wanted: Option<&str>) -> bool {
    match (claimed, wanted) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(a), Some(b)) => {
            let long_enough = a.len().min(b.len()) >= COMMIT_DIGITS_MIN;
            a == b || (long_enough && (a.starts_with(b) || b.starts_with(a)))
        }
    }
}

/// `` `staging` 1.2.0, commit abc1234 ``: the version whenever it is known, the rest when it was asked for.
fn sentence(
    environment: &str,
    [version, commit, digest]: [&Option<String>; 3],
    asked: &ExpectedIdentity,
) -> String {
    let mut text = format!("`{environment}`");
    match version {
        Some(version) => text.push_str(&format!(" {version}")),
        None if asked.version.is_some() => text.push_str(" of no version"),
        None => {}
    }
    for (name, value, wanted) in [("commit", commit, &asked.commit), ("digest", digest, &asked.digest)] {
        if wanted.is_some() {
            text.push_str(&format!(", {name} {}", value.as_deref().unwrap_or("unknown")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(environment: &str, version: &str) -> Claim {
        Claim { environment: Some(environment.into()), version: Some(version.into()), ..Claim::default() }
    }

    fn expected(environment: &str, version: Option<&str>) -> ExpectedIdentity {
        ExpectedIdentity { version: version.map(Into::into), ..ExpectedIdentity::environment(environment) }
    }

    #[test]
    fn another_environment_or_build_is_named_beside_the_expected_one() {
        let error = claim("staging", "1.2.0").check(&expected("production", Some("1.1.0"))).unwrap_err();
        assert_eq!(error, "says it is `staging` 1.2.0, expected `production` 1.1.0");
        let error = claim("staging", "1.2.0").check(&expected("staging", Some("1.1.0"))).unwrap_err();
        assert_eq!(error, "says it is `staging` 1.2.0, expected `staging` 1.1.0");
        assert_eq!(claim("staging", "1.2.0").check(&expected("staging", None)), Ok(()));
    }

    #[test]
    fn what_is_asked_for_must_be_said() {
        let silent = Claim { environment: Some("staging".into()), ..Claim::default() };
        let error = silent.check(&expected("staging", Some("1.1.0"))).unwrap_err();
        assert_eq!(error, "says it is `staging` of no version, expected `staging` 1.1.0");
        let error = Claim::default().check(&expected("staging", None)).unwrap_err();
        assert_eq!(error, "does not say which environment it is, expected `staging`");
    }

    #[test]
    fn commits_may_be_abbreviated_to_seven_digits() {
        let whole = "0123456789abcdef0123456789abcdef01234567";
        assert!(same_commit(Some("0123456"), Some(whole)));
        assert!(same_commit(Some(whole), Some("0123456789")));
        assert!(!same_commit(Some("012345"), Some(whole)));
        assert!(!same_commit(Some("0123457"), Some(whole)));
        assert!(!same_commit(None, Some(whole)));
    }

    #[test]
    fn two_pages_must_agree() {
        let build = Claim { version: Some("1.2.0".into()), ..Claim::default() };
        let page = Claim { environment: Some("staging".into()), ..Claim::default() };
        assert_eq!(page.and(build), Ok(claim("staging", "1.2.0")));
        let error = claim("staging", "1.2.0").and(claim("staging", "1.3.0")).unwrap_err();
        assert_eq!(error, "says two things about its version: `1.2.0` and `1.3.0`");
    }
}
