//! Who asks: the signature in the `Authorization` header, and what it has to cover (API Reference, "Authenticating
//! Requests: Using the Authorization Header").

use bytes::Bytes;
use hyper::{HeaderMap, Method, header::AUTHORIZATION};
use sha2::{Digest, Sha256};

use super::{
    Refusal, dates,
    sign::{self, Scope, Signed},
};
use crate::{orgs::Orgs, query::Query, registry::store::hex};

/// How far a request's clock may be from ours (the page's error `RequestTimeTooSkewed`): 15 minutes.
const SKEW_MAX_S: u64 = 15 * 60;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A request as it came, without its body.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    /// Not encoded.
    pub(super) path: &'a str,
    pub(super) query: &'a Query,
    pub(super) headers: &'a HeaderMap,
}

/// Who signed a request, and for which body.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) org: String,
    /// The body's SHA-256; none where it was left out of the signature.
    payload: Option<String>,
}

impl Claim {
    /// Refuses another body than the one that was signed for.
    pub(super) fn check(&self, body: &Bytes) -> Result<(), Refusal> {
        match &self.payload {
            Some(signed) if *signed != hex(&Sha256::digest(body)) => Err(Refusal::bad(
                "XAmzContentSHA256Mismatch",
                "the body is not the one that x-amz-content-sha256 tells",
            )),
            _ => Ok(()),
        }
    }
}

/// Checks the signature of a request that came at `now_s`.
pub(super) fn check(orgs: &Orgs, asked: &Asked<'_>, now_s: u64) -> Result<Claim, Refusal> {
    let header = |name: &str| asked.headers.get(name).and_then(|value| value.to_str().ok());
    if asked.query.get("X-Amz-Signature").is_some() {
        return Err(Refusal::not_implemented("signatures in the query"));
    }
    let text = header(AUTHORIZATION.as_str())
        .ok_or_else(|| Refusal::forbidden("AccessDenied", "the request is not signed"))?;
    let written = Written::read(text)?;
    let Some((secret, org, scope)) = orgs.key(written.key_id) else {
        let why = format!("there is no key with the id `{}`", written.key_id);
        return Err(Refusal::forbidden("InvalidAccessKeyId", why));
    };
    let date = header("x-amz-date").unwrap_or_default();
    let at_s = dates::read_signed(date).ok_or_else(|| {
        Refusal::forbidden("AccessDenied", "x-amz-date is missing, or not like 20130524T000000Z")
    })?;
    if at_s.abs_diff(now_s) > SKEW_MAX_S {
        let why = format!("the request is of {date}, and it is {} here", dates::http(now_s));
        return Err(Refusal::forbidden("RequestTimeTooSkewed", why));
    }
    if !date.starts_with(written.scope.day) {
        return Err(malformed("its day is not that of x-amz-date"));
    }
    let payload = payload(header("x-amz-content-sha256"))?;
    covers_enough(&written, asked.headers)?;
    let headers: Vec<(&str, Vec<String>)> =
        written.signed.iter().map(|name| (*name, values(asked.headers, name))).collect();
    let canonical = sign::canonical(&Signed {
        method: asked.method.as_str(),
        path: asked.path,
        query: asked.query,
        headers: &headers,
        payload: header("x-amz-content-sha256").unwrap_or_default(),
    });
    let text = sign::to_sign(date, written.scope, &canonical);
    if !sign::is_signed(secret, written.scope, &text, &written.signature) {
        let why = "the signature is not that of this request with this key: look at the key, and at what was signed";
        return Err(Refusal::forbidden("SignatureDoesNotMatch", why));
    }
    if !scope.deploys(None) {
        return Err(Refusal::forbidden("AccessDenied", "the token with this key id is not for S3"));
    }
    Ok(Claim { org: org.to_owned(), payload })
}

fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

/// `x-amz-content-sha256`: a hash, or that there is none.
fn payload(header: Option<&str>) -> Result<Option<String>, Refusal> {
    match header {
        None => Err(Refusal::bad("InvalidRequest", "x-amz-content-sha256 is missing")),
        Some("UNSIGNED-PAYLOAD") => Ok(None),
        Some(streamed) if streamed.starts_with("STREAMING-") => {
            Err(Refusal::not_implemented(format!("a body in signed chunks ({streamed})")))
        }
        Some(hash) if hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Ok(Some(hash.to_ascii_lowercase()))
        }
        Some(_) => Err(Refusal::bad(
            "InvalidArgument",
            "x-amz-content-sha256 is neither a SHA-256 nor UNSIGNED-PAYLOAD",
        )),
    }
}

