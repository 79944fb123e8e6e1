//! The port on reqwest: HTTP/1.1, our own TLS, no redirect, no retry, no proxy but the one that is given.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use url::Url;

use super::{Body, HttpService, Reason, Request, Response, Roots, TransportError, tls};

/// Silence on an open connection after which it is given up. Above the longest long poll (60 s) with its reserve.
const SILENCE_MAX: Duration = Duration::from_secs(90);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What the transport needs to know.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whom to trust.
    pub roots: Roots,
    /// A proxy for all requests. The process environment is not asked.
    pub proxy: Option<Url>,
}

/// The transport on reqwest.
#[derive(Debug, Clone)]
pub struct ReqwestService {
    client: reqwest::Client,
}

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The certificates cannot be used.
    #[error("the root certificates cannot be used: {reason}")]
    Roots {
        /// What is wrong with them.
        reason: String,
    },
    /// reqwest refused the options.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

impl SetupError {
    pub(super) fn roots(reason: String) -> Self {
        Self::Roots { reason }
    }
}

impl ReqwestService {
    /// A transport with its own pool of connections.
    ///
    /// # Errors
    /// When the certificates or the proxy cannot be used; no network is needed.
    pub fn new(options: &Options) -> Result<Self, SetupError> {
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config(&options.roots)?)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE_MAX)
            .user_agent(concat!("understudy/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = &options.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy.as_str()).map_err(SetupError::Client)?);
        }
        Ok(Self { client: builder.build().map_err(SetupError::Client)? })
    }
}

#[async_trait]
impl HttpService for ReqwestService {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let mut builder = self.client.request(request.method, request.url).headers(request.headers);
        if let Some(timeout) = request.timeout {
            builder = builder.timeout(timeout);
        }
        builder = match request.body {
            Body::Empty => builder,
            Body::Bytes(bytes) => builder.body(bytes),
            Body::Stream { length, stream } => {
                builder.header(http::header::CONTENT_LENGTH, length).body(reqwest::Body::wrap_stream(stream))
            }
        };
        let response = builder.send().await.map_err(classify)?;
        Ok(Response {
            status: response.status(),
            headers: response.headers().clone(),
            body: Box::pin(response.bytes_stream().map_err(classify)),
        })
    }
}

/// Before the connection stands nothing can have been sent; after that anything can.
fn classify(error: reqwest::Error) -> TransportError {
    let (reason, sent) = if error.is_connect() {
        (Reason::Connect, false)
    } else if error.is_builder() {
        (Reason::Request, false)
    } else if error.is_timeout() {
        (Reason::Timeout, true)
    } else {
        (Reason::Cut, true)
    };
    TransportError::new(reason, sent).with_source(error.without_url())
}
