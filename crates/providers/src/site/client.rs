//! A client of the site host's API (`/localcloud/v1/sites`): bundles by digest, versions, metadata.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flyclient::transport::{Body, HttpService, Request, Response};
use flytypes::{Digest, ImageRef};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use promotion::ports::PortError;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

/// A site as its host shows it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Site {
    /// Its name.
    pub site: String,
    /// Changes with every publication.
    pub version: String,
    /// The bundle that is served.
    pub digest: Digest,
    /// Where the bundle came from.
    pub artifact: String,
    /// What `env.json` says, unless the bundle brings its own.
    #[serde(default)]
    pub env: Map<String, Value>,
    /// Labels.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// What the host said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SiteError {
    /// There is no such site.
    NotFound,
    /// Anything else, as the engine takes it.
    Port(PortError),
}

/// The client. Shows its token to nobody.
#[derive(Clone)]
pub struct SiteClient {
    base: Url,
    authorization: HeaderValue,
    service: Arc<dyn HttpService>,
}

impl std::fmt::Debug for SiteClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SiteClient").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

const TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_MAX: usize = 1 << 20;

impl SiteClient {
    /// A client for the host at `base`; none when the token cannot stand in a header.
    pub fn new(base: Url, token: &str, service: Arc<dyn HttpService>) -> Option<Self> {
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.trim())).ok()?;
        authorization.set_sensitive(true);
        Some(Self { base, authorization, service })
    }

    /// The site.
    pub async fn get(&self, site: &str) -> Result<Site, SiteError> {
        self.call(Method::GET, &format!("/localcloud/v1/sites/{site}"), None).await
    }

    /// Publishes; with `expect`, only over that version.
    pub async fn publish(
        &self,
        site: &str,
        artifact: &ImageRef,
        env: &Value,
        metadata: &BTreeMap<String, String>,
        expect: Option<&str>,
    ) -> Result<Site, SiteError> {
        let mut body = json!({"artifact": artifact.to_string(), "env": env, "metadata": metadata});
        if let Some(expect) = expect {
            body["current_version"] = Value::from(expect);
        }
        self.call(Method::POST, &format!("/localcloud/v1/sites/{site}"), Some(body)).await
    }

    /// Sets and deletes metadata.
    pub async fn tag(
        &self,
        site: &str,
        changes: &BTreeMap<String, Option<String>>,
    ) -> Result<Site, SiteError> {
        self.call(Method::PATCH, &format!("/localcloud/v1/sites/{site}/metadata"), Some(json!(changes))).await
    }

    /// Ends the site.
    pub async fn delete(&self, site: &str) -> Result<(), SiteError> {
        self.send(Method::DELETE, &format!("/localcloud/v1/sites/{site}"), None).await.map(drop)
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Site, SiteError> {
        let bytes = self.send(method, path, body).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            SiteError::Port(PortError::ambiguous(format!("the site host's answer is none: {error}")))
        })
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Vec<u8>, SiteError> {
        let mut url = self.base.clone();
        url.set_path(path);
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        let body = match body {
            Some(body) => {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                Body::Bytes(body.to_string().into())
            }
            None => Body::Empty,
        };
        let reads = method == Method::GET;
        let request = Request { method, url, headers, body, timeout: Some(TIMEOUT) };
        let lost = |error: &dyn std::fmt::Display, sent: bool| {
            let text = format!("the site host does not answer: {error}");
            SiteError::Port(if sent && !reads {
                PortError::ambiguous(text)
            } else {
                PortError::not_sent(text)
            })
        };
        let response = self.service.send(request).await.map_err(|error| lost(&error, error.was_sent()))?;
        let status = response.status;
        let bytes = read(response).await.map_err(|error| lost(&error, true))?;
        if status.is_success() {
            return Ok(bytes);
        }
        Err(judge(status, &bytes))
    }
}

async fn read(response: Response) -> Result<Vec<u8>, flyclient::transport::TransportError> {
    let mut stream = response.body;
    let mut bytes = Vec::new();
    while let Some(part) = stream.next().await {
        let part = part?;
        if bytes.len() + part.len() <= ANSWER_MAX {
            bytes.extend_from_slice(&part);
        }
    }
    Ok(bytes)
}

fn judge(status: StatusCode, bytes: &[u8]) -> SiteError {
    let said: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let said = said.get("error").and_then(Value::as_str).unwrap_or("no reason given").to_owned();
    let text = format!("the site host answered {status}: {said}");
    match status {
        StatusCode::NOT_FOUND => SiteError::NotFound,
        StatusCode::TOO_MANY_REQUESTS => SiteError::Port(PortError::not_sent(text)),
        StatusCode::REQUEST_TIMEOUT => SiteError::Port(PortError::ambiguous(text)),
        status if status.is_server_error() => SiteError::Port(PortError::ambiguous(text)),
        _ => SiteError::Port(PortError::refused(text)),
    }
}
