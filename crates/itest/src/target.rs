//! Where the requests of a run go, and who must answer there.

use std::{fmt, net::SocketAddr};

use url::Url;

/// One named place that requests go to. `Debug` leaves out credentials in the URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// Scheme, host, port and an optional base path; the path of a request is appended.
    pub url: Url,
    /// Connect here instead of what the host's name resolves to. The `Host` header and the TLS server name
    /// stay those of `url`.
    pub resolve: Option<SocketAddr>,
    /// Who must answer. Without it only suites that say `identity = "none"` for this target can run.
    pub identity: Option<ExpectedIdentity>,
}

impl Target {
    /// A target found by its name alone, which must identify itself as `identity`.
    pub fn new(url: Url, identity: ExpectedIdentity) -> Self {
        Self { url, resolve: None, identity: Some(identity) }
    }
}

/// A URL for people: without user name and password.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for URLs that cannot hold credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("url", &shown(&self.url))
            .field("resolve", &self.resolve)
            .field("identity", &self.identity)
            .finish()
    }
}

/// What a target must say about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedIdentity {
    /// The environment's name, compared exactly.
    pub environment: String,
    /// The version, compared exactly.
    pub version: Option<String>,
    /// The commit; either side may be abbreviated to at least seven digits.
    pub commit: Option<String>,
    /// The image digest, compared exactly.
    pub digest: Option<String>,
}

impl ExpectedIdentity {
    /// An environment of any build.
    pub fn environment(name: impl Into<String>) -> Self {
        Self { environment: name.into(), version: None, commit: None, digest: None }
    }
}
