//! Forwarding one request.
//!
//! A refused connection is tried elsewhere, whatever the method: nothing was sent. After that only GET, HEAD and OPTIONS
//! without a body may go again, when the connection closed before any byte of an answer; they are also the only ones
//! that use idle connections. Everything else goes once, on a fresh connection.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Body as _, Incoming},
    client::conn::http1::SendRequest,
    header::{CONNECTION, HOST, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE},
    http::request::Parts,
};

use super::{
    Edge,
    counts::InFlight,
    idle::{self, Held},
    pool::{self, Flow},
    serve::{REQUEST_ID, refuse},
    upgrade,
    view::{Target, Wanted},
};
use crate::http_io::{self, Body};

/// How long a machine may take until the head of its answer.
const HEAD: Duration = Duration::from_secs(60);
/// Attempts for one request, refused connections included.
const ATTEMPTS: usize = 12;

const FORCE_INSTANCE: HeaderName = HeaderName::from_static("fly-force-instance-id");

/// Spreads requests over equally good machines.
static TURN: AtomicUsize = AtomicUsize::new(0);

/// What became of one attempt.
enum Attempt {
    Answered(Response<Body>),
    /// Nothing reached the machine: the body is intact.
    NotSent(Body),
    /// It may go again: idempotent, without a body, no byte came back.
    Again,
    Broken(&'static str),
}

/// Forwards `request` to a machine of `app`.
pub(crate) async fn proxy(
    edge: &Arc<Edge>,
    app: &str,
    request: Request<Incoming>,
    peer: SocketAddr,
    id: Option<&HeaderValue>,
) -> Response<Body> {
    if request.headers().contains_key(UPGRADE) {
        return upgrade::proxy(edge, app, request).await;
    }
    let repeatable = is_idempotent(request.method()) && request.body().is_end_stream();
    let (mut parts, body) = request.into_parts();
    let forced = parts.headers.remove(FORCE_INSTANCE);
    let forced = forced.as_ref().and_then(|v| v.to_str().ok());
    prepare(&mut parts.headers, edge, peer, id);
    let mut body = body.map_err(std::io::Error::other).boxed();
    let (mut tried, mut reason) =
        (BTreeSet::new(), "no started, healthy, uncordoned machine is known to this edge");
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let wanted = Wanted { app, region: &edge.region, machine: forced, turn };
    let (mut held, mut attempt) = (Held::new(), 0);
    while attempt < ATTEMPTS {
        let Some(target) = choose(edge, wanted, &tried) else {
            if forced.is_none() && held.on(edge, app, &mut tried).await {
                // What is not trusted once is not trusted again.
                attempt = 1;
                continue;
            }
            break;
        };
        if target.is_full && attempt == 0 {
            idle::relieve(edge, app);
        }
        // After one disappointment idle connections are no longer trusted.
        let kept = if repeatable && attempt == 0 { edge.pool.take(target.address) } else { None };
        attempt += 1;
        let was_idle = kept.is_some();
        let count = edge.counts.enter(&target.machine);
        let sender = match kept {
            Some(sender) => sender,
            None => match pool::connect(edge, target.address).await {
                Ok(sender) => sender,
                Err(_) => {
                    edge.traffic.note(app, |t| t.refused += 1);
                    reason = "every machine known to this edge refused the connection";
                    tried.insert(target.machine);
                    continue;
                }
            },
        };
        match send(edge, &target, sender, count, &parts, body, repeatable).await {
            Attempt::Answered(answer) => return answer,
            Attempt::Broken(reason) => return refuse(StatusCode::BAD_GATEWAY, reason),
            Attempt::NotSent(intact) => body = intact,
            Attempt::Again => {
                edge.traffic.note(app, |t| t.retries += 1);
                body = http_io::full("");
            }
        }
        reason = "every machine known to this edge closed the connection";
        if !was_idle {
            tried.insert(target.machine);
        }
    }
    refuse(StatusCode::SERVICE_UNAVAILABLE, reason)
}

/// The next machine to try.
pub(crate) fn choose(edge: &Edge, wanted: Wanted<'_>, tried: &BTreeSet<String>) -> Option<Target> {
    edge.view.lock().unwrap_or_else(PoisonError::into_inner).choose(wanted, tried, &edge.counts)
}

async fn send(
    edge: &Arc<Edge>,
    target: &Target,
    mut sender: SendRequest<Body>,
    count: InFlight,
    parts: &Parts,
    body: Body,
    repeatable: bool,
) -> Attempt {
    let mut request = Request::new(body);
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = parts.uri.clone();
    *request.headers_mut() = parts.headers.clone();
    let sent = tokio::time::timeout(HEAD, sender.try_send_request(request)).await;
    match sent {
        Ok(Ok(answer)) => {
            let (mut parts, body) = answer.into_parts();
            strip_hop_by_hop(&mut parts.headers);
            parts.headers.insert("x-localcloud-machine", header(&target.machine));
            parts.headers.insert("x-localcloud-edge", header(&edge.region));
            Attempt::Answered(Response::from_parts(
                parts,
                Flow::new(body, edge, target.address, sender, count).boxed(),
            ))
        }
        Ok(Err(mut failed)) => match failed.take_message() {
            Some(request) => Attempt::NotSent(request.into_body()),
            None if repeatable => Attempt::Again,
            None => Attempt::Broken(
                "the machine closed the connection before it answered; the request was sent once",
            ),
        },
        Err(_) => Attempt::Broken("the machine did not answer within 60 s"),
    }
}

fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

/// Headers as the machine sees them.
pub(crate) fn prepare(headers: &mut HeaderMap, edge: &Edge, peer: SocketAddr, id: Option<&HeaderValue>) {
    strip_hop_by_hop(headers);
    let client = peer.ip().to_string();
    let before = headers.get("x-forwarded-for").and_then(|v| v.to_str().ok());
    let chain = before.map_or_else(|| client.clone(), |before| format!("{before}, {client}"));
    headers.insert("x-forwarded-for", header(&chain));
    headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
    if let Some(host) = headers.get(HOST).cloned() {
        headers.insert("x-forwarded-host", host);
    }
    headers.insert("fly-client-ip", header(&client));
    headers.insert("fly-region", header(&edge.region));
    if let Some(id) = id {
        headers.insert(REQUEST_ID, id.clone());
    }
}

/// Removes what belongs to one connection only (RFC 9110, 7.6.1).
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
}
