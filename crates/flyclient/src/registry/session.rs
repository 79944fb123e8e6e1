//! One request to the registry: credential, its exchange for a short-lived token where the registry wants that, retry, errors.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use std::{collections::BTreeMap, time::Duration};
use tracing::debug;
use url::Url;

use super::{
    Error, ErrorKind, Registry,
    challenge::{self, Challenge},
    error::Context,
};
use crate::{
    retry::{self, Attempt, Failure},
    text::quote,
    transport::{Body, Credentials, CrossOrigin, Reason, Request, Response, TransportError, follow},
};

/// Time for a request whose body is small.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest manifest, token or error; the specification asks registries to take manifests of 4 MiB.
pub(super) const SMALL_BYTES_MAX: usize = 8 << 20;

/// A request to a repository, as a value that can be sent again.
pub(super) struct Exchange<'a> {
    pub(super) operation: &'static str,
    /// The repository whose scope is needed.
    pub(super) repository: &'a str,
    /// For errors: what is asked for, behind `registry/repository`.
    pub(super) reference: String,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    /// Another repository from which is read on the way.
    pub(super) also_pull: Option<&'a str>,
    /// A long body is expected: only silence is bounded.
    pub(super) long: bool,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(operation: &'static str, repository: &'a str, method: Method, url: Url) -> Self {
        Self {
            operation,
            repository,
            reference: String::new(),
            method,
            url,
            headers: HeaderMap::new(),
            body: None,
            also_pull: None,
            long: false,
        }
    }

    fn scope(&self) -> String {
        let actions = match self.method {
            Method::GET | Method::HEAD => "pull",
            Method::DELETE => "delete",
            _ => "pull,push",
        };
        let own = format!("repository:{}:{actions}", self.repository);
        match self.also_pull {
            Some(other) => format!("{own} repository:{other}:pull"),
            None => own,
        }
    }
}

/// A small answer.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

#[derive(Deserialize)]
struct Granted {
    token: Option<String>,
    access_token: Option<String>,
}

impl Registry {
    /// `/v2/{repository}/{tail}` at this registry.
    pub(super) fn url(&self, operation: &'static str, repository: &str, tail: &str) -> Result<Url, Error> {
        self.base.join(&format!("/v2/{repository}/{tail}"), &[]).ok_or_else(|| {
            Error::configuration(
                operation,
                &format!("{}/{repository}", self.host),
                "this is no repository's name",
            )
        })
    }

    /// Sends and reads a small answer; 2xx and `values` are no errors.
    pub(super) async fn exchange(&self, exchange: &Exchange<'_>, values: &[u16]) -> Result<Reply, Error> {
        let key = format!("{} {}", exchange.operation, exchange.url.path());
        let (result, effort) = retry::run(&self.policy, &*self.clock, &key, || async {
            let response = self.open(exchange, values).await?;
            let (status, headers) = (response.status, response.headers.clone());
            let body =
                response.bytes(SMALL_BYTES_MAX).await.map_err(|error| self.no_answer(exchange, error))?;
            Ok(Reply { status, headers, body })
        })
        .await;
        result.map_err(|error: Error| error.with_attempts(effort.attempts))
    }

    /// Sends once and returns with the answer's head; 2xx and `values` are no errors.
    pub(super) async fn open(
        &self,
        exchange: &Exchange<'_>,
        values: &[u16],
    ) -> Result<Response, Attempt<Error>> {
        let scope = exchange.scope();
        let cached = self.bearer(&scope).await;
        let mut response = self.send(exchange, cached.as_ref()).await?;
        if response.status == StatusCode::UNAUTHORIZED
            && let Some(challenge) = response.header("www-authenticate").and_then(challenge::parse)
        {
            let bearer = self.fresh(exchange, challenge, scope, cached).await?;
            response = self.send(exchange, Some(&bearer)).await?;
        }
        let status = response.status;
        debug!(operation = exchange.operation, status = status.as_u16(), "registry answered");
        if status.is_success() || values.contains(&status.as_u16()) {
            return Ok(response);
        }
        let retry_after = retry::retry_after(&response.headers);
        let body = response.bytes(SMALL_BYTES_MAX).await.unwrap_or_default();
        Err(self.refused(exchange, status, &body, retry_after))
    }

