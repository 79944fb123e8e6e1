//! Images by digest: resolve, look into, copy and push, over the OCI distribution API.
//!
//! The model of manifests and errors is `oci-client`'s. Its `Client` is not used: each construction builds a default reqwest
//! client, which needs a process-wide crypto provider and a certificate store and panics without them; it also follows
//! redirects by itself and cannot take our transport. The requests go through [`crate::transport`], as all others.
//!
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>

mod challenge;
mod copy;
mod error;
mod look;
mod manifest;
mod push;
mod session;

use std::{collections::BTreeMap, fmt, sync::Arc};

use flytypes::{Digest, ImageRef};
use tokio::sync::Mutex;

pub use self::{
    copy::{CopyReport, Moved, Survey, Watch},
    error::{Error, ErrorKind},
    look::{Contents, Platform},
    manifest::Manifest,
    push::Push,
};
use crate::{Base, Clock, Token, TokioClock, retry::RetryPolicy, transport::HttpService};

/// Who asks.
#[derive(Debug, Clone)]
pub struct Auth {
    user: String,
    token: Token,
}

impl Auth {
    /// A token under the user name that Fly's registry expects, `x`.
    pub fn new(token: Token) -> Self {
        Self { user: "x".to_owned(), token }
    }

    /// Under another user name.
    #[must_use]
    pub fn with_user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }
}

/// One registry, with one credential. Cheap to clone.
///
/// Requests go by HTTPS, to loopback hosts by HTTP. The credential is sent to the registry's own origin only; a redirect to a
/// bucket is followed without it.
#[derive(Clone)]
pub struct Registry {
    host: String,
    base: Arc<Base>,
    auth: Option<Arc<Auth>>,
    service: Arc<dyn HttpService>,
    clock: Arc<dyn Clock>,
    policy: Arc<RetryPolicy>,
    /// Short-lived tokens by scope, where the registry gives them out.
    bearers: Arc<Mutex<BTreeMap<String, http::HeaderValue>>>,
}

impl Registry {
    /// The registry at `host`, as it stands in image references: `registry.fly.io`, `127.0.0.1:5000`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when `host` is no host.
    pub fn new(host: &str, auth: Option<Auth>, service: Arc<dyn HttpService>) -> Result<Self, Error> {
        let wrong =
            || Error::configuration("open registry", host, "expected a host such as `registry.fly.io`");
        if host.is_empty() || host.contains(['/', '@', '?', '#']) {
            return Err(wrong());
        }
        let loopback =
            url::Url::parse(&format!("http://{host}/")).is_ok_and(|url| crate::base::is_loopback(&url));
        let scheme = if loopback { "http" } else { "https" };
        let base: Base = format!("{scheme}://{host}/").parse().map_err(|_| wrong())?;
        Ok(Self {
            host: host.to_owned(),
            base: Arc::new(base),
            auth: auth.map(Arc::new),
            service,
            clock: Arc::new(TokioClock::new()),
            policy: Arc::new(RetryPolicy::new(0)),
            bearers: Arc::default(),
        })
    }

    /// Takes the time from `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Repeats within `policy`. All that is done here is addressed by content, so that it may be repeated.
    #[must_use]
    pub fn with_retry(mut self, policy: RetryPolicy) -> Self {
        self.policy = Arc::new(policy);
        self
    }

    /// The host, as it stands in image references.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// `image` pinned to the digest that its tag names now; with a digest it is proven that the image is there. The digest is
    /// computed over the manifest's bytes, whatever the registry says of it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] names repository and tag; [`ErrorKind::Corrupt`] when the registry answers other content than it
    /// was asked for.
    pub async fn resolve(&self, image: &ImageRef) -> Result<ImageRef, Error> {
        let manifest = self.manifest(image).await?;
        Ok(image.pinned(manifest.digest))
    }

    /// Whether the image is (still) there.
    pub async fn exists(&self, image: &ImageRef) -> Result<bool, Error> {
        self.own("look for image", image)?;
        self.has_manifest(image.repository(), &reference(image)).await
    }

    /// The manifest of `image`, an index as such.
    pub async fn manifest(&self, image: &ImageRef) -> Result<Manifest, Error> {
        self.own("read manifest of", image)?;
        self.get_manifest(image.repository(), &reference(image), image.digest()).await
    }

    /// A blob of a repository, at most `limit` bytes, verified.
    pub async fn blob(&self, repository: &str, digest: &Digest, limit: usize) -> Result<bytes::Bytes, Error> {
        self.get_blob(repository, digest, limit).await
    }

    fn own(&self, operation: &'static str, image: &ImageRef) -> Result<(), Error> {
        if image.registry() == self.host {
            return Ok(());
        }
        let reason = format!("it is in another registry than {}", self.host);
        Err(Error::configuration(operation, &image.to_string(), &reason))
    }
}

/// What stands behind `/manifests/`: the digest if there is one, since it says more than the tag.
fn reference(image: &ImageRef) -> String {
    match (image.digest(), image.tag()) {
        (Some(digest), _) => digest.to_string(),
        (None, Some(tag)) => tag.to_owned(),
        (None, None) => "latest".to_owned(),
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("base", &self.base).field("auth", &self.auth).finish_non_exhaustive()
    }
}
