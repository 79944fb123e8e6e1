//! Connections that change protocol (WebSocket): once upgraded, bytes pass both ways until either side ends.

use std::{collections::BTreeSet, sync::Arc};

use http_body_util::BodyExt;
use hyper::{Request, Response, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;

use super::{Edge, idle::Held, pool, proxy, serve::refuse, view::Wanted};
use crate::http_io::{self, Body};

/// Forwards a request that asks for another protocol; its connection counts as under way while it lives.
pub(crate) async fn proxy(edge: &Arc<Edge>, app: &str, mut request: Request<Incoming>) -> Response<Body> {
    let client = hyper::upgrade::on(&mut request);
    let (parts, body) = request.into_parts();
    let mut request = Request::from_parts(parts, body.map_err(std::io::Error::other).boxed());
    let forced = request.headers_mut().remove("fly-force-instance-id");
    let forced = forced.as_ref().and_then(|v| v.to_str().ok());
    let mut tried = BTreeSet::new();
    let wanted = Wanted { app, region: &edge.region, machine: forced, turn: 0 };
    let mut held = Held::new();
    loop {
        let Some(target) = proxy::choose(edge, wanted, &tried) else {
            if forced.is_none() && held.on(edge, app, &mut tried).await {
                continue;
            }
            break;
        };
        let count = edge.counts.enter(&target.machine);
        let Ok(mut sender) = pool::connect(edge, target.address).await else {
            edge.traffic.note(app, |t| t.refused += 1);
            tried.insert(target.machine);
            continue;
        };
        let Ok(mut answer) = sender.send_request(request).await else {
            return refuse(StatusCode::BAD_GATEWAY, "the machine closed the connection before it answered");
        };
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            let (parts, body) = answer.into_parts();
            return Response::from_parts(
                parts,
                pool::Flow::new(body, edge, target.address, sender, count).boxed(),
            );
        }
        let machine = hyper::upgrade::on(&mut answer);
        edge.crew.spawn(async move {
            let _count = count;
            if let (Ok(client), Ok(machine)) = (client.await, machine.await) {
                let (mut client, mut machine) = (TokioIo::new(client), TokioIo::new(machine));
                // Either side going away ends it; there is nobody to tell.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut machine).await;
            }
        });
        let (parts, _) = answer.into_parts();
        return Response::from_parts(parts, http_io::full(""));
    }
    refuse(StatusCode::SERVICE_UNAVAILABLE, "no started, healthy, uncordoned machine is known to this edge")
}