    /// Sends a body that can be read only once, to an upload that is open.
    pub(super) async fn send_stream(
        &self,
        exchange: &Exchange<'_>,
        body: Body,
    ) -> Result<Response, Attempt<Error>> {
        let bearer = self.bearer(&exchange.scope()).await;
        let request = Request { body, ..self.request(exchange) };
        let response = self.follow(request, bearer.as_ref()).await;
        let response = response.map_err(|error| self.no_answer(exchange, error))?;
        if response.status.is_success() {
            return Ok(response);
        }
        let (status, retry_after) = (response.status, retry::retry_after(&response.headers));
        let body = response.bytes(SMALL_BYTES_MAX).await.unwrap_or_default();
        Err(self.refused(exchange, status, &body, retry_after))
    }

    /// A short-lived token for `scope`, or for more than that.
    async fn bearer(&self, scope: &str) -> Option<HeaderValue> {
        known(&*self.bearers.lock().await, scope)
    }

    /// One that is not `refused`: of many calls at the same time one fetches it, and the others wait for that.
    async fn fresh(
        &self,
        exchange: &Exchange<'_>,
        challenge: Challenge,
        scope: String,
        refused: Option<HeaderValue>,
    ) -> Result<HeaderValue, Attempt<Error>> {
        let mut bearers = self.bearers.lock().await;
        if let Some(bearer) = known(&bearers, &scope)
            && Some(&bearer) != refused.as_ref()
        {
            return Ok(bearer);
        }
        let bearer = self.grant(exchange, challenge, &scope).await?;
        bearers.insert(scope, bearer.clone());
        Ok(bearer)
    }

    fn request(&self, exchange: &Exchange<'_>) -> Request {
        Request {
            method: exchange.method.clone(),
            url: exchange.url.clone(),
            headers: exchange.headers.clone(),
            body: exchange.body.clone().map_or(Body::Empty, Body::Bytes),
            timeout: (!exchange.long).then_some(TIMEOUT),
        }
    }

    async fn send(
        &self,
        exchange: &Exchange<'_>,
        bearer: Option<&HeaderValue>,
    ) -> Result<Response, Attempt<Error>> {
        self.follow(self.request(exchange), bearer).await.map_err(|error| self.no_answer(exchange, error))
    }

    async fn follow(
        &self,
        request: Request,
        bearer: Option<&HeaderValue>,
    ) -> Result<Response, TransportError> {
        let credentials = match (bearer, &self.auth) {
            (Some(bearer), _) => Credentials::Bearer(&self.base, bearer),
            (None, Some(auth)) => Credentials::Basic(&self.base, &auth.user, &auth.token),
            (None, None) => Credentials::None,
        };
        follow(&*self.service, &credentials, CrossOrigin::WithoutCredentials, request).await
    }

