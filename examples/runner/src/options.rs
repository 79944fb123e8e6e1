//! What the service is told from outside: an environment map becomes values that cannot be wrong.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

/// Everything the service knows about where and what it is.
#[derive(Debug, Clone)]
pub struct Options {
    /// `HOST`: the address to listen on; default any.
    pub host: IpAddr,
    /// `PORT`: default 8080.
    pub port: u16,
    /// `APP_ENV`: the environment's name, as each response tells it; default `local`.
    pub environment: String,
    /// `VERSION` of the release; default `1.0.0`. From 1.1.0 on `run` tells how long it took.
    pub version: String,
    /// `COMMIT` that it was built from; default `unknown`.
    pub commit: String,
    /// `APP_LABEL`: a word that each response repeats, for whoever wants to know that it is really theirs.
    pub label: Option<String>,
    /// `FLY_APP_NAME`.
    pub app: Option<String>,
    /// `FLY_MACHINE_ID`.
    pub machine: Option<String>,
    /// `FLY_REGION`.
    pub region: Option<String>,
    /// `FLY_IMAGE_REF`: the image reference that the machine was started from.
    pub image_ref: Option<String>,
    /// `NUM_RUNNERS`: how many programs run at once, 1 to 1000; default 4.
    pub runners: usize,
    /// `RUN_TIMEOUT_MS`: the wall time of a program, 1 to 60000 ms; default 1000.
    pub timeout: Duration,
    /// `PATH`: where languages are looked for.
    pub path: String,
}

/// A variable with a value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("variable {name} is `{value}`: {expected}")]
pub struct OptionsError {
    /// The variable.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// What it must be.
    pub expected: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 8080,
            environment: "local".to_owned(),
            version: "1.0.0".to_owned(),
            commit: "unknown".to_owned(),
            label: None,
            app: None,
            machine: None,
            region: None,
            image_ref: None,
            runners: 4,
            timeout: Duration::from_secs(1),
            path: "/usr/local/bin:/usr/bin:/bin".to_owned(),
        }
    }
}

impl Options {
    /// Reads the variables named at the fields. Unknown ones are not looked at.
    ///
    /// # Errors
    /// The first variable, in alphabetical order of the fields' documentation, whose value cannot be used.
    pub fn from_env_map(env: &BTreeMap<String, String>) -> Result<Self, OptionsError> {
        let default = Self::default();
        let runners = number(env, "NUM_RUNNERS", 1..=1000, "a number from 1 to 1000")?;
        let timeout = number(env, "RUN_TIMEOUT_MS", 1..=60_000, "milliseconds from 1 to 60000")?;
        let port = number(env, "PORT", 0..=65_535, "a port from 0 to 65535")?;
        let host = match env.get("HOST") {
            Some(text) => text.parse().map_err(|_| wrong("HOST", text, "an IP address"))?,
            None => default.host,
        };
        Ok(Self {
            host,
            port: port.and_then(|port| u16::try_from(port).ok()).unwrap_or(default.port),
            environment: word(env, "APP_ENV")?.unwrap_or(default.environment),
            version: word(env, "VERSION")?.unwrap_or(default.version),
            commit: word(env, "COMMIT")?.unwrap_or(default.commit),
            label: word(env, "APP_LABEL")?,
            app: word(env, "FLY_APP_NAME")?,
            machine: word(env, "FLY_MACHINE_ID")?,
            region: word(env, "FLY_REGION")?,
            image_ref: word(env, "FLY_IMAGE_REF")?,
            runners: runners.and_then(|n| usize::try_from(n).ok()).unwrap_or(default.runners),
            timeout: timeout.map_or(default.timeout, Duration::from_millis),
            path: env.get("PATH").cloned().unwrap_or(default.path),
        })
    }

    /// The digest in the image reference (`…@sha256:…`).
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.image_ref.as_deref()?.rsplit_once('@').map(|(_, digest)| digest)
    }

    /// Is the release at least this one? A version that is no version counts as older.
    pub(crate) fn is_at_least(&self, major: u64, minor: u64) -> bool {
        let mut parts = self.version.split('.').map(str::parse::<u64>);
        match (parts.next(), parts.next()) {
            (Some(Ok(its_major)), Some(Ok(its_minor))) => (its_major, its_minor) >= (major, minor),
            _ => false,
        }
    }
}

fn wrong(name: &'static str, value: &str, expected: &'static str) -> OptionsError {
    OptionsError { name, value: value.to_owned(), expected }
}

/// A non-empty value that can stand in a header; empty counts as not given.
fn word(env: &BTreeMap<String, String>, name: &'static str) -> Result<Option<String>, OptionsError> {
    match env.get(name).filter(|value| !value.is_empty()) {
        None => Ok(None),
        Some(value) if value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) => Ok(Some(value.clone())),
        Some(value) => {
            Err(wrong(name, value, "it must be printable ASCII, since a response header carries it"))
        }
    }
}

fn number(
    env: &BTreeMap<String, String>,
    name: &'static str,
    range: std::ops::RangeInclusive<u64>,
    expected: &'static str,
) -> Result<Option<u64>, OptionsError> {
    let Some(text) = env.get(name) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.map(Some).ok_or_else(|| wrong(name, text, expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Result<Options, OptionsError> {
        let env = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Options::from_env_map(&env)
    }

    #[test]
    fn nothing_given_means_the_defaults() {
        let options = options(&[]).unwrap();
        assert_eq!((options.port, options.runners, options.timeout.as_millis()), (8080, 4, 1000));
        assert_eq!(options.host.to_string(), "0.0.0.0");
        assert_eq!(options.digest(), None);
    }

    #[test]
    fn a_bad_value_is_named_with_what_it_must_be() {
        let error = options(&[("PORT", "80a")]).unwrap_err().to_string();
        assert_eq!(error, "variable PORT is `80a`: a port from 0 to 65535");
        for (name, value) in [
            ("HOST", "localhost"),
            ("NUM_RUNNERS", "0"),
            ("RUN_TIMEOUT_MS", "-1"),
            ("APP_ENV", "a\r\nx-evil: 1"),
        ] {
            assert_eq!(options(&[(name, value)]).unwrap_err().name, name);
        }
    }

    #[test]
    fn the_digest_comes_from_the_image_reference() {
        let given = options(&[("FLY_IMAGE_REF", "registry.fly.io/app:v1@sha256:abc")]).unwrap();
        assert_eq!(given.digest(), Some("sha256:abc"));
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let at_least = |version: &str| options(&[("VERSION", version)]).unwrap().is_at_least(1, 1);
        assert!(at_least("1.1.0") && at_least("1.10.0") && at_least("2.0.0"));
        assert!(!at_least("1.0.9") && !at_least("nightly"));
    }
}
