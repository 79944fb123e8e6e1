//! Signs as the API Reference says ("Signature Calculations for the Authorization Header"), without the server's code.

use hmac::{Hmac, KeyInit, Mac};
use jiff::{Timestamp, fmt::rfc2822};
use localcloud::Orgs;
use sha2::{Digest, Sha256};

use crate::support::{Answer, Server, http};

/// Who asks, and what a test may do wrong.
#[derive(Debug, Clone)]
pub(crate) struct S3 {
    pub(crate) url: String,
    pub(crate) key_id: String,
    pub(crate) secret: String,
    pub(crate) region: String,
    /// When it signs.
    pub(crate) at: Timestamp,
    /// `x-amz-content-sha256`, where it is not the body's.
    pub(crate) payload: Option<String>,
    /// Sent without being signed.
    pub(crate) unsigned: Vec<(String, String)>,
    /// Asked for, where it is not what was signed.
    pub(crate) target: Option<String>,
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The ETag of a content: this S3 says that it is the SHA-256.
pub(crate) fn etag(content: impl AsRef<[u8]>) -> String {
    format!("\"{}\"", hex(&Sha256::digest(content)))
}

/// What stands in the first element `tag`.
pub(crate) fn inside<'a>(xml: &'a str, tag: &str) -> &'a str {
    inside_all(xml, tag).first().copied().unwrap_or_default()
}

/// What stands in each.
pub(crate) fn inside_all<'a>(xml: &'a str, tag: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    xml.split(open.as_str()).skip(1).map(|rest| rest.split(close.as_str()).next().unwrap()).collect()
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

impl S3 {
    pub(crate) async fn of(server: &Server) -> Self {
        Self::at(server.handle.s3_url(), "tok-a").await
    }

    /// The server's time is read off an answer.
    pub(crate) async fn at(url: &str, token: &str) -> Self {
        let answer = http("GET", url, &[], "").await.unwrap();
        Self {
            url: url.to_owned(),
            key_id: Orgs::key_id(token),
            secret: token.to_owned(),
            region: String::from("auto"),
            at: rfc2822::parse(answer.header("date")).unwrap().timestamp(),
            payload: None,
            unsigned: Vec::new(),
            target: None,
        }
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { key_id: Orgs::key_id(token), secret: token.to_owned(), ..self.clone() }
    }

    /// `target` is path and query, encoded, the parameters in their order. An error when there is no answer.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, String> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let date = self.at.strftime("%Y%m%dT%H%M%SZ").to_string();
        let hash = hex(&Sha256::digest(body));
        let payload = self.payload.as_deref().unwrap_or(&hash);
        let host = self.url.strip_prefix("http://").unwrap();
        let mut signed = headers.to_vec();
        signed.extend([("host", host), ("x-amz-content-sha256", payload), ("x-amz-date", &date)]);
        signed.sort_unstable();
        let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}");
        let (day, scope) = (&date[..8], format!("{}/{}/s3/aws4_request", &date[..8], self.region));
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in [day, &self.region, "s3", "aws4_request"] {
            key = mac(&key, part);
        }
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={}",
            self.key_id,
            hex(&mac(&key, &text))
        );
        signed.push(("authorization", &authorization));
        signed.extend(self.unsigned.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let url = format!("{}{}", self.url, self.target.as_deref().unwrap_or(target));
        http(method, &url, &signed, body.to_vec()).await
    }

    /// A request that must be answered.
    pub(crate) async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        self.try_send(method, target, headers, body.as_ref()).await.unwrap()
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send("GET", target, &[], "").await
    }

    /// A write that must succeed.
    pub(crate) async fn put(&self, target: &str, body: impl AsRef<[u8]>) -> Answer {
        let answer = self.send("PUT", target, &[], body).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        answer
    }
}

impl Answer {
    /// Status and S3's code of an error.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status, inside(&self.text(), "Code").to_owned())
    }

    /// Fails unless it is this refusal.
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!(self.refusal(), (status, code.to_owned()), "{}", self.text());
    }
}
