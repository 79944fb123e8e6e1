//! What a stand-in is started with.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use cell::runtime::Runtime;

use crate::faults::Fault;

/// How long an edge takes to learn of a change, drawn per change and per edge from this range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeLag {
    /// Shortest lag in milliseconds.
    pub min_ms: u64,
    /// Longest lag in milliseconds; at most 30,000.
    pub max_ms: u64,
}

impl Default for EdgeLag {
    fn default() -> Self {
        Self { min_ms: 100, max_ms: 800 }
    }
}

/// Which organisation a token belongs to. An organisation may have many tokens. Prints no token.
#[derive(Clone, Default)]
pub struct Orgs(BTreeMap<String, String>);

impl Orgs {
    /// One organisation with one token.
    pub fn one(token: impl Into<String>, org: impl Into<String>) -> Self {
        Self::default().with(token, org)
    }

    /// Adds a token.
    #[must_use]
    pub fn with(mut self, token: impl Into<String>, org: impl Into<String>) -> Self {
        self.0.insert(token.into(), org.into());
        self
    }

    /// The organisation of a presented credential: scheme prefixes (`Bearer `, `FlyV1 `) are removed repeatedly,
    /// and of a comma list the first known token counts.
    pub fn of(&self, credential: &str) -> Option<&str> {
        let mut rest = credential.trim();
        while let Some((scheme, tail)) = rest.split_once(' ') {
            if !scheme.eq_ignore_ascii_case("bearer") && !scheme.eq_ignore_ascii_case("flyv1") {
                break;
            }
            rest = tail.trim_start();
        }
        rest.split(',').find_map(|t| self.0.get(t.trim())).map(String::as_str)
    }

    /// Whether an organisation of this name exists.
    pub fn contains(&self, org: &str) -> bool {
        self.0.values().any(|o| o == org)
    }

    /// Whether there is no token at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Orgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.values()).finish()
    }
}

/// Behaviour of the real service that nobody outside has established; each choice can be turned round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quirks {
    /// A nonce that belongs to no live lease is refused (409) even where the machine is not leased at all.
    pub strict_nonce: bool,
    /// `wait?state=stopped` without `instance_id` or `version` is 400.
    pub strict_wait_instance: bool,
    /// A machine created with `skip_launch` rests at `created` instead of `stopped`.
    pub skip_launch_rests_created: bool,
    /// `image_ref.digest` is the platform manifest's digest where the reference names an index.
    pub platform_digest: bool,
    /// The registry lists no tags, as Fly's does not.
    pub no_tag_list: bool,
    /// How long a destroyed machine stays readable, in seconds.
    pub destroyed_readable_s: u64,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            strict_nonce: false,
            strict_wait_instance: false,
            skip_launch_rests_created: false,
            platform_digest: false,
            no_tag_list: false,
            destroyed_readable_s: 600,
        }
    }
}

/// Everything a stand-in needs to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// State directory; made when absent. One server at a time.
    pub dir: PathBuf,
    /// Address of the API; port 0 picks one at the first start and keeps it.
    pub api: SocketAddr,
    /// Address of the OCI registry; port 0 as above.
    pub registry: SocketAddr,
    /// Regions with an edge, at least one; the first is the default region of machines.
    pub regions: Vec<String>,
    /// How late edges learn of changes.
    pub lag: EdgeLag,
    /// What machines run on.
    pub runtime: Arc<dyn Runtime>,
    /// Tokens and their organisations, at least one.
    pub orgs: Orgs,
    /// Whether the documented limits answer 429: per action and machine 1/s burst 3 (create: per app), GET machine
    /// 5/s burst 10.
    pub rate_limits: bool,
    /// How long a machine boots before it reads `started`, in milliseconds.
    pub boot_ms: u64,
    /// Seed of lags and fault probabilities (never of ids, which must differ between runs).
    pub seed: u64,
    /// Faults that are on from the start.
    pub faults: Vec<Fault>,
    /// Choices where the real behaviour is unknown.
    pub quirks: Quirks,
}

impl Options {
    /// The defaults: loopback, regions `fra` and `ams`, limits and lag on.
    pub fn new(dir: impl Into<PathBuf>, runtime: Arc<dyn Runtime>, orgs: Orgs) -> Self {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self {
            dir: dir.into(),
            api: any,
            registry: any,
            regions: vec![String::from("fra"), String::from("ams")],
            lag: EdgeLag::default(),
            runtime,
            orgs,
            rate_limits: true,
            boot_ms: 20,
            seed: 0,
            faults: Vec::new(),
            quirks: Quirks::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_lose_their_schemes_and_never_print() {
        let orgs = Orgs::one("tok-a", "acme");
        for text in ["tok-a", "Bearer tok-a", "FlyV1 tok-a", "Bearer FlyV1 other,tok-a"] {
            assert_eq!(orgs.of(text), Some("acme"), "{text}");
        }
        assert_eq!(orgs.of("Bearer nope"), None);
        assert!(!format!("{orgs:?}").contains("tok-a"));
    }
}
