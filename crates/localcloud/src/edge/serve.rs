//! From a connection on an edge's port to a site or a machine.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, PoisonError},
};

use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{HOST, HeaderName, HeaderValue},
};

use super::{Edge, proxy, static_site};
use crate::{
    http_io::{self, Body},
    ids,
};

/// The port of an edge on which the `Host` header names the app; no app can have this name.
pub(crate) const BY_HOST: &str = "*";

/// Names every request, to the machine and to the client.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("fly-request-id");

/// Serves one port until aborted.
pub(crate) async fn serve(edge: Arc<Edge>, app: String, listener: TcpListener) {
    // Fails only outside a runtime.
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let handler = move |request: Request<Incoming>, peer: SocketAddr| {
        let (edge, app) = (Arc::clone(&edge), app.clone());
        async move {
            let app = if app == BY_HOST { app_of_host(&request) } else { Some(app) };
            Ok(match app {
                Some(app) => answer(&edge, &app, request, peer).await,
                None => refuse(StatusCode::NOT_FOUND, "the Host header names no app; use <app>.localhost"),
            })
        }
    };
    http_io::serve(listener, Arc::new(handler)).await;
}

async fn answer(edge: &Arc<Edge>, app: &str, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
    let id = request.headers().get(REQUEST_ID).cloned();
    let id = id.or_else(|| HeaderValue::from_str(&format!("{}-{}", ids::ulid(), edge.region)).ok());
    let site = edge.view.lock().unwrap_or_else(PoisonError::into_inner).site(app);
    let mut answer = match site {
        Some(site) => static_site::answer(&site, &request),
        None => proxy::proxy(edge, app, request, peer, id.as_ref()).await,
    };
    if let Some(id) = id {
        answer.headers_mut().insert(REQUEST_ID, id);
    }
    edge.traffic.note(app, |totals| {
        totals.requests += 1;
        totals.failed += u64::from(answer.status().is_server_error());
    });
    answer
}

/// The edge's own refusal, with the reason also as a header.
pub(crate) fn refuse(status: StatusCode, reason: &str) -> Response<Body> {
    let mut answer = http_io::text(status, format!("{reason}\n"));
    if let Ok(reason) = HeaderValue::from_str(reason) {
        answer.headers_mut().insert("x-localcloud-reason", reason);
    }
    answer
}

/// `web` of `web.localhost:4000`.
fn app_of_host(request: &Request<Incoming>) -> Option<String> {
    let host = request.headers().get(HOST)?.to_str().ok()?;
    let name = host.split(':').next()?;
    let (app, domain) = name.split_once('.')?;
    matches!(domain, "localhost" | "fly.dev").then(|| app.to_owned())
}