/// `host` and every `x-amz-*` header must be signed (the page's `SignedHeaders`): else anybody on the way could change
/// what is asked.
fn covers_enough(written: &Written<'_>, headers: &HeaderMap) -> Result<(), Refusal> {
    let sent = headers.keys().map(|name| name.as_str()).filter(|name| name.starts_with("x-amz-"));
    match sent.chain(["host"]).find(|name| !written.signed.contains(name)) {
        Some(name) => Err(Refusal::forbidden("AccessDenied", format!("the header {name} is not signed"))),
        None => Ok(()),
    }
}

/// The header taken apart.
#[derive(Debug)]
struct Written<'a> {
    key_id: &'a str,
    scope: Scope<'a>,
    signed: Vec<&'a str>,
    signature: Vec<u8>,
}

impl<'a> Written<'a> {
    /// Reads `AWS4-HMAC-SHA256 Credential=ID/DAY/REGION/s3/aws4_request, SignedHeaders=a;b, Signature=HEX`.
    fn read(text: &'a str) -> Result<Self, Refusal> {
        let Some(rest) = text.strip_prefix(ALGORITHM).filter(|rest| rest.starts_with(' ')) else {
            let why = format!("requests are signed with {ALGORITHM} and not otherwise");
            return Err(Refusal::bad("InvalidRequest", why));
        };
        let part = |name: &str| {
            let mut parts = rest.split(',').filter_map(|part| part.trim().split_once('='));
            parts.find(|(found, _)| *found == name).map(|(_, value)| value)
        };
        let credential: Vec<&str> = part("Credential").unwrap_or_default().split('/').collect();
        let [key_id, day, region, "s3", "aws4_request"] = credential[..] else {
            return Err(malformed("Credential is not ID/DAY/REGION/s3/aws4_request"));
        };
        let signed = part("SignedHeaders").filter(|names| !names.is_empty());
        let signed = signed.ok_or_else(|| malformed("there are no SignedHeaders"))?.split(';').collect();
        let signature = part("Signature").and_then(unhex);
        let signature = signature.ok_or_else(|| malformed("Signature is not in hexadecimal digits"))?;
        if day.len() != 8 {
            return Err(malformed("the day in Credential is not like 20130524"));
        }
        Ok(Self { key_id, scope: Scope { day, region }, signed, signature })
    }
}

fn malformed(why: &str) -> Refusal {
    Refusal::bad("AuthorizationHeaderMalformed", format!("the Authorization header cannot be used: {why}"))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page's example of the header; Amazon's own clients put a space behind each comma, others do not.
    #[test]
    fn the_header_is_read_with_and_without_spaces() {
        for space in ["", " "] {
            let text = format!(
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,{space}\
                 SignedHeaders=host;range;x-amz-date,{space}Signature=fe5f80"
            );
            let written = Written::read(&text).unwrap();
            assert_eq!((written.key_id, written.scope.region), ("AKIAIOSFODNN7EXAMPLE", "us-east-1"));
            assert_eq!(
                (written.signed, written.signature),
                (vec!["host", "range", "x-amz-date"], vec![0xfe, 0x5f, 0x80])
            );
        }
        let code = |text: &str| Written::read(text).unwrap_err().code;
        assert_eq!(code("Bearer tok-a"), "InvalidRequest");
        for bad in [
            "AWS4-HMAC-SHA256 Credential=ID/20130524/us-east-1/sts/aws4_request,SignedHeaders=host,Signature=00",
            "AWS4-HMAC-SHA256 Credential=ID/2013/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=00",
            "AWS4-HMAC-SHA256 Credential=ID/20130524/us-east-1/s3/aws4_request,Signature=00",
            "AWS4-HMAC-SHA256 Credential=ID/20130524/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=0g",
            "AWS4-HMAC-SHA256 Credential=ID/20130524/us-east-1/s3/aws4_request,SignedHeaders=host",
        ] {
            assert_eq!(code(bad), "AuthorizationHeaderMalformed", "{bad}");
        }
    }
}
