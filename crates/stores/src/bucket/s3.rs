//! The address of a bucket, `s3://BUCKET/PREFIX?region=…&endpoint=…`, and the way there.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{BackoffConfig, RetryConfig};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

use super::Place;
use super::http::{Answers, Connector};

/// How long the storage may be asked for one thing in all. Whoever waits longer loses a lease meanwhile.
const ASK_MAX: Duration = Duration::from_secs(15);

/// How often again, where that is safe.
const RETRIES_MAX: usize = 3;

/// Who we are to the storage.
#[derive(Clone)]
pub struct Credentials {
    /// The key's id.
    pub key_id: String,
    /// The key.
    pub secret: SecretString,
    /// What goes along with a key that ends soon.
    pub token: Option<SecretString>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Credentials").field(&self.key_id).finish()
    }
}

/// A prefix in a bucket, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Address {
    bucket: String,
    prefix: Path,
    region: Option<String>,
    endpoint: Option<Url>,
}

/// Why a text is no address of a bucket, or a bucket cannot be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum S3Error {
    /// No URL, or of another scheme.
    #[error("it is no URL of the form s3://BUCKET/PREFIX")]
    NoUrl,
    /// A part that we do not guess.
    #[error("it does not say which {what}")]
    Missing {
        /// Which.
        what: &'static str,
    },
    /// A parameter that we do not know, or with a value that it cannot have.
    #[error("its parameter `{name}` {why}")]
    Parameter {
        /// Which.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The client cannot be made.
    #[error("the way to {place} cannot be made: {why}")]
    Client {
        /// Where.
        place: String,
        /// What is wrong.
        why: String,
    },
}

impl S3Address {
    /// Reads `text`.
    ///
    /// # Errors
    /// When it is no URL of a bucket or has a parameter that we do not know.
    pub fn parse(text: &str) -> Result<Self, S3Error> {
        let url = Url::parse(text).map_err(|_| S3Error::NoUrl)?;
        if url.scheme() != "s3"
            || !url.username().is_empty()
            || url.password().is_some()
            || url.port().is_some()
        {
            return Err(S3Error::NoUrl);
        }
        let bucket = url.host_str().filter(|bucket| !bucket.is_empty());
        let bucket = bucket.ok_or(S3Error::Missing { what: "bucket" })?.to_owned();
        let prefix = Path::from_url_path(url.path()).map_err(|_| S3Error::NoUrl)?;
        let mut address = Self { bucket, prefix, region: None, endpoint: None };
        for (name, value) in url.query_pairs() {
            match &*name {
                "region" => address.region = Some(value.into_owned()),
                "endpoint" => address.endpoint = Some(endpoint(&name, &value)?),
                _ => {
                    let why = "is not known: there are region, endpoint and lease";
                    return Err(S3Error::Parameter { name: name.into_owned(), why });
                }
            }
        }
        Ok(address)
    }

    /// With what the surroundings say, where the address says nothing.
    ///
    /// # Errors
    /// When `endpoint` cannot be used.
    pub fn or(mut self, region: Option<&str>, at: Option<&str>) -> Result<Self, S3Error> {
        self.region = self.region.or_else(|| region.map(str::to_owned));
        if self.endpoint.is_none() {
            self.endpoint = at.map(|at| endpoint("endpoint", at)).transpose()?;
        }
        Ok(self)
    }

    /// The way there. Nothing is sent yet.
    ///
    /// # Errors
    /// When no region is known, or the client cannot be made.
    pub fn connect(&self, credentials: &Credentials) -> Result<Place, S3Error> {
        // Storages beside Amazon's have no regions and take this name for theirs.
        let region = self.region.clone().or_else(|| self.endpoint.as_ref().map(|_| "auto".to_owned()));
        let region = region.ok_or(S3Error::Missing { what: "region" })?;
        let answers = Arc::new(Answers::default());
        let retry = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: RETRIES_MAX,
            retry_timeout: ASK_MAX,
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(region)
            .with_access_key_id(&credentials.key_id)
            .with_secret_access_key(credentials.secret.expose_secret())
            .with_retry(retry)
            .with_http_connector(Connector(answers.clone()));
        if let Some(token) = &credentials.token {
            builder = builder.with_token(token.expose_secret());
        }
        if let Some(endpoint) = &self.endpoint {
            let is_plain = endpoint.scheme() == "http";
            builder =
                builder.with_endpoint(endpoint.as_str().trim_end_matches('/')).with_allow_http(is_plain);
        }
        let objects = builder
            .build()
            .map_err(|error| S3Error::Client { place: self.to_string(), why: super::error::told(&error) })?;
        Ok(Place::new(Arc::new(objects), answers, self.prefix.clone()))
    }
}

impl S3Address {
    /// Whether both are in one bucket of one storage, whatever their prefixes: who may write the one may write the other.
    #[must_use]
    pub fn is_beside(&self, other: &Self) -> bool {
        (&self.bucket, &self.endpoint) == (&other.bucket, &other.endpoint)
    }
}

impl fmt::Display for S3Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)?;
        match &self.endpoint {
            Some(endpoint) => write!(f, " at {endpoint}"),
            None => Ok(()),
        }
    }
}

/// Only a storage on this machine is talked to in the clear: what is sent is signed, not hidden.
fn endpoint(name: &str, text: &str) -> Result<Url, S3Error> {
    let wrong = |why| S3Error::Parameter { name: name.to_owned(), why };
    let url = Url::parse(text).map_err(|_| wrong("is no URL"))?;
    // It is shown wherever the store is named.
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(wrong("has a user, a password or a query, which are no part of an endpoint"));
    }
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_here => Ok(url),
        _ => Err(wrong("is an https:// URL; http:// is for this machine alone")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_bucket_and_what_is_below() {
        let address =
            S3Address::parse("s3://acme/team/understudy?region=auto&endpoint=https://t3.storage.dev")
                .unwrap();
        assert_eq!(address.to_string(), "s3://acme/team/understudy at https://t3.storage.dev/");
        assert_eq!(S3Address::parse("s3://acme").unwrap().to_string(), "s3://acme/");
        let around =
            S3Address::parse("s3://acme").unwrap().or(Some("eu-west-1"), Some("https://x.example")).unwrap();
        assert_eq!(around.region.as_deref(), Some("eu-west-1"));
        let own = S3Address::parse("s3://acme?region=auto").unwrap().or(Some("eu-west-1"), None).unwrap();
        assert_eq!(own.region.as_deref(), Some("auto"), "the address comes first");
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        let why = |text: &str| S3Address::parse(text).unwrap_err().to_string();
        assert!(why("s3://acme?acl=public").contains("`acl` is not known"));
        assert!(why("s3://acme?endpoint=http://storage.example").contains("is an https:// URL"));
        assert!(why("s3://").contains("which bucket"));
        assert!(why("s3://key:secret@acme/x").contains("s3://BUCKET"));
        assert!(S3Address::parse("s3://acme?endpoint=http://127.0.0.1:9000").is_ok());
        let keys = Credentials { key_id: "k".to_owned(), secret: "s3cret".into(), token: None };
        let error = S3Address::parse("s3://acme").unwrap().connect(&keys).unwrap_err();
        assert!(error.to_string().contains("which region"));
        assert!(!format!("{keys:?}").contains("s3cret"));
    }
}
