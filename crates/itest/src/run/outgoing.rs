//! From a request with placeholders to one that can be sent.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{CONTENT_TYPE, HOST},
};
use url::{Url, form_urlencoded};

use crate::{
    suite::model::{Body, Request},
    target::{Target, shown},
    template::Undefined,
    transport::Outgoing,
    variables::Variables,
};

/// Why a request cannot be sent as written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsendable {
    #[error(transparent)]
    Undefined(#[from] Undefined),
    #[error("the value of the header {0} has characters that a header cannot carry")]
    Header(HeaderName),
    #[error("`{0}` is neither a path nor a URL")]
    Path(String),
    #[error("`{0}` is not at the target, which alone may be asked")]
    Elsewhere(String),
}

/// Fills in the request's placeholders.
pub(super) fn outgoing(
    request: &Request,
    target: &Target,
    variables: &Variables,
    timeout: Duration,
) -> Result<Outgoing, Unsendable> {
    let mut url = locate(&target.url, &request.path.fill(variables)?)?;
    for (name, value) in &request.query {
        url.query_pairs_mut().append_pair(name, &value.fill(variables)?);
    }
    let (body, content_type) = body(&request.body, variables)?;
    let mut headers = HeaderMap::new();
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    for (name, value) in &request.headers {
        let value = HeaderValue::from_str(&value.fill(variables)?);
        headers.insert(name.clone(), value.map_err(|_| Unsendable::Header(name.clone()))?);
    }
    Ok(Outgoing { method: request.method.clone(), url, headers, body, timeout })
}

/// A plain GET, for identities.
pub(super) fn get(target: &Target, path: &str, timeout: Duration) -> Result<Outgoing, Unsendable> {
    let url = locate(&target.url, path)?;
    Ok(Outgoing { method: Method::GET, url, headers: HeaderMap::new(), body: Vec::new(), timeout })
}

/// Appends a path to the target's URL. A whole URL, as a captured `Location` may be, must have the target's
/// origin: nothing that a target answers can send a request elsewhere.
fn locate(base: &Url, path: &str) -> Result<Url, Unsendable> {
    let unreadable = || Unsendable::Path(path.to_owned());
    if !path.starts_with('/') {
        let url = Url::parse(path).map_err(|_| unreadable())?;
        return if url.origin() == base.origin() {
            Ok(url)
        } else {
            Err(Unsendable::Elsewhere(path.to_owned()))
        };
    }
    let mut root = base.clone();
    root.set_query(None);
    root.set_fragment(None);
    let url =
        Url::parse(&format!("{}{path}", root.as_str().trim_end_matches('/'))).map_err(|_| unreadable())?;
    if url.origin() == base.origin() { Ok(url) } else { Err(Unsendable::Elsewhere(path.to_owned())) }
}

fn body(body: &Body, variables: &Variables) -> Result<(Vec<u8>, Option<&'static str>), Undefined> {
    Ok(match body {
        Body::Empty => (Vec::new(), None),
        Body::Json(value) => (value.fill(variables)?.to_string().into_bytes(), Some("application/json")),
        Body::Text(text) => (text.fill(variables)?.into_bytes(), Some("text/plain; charset=utf-8")),
        Body::Form(pairs) => {
            let mut form = form_urlencoded::Serializer::new(String::new());
            for (name, value) in pairs {
                form.append_pair(name, &value.fill(variables)?);
            }
            (form.finish().into_bytes(), Some("application/x-www-form-urlencoded"))
        }
    })
}

/// The request for people: method, URL and, if one is set, the host that was asked for.
pub(super) fn describe(outgoing: &Outgoing) -> String {
    let host = outgoing
        .headers
        .get(HOST)
        .map(|host| format!(" (host {})", String::from_utf8_lossy(host.as_bytes())));
    format!("{} {}{}", outgoing.method, shown(&outgoing.url), host.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(base: &str, path: &str) -> String {
        match locate(&base.parse().unwrap(), path) {
            Ok(url) => url.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn paths_are_appended_to_the_target() {
        assert_eq!(located("http://a.test", "/x?y=1"), "http://a.test/x?y=1");
        assert_eq!(located("http://a.test/base/?q#f", "/x"), "http://a.test/base/x");
        assert_eq!(located("http://a.test/base", "/a b/ü"), "http://a.test/base/a%20b/%C3%BC");
    }

    #[test]
    fn no_answer_can_send_a_request_elsewhere() {
        assert_eq!(located("http://a.test", "http://a.test:80/x"), "http://a.test/x");
        for elsewhere in ["http://b.test/x", "https://a.test/x", "http://a.test:81/"] {
            let expected = format!("`{elsewhere}` is not at the target, which alone may be asked");
            assert_eq!(located("http://a.test", elsewhere), expected);
        }
        assert_eq!(located("http://a.test", "//b.test/x"), "http://a.test//b.test/x");
        assert_eq!(located("http://a.test", "x"), "`x` is neither a path nor a URL");
    }
}
