//! Redirects, and the one place where a credential is put into a request: only for its own origin, on each hop anew.

use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

use super::{Body, HttpService, Request, Response, TransportError};
use crate::{Base, Token};

/// Longest chain of redirects.
const HOPS_MAX: usize = 5;

/// A credential and the origin it is for.
#[derive(Debug, Clone)]
pub(crate) enum Credentials<'a> {
    /// Fly's own scheme, for the origin of a base.
    Token(&'a Base, &'a Token),
    /// HTTP basic with a user name, for the origin of a base.
    Basic(&'a Base, &'a str, &'a Token),
    /// A registry's own short-lived token, for the origin of a base.
    Bearer(&'a Base, &'a http::HeaderValue),
    /// None.
    None,
}

impl Credentials<'_> {
    /// Puts the credential in, if `url` is where it belongs; takes any other out.
    fn apply(&self, url: &Url, headers: &mut HeaderMap) {
        headers.remove(header::AUTHORIZATION);
        let value = match self {
            Self::Token(base, token) if base.is_origin_of(url) => token.header(),
            Self::Basic(base, user, token) if base.is_origin_of(url) => token.basic(user),
            Self::Bearer(base, value) if base.is_origin_of(url) => (*value).clone(),
            Self::Token(..) | Self::Basic(..) | Self::Bearer(..) | Self::None => return,
        };
        headers.insert(header::AUTHORIZATION, value);
    }
}

/// What to do with a redirect to another origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrossOrigin {
    /// Return the redirect itself.
    Stop,
    /// Go there without the credential, as registries want it for blobs that are in a bucket.
    WithoutCredentials,
}

/// Sends `request` and follows redirects: a read anywhere the rule allows, a change only by 307 or 308 with a body that is in
/// memory. What is not followed is returned as it is.
pub(crate) async fn follow(
    service: &dyn HttpService,
    credentials: &Credentials<'_>,
    rule: CrossOrigin,
    mut request: Request,
) -> Result<Response, TransportError> {
    for _ in 0..HOPS_MAX {
        let again = Copy::of(&request);
        credentials.apply(&request.url, &mut request.headers);
        let response = service.send(request).await?;
        let Some(next) = again.and_then(|copy| copy.next(&response, rule)) else { return Ok(response) };
        request = next;
    }
    credentials.apply(&request.url, &mut request.headers);
    service.send(request).await
}

/// What is needed to send a request once more.
struct Copy {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<bytes::Bytes>,
    timeout: Option<std::time::Duration>,
}

impl Copy {
    fn of(request: &Request) -> Option<Self> {
        let body = match &request.body {
            Body::Empty => None,
            Body::Bytes(bytes) => Some(bytes.clone()),
            Body::Stream { .. } => return None,
        };
        Some(Self {
            method: request.method.clone(),
            url: request.url.clone(),
            headers: request.headers.clone(),
            body,
            timeout: request.timeout,
        })
    }

    fn next(self, response: &Response, rule: CrossOrigin) -> Option<Request> {
        let read = self.method == Method::GET || self.method == Method::HEAD;
        let good = match response.status {
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => read,
            _ => false,
        };
        let url = self.url.join(response.header("location")?).ok()?;
        let same = url.origin() == self.url.origin();
        let allowed = same || (read && rule == CrossOrigin::WithoutCredentials && url.scheme() == "https");
        let allowed = allowed
            || (read && rule == CrossOrigin::WithoutCredentials && crate::base::is_loopback(&self.url));
        (good && allowed && matches!(url.scheme(), "http" | "https")).then(|| Request {
            method: self.method,
            url,
            headers: self.headers,
            body: self.body.map_or(Body::Empty, Body::Bytes),
            timeout: self.timeout,
        })
    }
}
