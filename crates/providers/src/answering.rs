//! Who answers at an address, asked once.

use std::net::Ipv4Addr;
use std::time::Duration;

use flyclient::transport::{Body, HttpService, Request, TransportError};
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method};
use serde::Deserialize;
use url::Url;

/// Where a service says who it is.
pub(crate) const IDENTITY: &str = "/.well-known/environment";

/// What a page that says it has at most.
const PAGE_BYTES_MAX: usize = 64 << 10;

/// Somebody who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answering {
    /// The status of the answer.
    pub status: u16,
    /// The environment that it says it is: in the header `x-environment`, or as a member of a JSON object.
    pub environment: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    environment: Option<String>,
}

/// Asks at `url` who is there, once, and waits for `timeout` at most.
///
/// # Errors
/// When nobody answers.
pub async fn who_answers(
    service: &dyn HttpService,
    url: &Url,
    timeout: Duration,
) -> Result<Answering, TransportError> {
    let asked = url.join(IDENTITY).unwrap_or_else(|_| url.clone());
    let (url, headers) = on_this_machine(asked);
    let request = Request { method: Method::GET, url, headers, body: Body::Empty, timeout: Some(timeout) };
    let response = service.send(request).await?;
    let status = response.status;
    let said = response.headers.get("x-environment").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let page = match said {
        None if status.is_success() => response.bytes(PAGE_BYTES_MAX).await.ok(),
        _ => None,
    };
    let page = page.and_then(|bytes| serde_json::from_slice::<Page>(&bytes).ok());
    Ok(Answering { status: status.as_u16(), environment: said.or_else(|| page?.environment) })
}

/// A name below `localhost` is this machine (RFC 6761, 6.3), which not every resolver knows; the edge there goes by
/// the name all the same.
pub(crate) fn on_this_machine(mut url: Url) -> (Url, HeaderMap) {
    let mut headers = HeaderMap::new();
    if let Some(name) = url.domain().filter(|name| name.ends_with(".localhost"))
        && let Ok(host) = HeaderValue::from_str(name)
        && url.set_ip_host(Ipv4Addr::LOCALHOST.into()).is_ok()
    {
        headers.insert(HOST, host);
    }
    (url, headers)
}
