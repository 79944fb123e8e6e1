//! One request out, one answer back.

mod dns;
mod error;
mod tls;

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header::HOST};
use reqwest::redirect;
use tokio::time::Instant;
use url::{Host, Url};

pub(crate) use self::error::TransportError;
use crate::target::Target;

/// A request with everything filled in.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout: Duration,
}

/// A complete answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// From sending to the end of the body.
    pub(crate) duration: Duration,
}

/// Makes a [`Wire`] for each case: cases share neither connections nor what a name resolved to.
#[derive(Clone)]
pub(crate) struct Transport {
    tls: rustls::ClientConfig,
    connect_timeout: Duration,
    body_bytes_max: usize,
}

/// The connections of one case to one target.
pub(crate) struct Wire {
    client: reqwest::Client,
    target: Target,
    connect_timeout: Duration,
    body_bytes_max: usize,
}

impl Transport {
    pub(crate) fn new(connect_timeout: Duration, body_bytes_max: usize) -> Result<Self, TransportError> {
        let tls = tls::config().map_err(|error| TransportError::Permanent(error.to_string()))?;
        Ok(Self { tls, connect_timeout, body_bytes_max })
    }

    pub(crate) fn wire(&self, target: &Target) -> Result<Wire, TransportError> {
        // No redirects: an assertion on a 302 must see it, and credentials stay with the target.
        // No proxy: it would come from the process environment.
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(self.connect_timeout)
            .dns_resolver(Arc::new(dns::Resolver { fixed: target.resolve }))
            .user_agent(concat!("itest/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| TransportError::of(&error, self.connect_timeout))?;
        Ok(Wire {
            client,
            target: target.clone(),
            connect_timeout: self.connect_timeout,
            body_bytes_max: self.body_bytes_max,
        })
    }
}

impl Wire {
    /// Sends the request once and reads the whole answer.
    pub(crate) async fn send(&self, outgoing: &Outgoing) -> Result<Answer, TransportError> {
        let start = Instant::now();
        let exchange = async {
            let request = self.request(outgoing)?;
            let lost = |error: reqwest::Error| TransportError::of(&error, self.connect_timeout);
            let mut response = self.client.execute(request).await.map_err(lost)?;
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(lost)? {
                if body.len() + chunk.len() > self.body_bytes_max {
                    return Err(TransportError::TooLarge(self.body_bytes_max));
                }
                body.extend_from_slice(&chunk);
            }
            Ok((response.status(), std::mem::take(response.headers_mut()), body))
        };
        match tokio::time::timeout(outgoing.timeout, exchange).await {
            Ok(Ok((status, headers, body))) => {
                Ok(Answer { status, headers, body, duration: start.elapsed() })
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(TransportError::Timeout(outgoing.timeout)),
        }
    }

    fn request(&self, outgoing: &Outgoing) -> Result<reqwest::Request, TransportError> {
        // The builder turns credentials in the URL into a header; the headers that follow win over it.
        let mut url = outgoing.url.clone();
        let _ = url.set_username(self.target.url.username());
        let _ = url.set_password(self.target.url.password());
        let mut builder = self.client.request(outgoing.method.clone(), url).headers(outgoing.headers.clone());
        if !outgoing.body.is_empty() {
            builder = builder.body(outgoing.body.clone());
        }
        let mut request =
            builder.build().map_err(|error| TransportError::of(&error, self.connect_timeout))?;
        if let Some(address) = self.target.resolve {
            let host = authority(&outgoing.url).and_then(|text| HeaderValue::from_str(&text).ok());
            let unusable = || TransportError::Permanent("the URL has no host".to_owned());
            request.headers_mut().entry(HOST).or_insert(host.ok_or_else(unusable)?);
            // A port in the URL would win over the one to connect to.
            let is_name = matches!(outgoing.url.host(), Some(Host::Domain(_)));
            let set = if is_name {
                request.url_mut().set_port(Some(address.port()))
            } else {
                set_address(request.url_mut(), address.ip(), address.port())
            };
            set.map_err(|()| unusable())?;
        }
        Ok(request)
    }
}

fn set_address(url: &mut Url, ip: IpAddr, port: u16) -> Result<(), ()> {
    url.set_ip_host(ip)?;
    url.set_port(Some(port))
}

/// Host and explicit port, as in a `Host` header (RFC 9110, 7.2).
fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}
