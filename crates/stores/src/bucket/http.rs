//! The transport to the storage: the HTTP client that we have anyway, and what time its answers tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::header::DATE;
use http_body_util::BodyExt as _;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use promotion::model::{At, Millis};
use rustls::ClientConfig;
use rustls::crypto::ring;

use super::ServerTime;
use crate::roots::roots;

/// How long a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How long one answer may take; journals are small.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The `Date` of the latest answer (RFC 9110, 6.6.1: the instant at which it was made, in whole seconds).
#[derive(Debug, Default)]
pub(super) struct Answers(AtomicI64);

impl Answers {
    fn heard(&self, date: Option<&http::HeaderValue>) {
        let text = date.and_then(|date| date.to_str().ok());
        let instant = text.and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
        // An answer without one must not be taken for as late as the one before it.
        self.0.store(instant.map_or(0, |zoned| zoned.timestamp().as_millisecond()), Ordering::SeqCst);
    }
}

impl ServerTime for Answers {
    fn now(&self) -> Option<At> {
        Some(self.0.load(Ordering::SeqCst)).filter(|millis| *millis > 0).map(At)
    }

    fn resolution(&self) -> Millis {
        Millis::secs(1)
    }
}

/// Makes the transport.
#[derive(Debug)]
pub(super) struct Connector(pub(super) Arc<Answers>);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let failed = |why: String| object_store::Error::Generic { store: "S3", source: why.into() };
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.to_string()))?
            .with_root_certificates(roots(None).map_err(failed)?)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_MAX)
            .timeout(ANSWER_MAX)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        Ok(HttpClient::new(Transport { client, answers: self.0.clone() }))
    }
}

#[derive(Debug)]
struct Transport {
    client: reqwest::Client,
    answers: Arc<Answers>,
}

#[async_trait]
impl HttpService for Transport {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let request =
            self.client.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
        let response = request.send().await.map_err(failed)?;
        self.answers.heard(response.headers().get(DATE));
        let (parts, body) = http::Response::<reqwest::Body>::from(response).into_parts();
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body.map_err(failed))))
    }
}

/// What may have arrived counts as cut: whoever sent it looks before it sends again.
fn failed(error: reqwest::Error) -> HttpError {
    let kind = if error.is_connect() {
        HttpErrorKind::Connect
    } else if error.is_timeout() {
        HttpErrorKind::Timeout
    } else {
        HttpErrorKind::Interrupted
    };
    HttpError::new(kind, error.without_url())
}
