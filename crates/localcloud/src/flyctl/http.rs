//! One JSON call per connection.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Uri, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::Failed;

/// Where the API is, and a token for it. Prints no token.
#[derive(Clone)]
pub(super) struct Api {
    base: String,
    token: String,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Api").field(&self.base).finish()
    }
}

impl Api {
    pub(super) fn new(base: &str, token: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), token: token.to_owned() }
    }

    /// Makes a call; the answer's body where it succeeded, null where that is empty.
    pub(super) async fn call(
        &self,
        method: &str,
        path: &str,
        nonce: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Value, Failed> {
        let call = format!("{method} {path}");
        let (status, bytes) = self
            .exchange(method, path, nonce, body)
            .await
            .map_err(|why| Failed::Away { call: call.clone(), why })?;
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if (200..300).contains(&status) {
            return Ok(value);
        }
        // Leases answer `message`, everything else `error` (fly.md 1.7, 1.8).
        let said = value.get("error").or_else(|| value.get("message")).and_then(Value::as_str);
        let said = said.map_or_else(|| String::from_utf8_lossy(&bytes).into_owned(), str::to_owned);
        Err(Failed::Refused { call, status, said })
    }

    async fn exchange(
        &self,
        method: &str,
        path: &str,
        nonce: Option<&str>,
        body: Option<&Value>,
    ) -> Result<(u16, Bytes), String> {
        let uri: Uri = format!("{}{path}", self.base)
            .parse()
            .map_err(|e: hyper::http::uri::InvalidUri| e.to_string())?;
        let authority = uri.authority().ok_or("the address has no host")?.to_string();
        let stream = TcpStream::connect(&authority).await.map_err(|e| e.to_string())?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
        let target = uri.path_and_query().map_or("/", |p| p.as_str());
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, authority)
            .header("authorization", format!("Bearer {}", self.token))
            .header("user-agent", format!("flyctl/{}", super::VERSION));
        if let Some(nonce) = nonce {
            request = request.header("fly-machine-lease-nonce", nonce);
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(Full::new(Bytes::from(body))).map_err(|e| e.to_string())?;
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(|e| e.to_string())?;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.map_err(|e| e.to_string())?;
            Ok((status, body.to_bytes()))
        };
        let mut exchange = std::pin::pin!(exchange);
        tokio::select! {
            biased;
            done = &mut exchange => done,
            _ = connection => exchange.await,
        }
    }
}
