//! The running server of a state directory, and calls to it.

use std::{sync::Arc, time::Duration};

use clikit::{Exit, Failure, FailureExt as _};
use flyclient::{
    Token,
    transport::{Body, HttpService, Options, Request, ReqwestService},
};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use url::Url;

use crate::place::{Place, Record};

/// A call answers from memory; only a machine that is very busy takes longer than moments.
const ANSWER_MAX: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// A server that was seen alive just now.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) record: Record,
    /// What it says of itself: runtime, why, regions, edges.
    pub(crate) info: Value,
    base: Url,
    service: Arc<dyn HttpService>,
}

/// The transport of this program.
pub(crate) fn transport() -> Result<Arc<dyn HttpService>, Failure> {
    let service = ReqwestService::new(&Options::default())
        .map_err(|error| Failure::bug("the HTTP client cannot be set up").with_source(error))?;
    Ok(Arc::new(service))
}

fn not_running(place: &Place) -> Failure {
    Failure::unavailable(format!("no server runs on `{}`", place.dir().display()))
        .with_hint(place.command("up"))
}

impl Running {
    /// The server of `place`. No token is sent before the process that answers is the one that was recorded: the port of
    /// a dead server may belong to anybody.
    ///
    /// # Errors
    /// Exit 8, with the command that starts one, when none runs.
    pub(crate) async fn find(place: &Place) -> Result<Self, Failure> {
        let record = place.record()?.ok_or_else(|| not_running(place))?;
        let base =
            record.api.parse::<Url>().or_exit(Exit::Unavailable, || "the recorded API address is no URL")?;
        let mut running = Self { record, info: Value::Null, base, service: transport()? };
        let dead = |why: &str| {
            not_running(place)
                .with_why(format!("process {} is recorded for it, but {why}", running.record.pid))
        };
        let answer = running.send(Method::GET, "/localcloud/v1/info", &[], None, None).await;
        let (status, body) = answer.map_err(|failure| dead("it does not answer").with_source(failure))?;
        let info: Value = serde_json::from_slice(&body).unwrap_or_default();
        if !status.is_success() || info["pid"] != running.record.pid {
            return Err(dead("another program answers at its address"));
        }
        running.info = info;
        Ok(running)
    }

    /// The token of an organisation; without one, of the server's first.
    pub(crate) fn token(&self, org: Option<&str>) -> Result<(Token, String), Failure> {
        let org = org.unwrap_or(&self.record.org);
        let file = self.record.tokens.get(org).ok_or_else(|| {
            let known: Vec<&str> = self.record.tokens.keys().map(String::as_str).collect();
            Failure::usage(format!("the server knows no organisation `{org}`"))
                .with_why(format!("it was started with {}", known.join(", ")))
        })?;
        let unusable = || format!("the token in `{}` cannot be used", file.display());
        let text = std::fs::read_to_string(file).or_exit(Exit::Unavailable, unusable)?;
        let token = text.parse().or_exit(Exit::Unavailable, unusable)?;
        Ok((token, text.trim().to_owned()))
    }

    /// A call with the token of `org`, answered with JSON.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
        org: Option<&str>,
    ) -> Result<Value, Failure> {
        let (_, token) = self.token(org)?;
        let (status, bytes) = self.send(method, path, query, body, Some(&token)).await?;
        let said: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status.is_success() {
            return Ok(said);
        }
        let why = said["error"].as_str().unwrap_or("no reason given").to_owned();
        let exit = match status {
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY => Exit::Usage,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Exit::Refused,
            _ => Exit::Unavailable,
        };
        Err(Failure::new(exit, format!("the server refused it ({status})")).with_why(why))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
        token: Option<&str>,
    ) -> Result<(StatusCode, Vec<u8>), Failure> {
        let mut url = self.base.clone();
        url.set_path(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                .or_exit(Exit::Unavailable, || "the token cannot stand in a header")?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let body = body.map_or(Body::Empty, |body| Body::Bytes(body.to_string().into()));
        let request = Request { method, url, headers, body, timeout: Some(ANSWER_MAX) };
        let lost = || "the server does not answer";
        let response = self.service.send(request).await.or_exit(Exit::Unavailable, lost)?;
        let (status, mut stream, mut bytes) = (response.status, response.body, Vec::new());
        while let Some(part) = stream.next().await {
            bytes.extend_from_slice(&part.or_exit(Exit::Unavailable, lost)?);
            if bytes.len() > ANSWER_BYTES_MAX {
                return Err(Failure::unavailable("the server's answer is longer than any of its answers"));
            }
        }
        Ok((status, bytes))
    }
}