    /// Exchanges the credential for a short-lived token. The credential goes to the registry's own origin only; at another
    /// origin we ask as nobody, which is enough for public images.
    async fn grant(
        &self,
        exchange: &Exchange<'_>,
        challenge: Challenge,
        scope: &str,
    ) -> Result<HeaderValue, Attempt<Error>> {
        let fail = |detail: &str| Attempt {
            error: Error::configuration(exchange.operation, &self.subject(exchange), detail),
            repeat: false,
            unreached: false,
            retry_after: None,
        };
        let mut realm =
            Url::parse(&challenge.realm).map_err(|_| fail("the registry's token service is no URL"))?;
        if realm.scheme() != "https" && !crate::base::is_loopback(&realm) {
            return Err(fail("the registry's token service is not on https"));
        }
        {
            let mut query = realm.query_pairs_mut();
            for scope in scope.split(' ') {
                query.append_pair("scope", scope);
            }
            if let Some(service) = &challenge.service {
                query.append_pair("service", service);
            }
        }
        let request = Request {
            method: Method::GET,
            url: realm,
            headers: HeaderMap::new(),
            body: Body::Empty,
            timeout: Some(TIMEOUT),
        };
        let answer = self.follow(request, None).await;
        let response = answer.map_err(|error| self.no_answer(exchange, error))?;
        let (status, retry_after) = (response.status, retry::retry_after(&response.headers));
        let body = response.bytes(SMALL_BYTES_MAX).await.map_err(|error| self.no_answer(exchange, error))?;
        if !status.is_success() {
            return Err(self.refused(exchange, status, &body, retry_after));
        }
        let granted: Option<Granted> = serde_json::from_slice(&body).ok();
        let token = granted.and_then(|granted| granted.token.or(granted.access_token));
        let value = token.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
        let mut value = value.ok_or_else(|| fail("the registry's token service gave no token"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    pub(super) fn subject(&self, exchange: &Exchange<'_>) -> String {
        format!("{}/{}{}", self.host, exchange.repository, exchange.reference)
    }

    fn scrub(&self, text: &str) -> String {
        match &self.auth {
            Some(auth) => auth.token.scrub(&auth.token.scrub_basic(text, &auth.user)),
            None => text.to_owned(),
        }
    }

    /// The answer that never came, or not whole.
    pub(super) fn no_answer(&self, exchange: &Exchange<'_>, error: TransportError) -> Attempt<Error> {
        let failure = Failure::Transport(&error);
        let (repeat, transient, delivery) =
            (failure.may_repeat(true), failure.is_transient(), failure.delivery());
        let unreached = error.reason() == Reason::Connect;
        let kind = match error.reason() {
            Reason::Timeout => ErrorKind::Timeout,
            Reason::Request => ErrorKind::Configuration,
            Reason::TooLong => ErrorKind::Undecodable,
            Reason::Connect | Reason::Cut => ErrorKind::Transport,
        };
        let error = Error::new(Context {
            operation: exchange.operation,
            subject: self.subject(exchange),
            kind,
            delivery,
            transient,
            status: None,
            attempts: 1,
            detail: None,
            source: Some(Box::new(error)),
        });
        Attempt { error, repeat, unreached, retry_after: None }
    }

    /// The answer that was no success.
    pub(super) fn refused(
        &self,
        exchange: &Exchange<'_>,
        status: StatusCode,
        body: &[u8],
        retry_after: Option<Duration>,
    ) -> Attempt<Error> {
        let failure = Failure::Status(status);
        let kind = match status.as_u16() {
            401 => ErrorKind::Unauthenticated,
            403 => ErrorKind::Forbidden,
            404 => ErrorKind::NotFound,
            408 | 504 => ErrorKind::Timeout,
            429 => ErrorKind::RateLimited { retry_after },
            400..=499 => ErrorKind::Invalid,
            500..=599 => ErrorKind::Unavailable,
            _ => ErrorKind::Undecodable,
        };
        let error = Error::new(Context {
            operation: exchange.operation,
            subject: self.subject(exchange),
            kind,
            delivery: failure.delivery(),
            transient: failure.is_transient(),
            status: Some(status.as_u16()),
            attempts: 1,
            detail: said(body).map(|text| self.scrub(&text)),
            source: None,
        });
        Attempt { error, repeat: failure.may_repeat(true), unreached: false, retry_after }
    }
}

fn known(bearers: &BTreeMap<String, HeaderValue>, scope: &str) -> Option<HeaderValue> {
    let wider = format!("{scope} ");
    let found = bearers.iter().find(|(key, _)| *key == scope || key.starts_with(&wider));
    found.map(|(_, bearer)| bearer.clone())
}

/// The registry's own words, from the specification's envelope or as they are.
fn said(body: &[u8]) -> Option<String> {
    let envelope: Option<oci_client::errors::OciEnvelope> = serde_json::from_slice(body).ok();
    let text = match envelope {
        Some(envelope) => {
            let errors: Vec<_> = envelope
                .errors
                .iter()
                .map(|error| {
                    let code = serde_json::to_value(&error.code).ok();
                    let code = code.and_then(|code| code.as_str().map(str::to_owned)).unwrap_or_default();
                    format!("{code} {}", error.message)
                })
                .collect();
            errors.join("; ")
        }
        None => String::from_utf8_lossy(body).into_owned(),
    };
    let text = quote(&text);
    (!text.is_empty()).then_some(text)
}

/// A header for a request of ours; the values are constants or digests.
pub(super) fn header_value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}

/// `Location`, against the URL that answered.
pub(super) fn location(headers: &HeaderMap, url: &Url) -> Option<Url> {
    url.join(headers.get(header::LOCATION)?.to_str().ok()?).ok()
}
