//! The way of a call: what it is, who asks, whose bucket, which faults, the handler, one audit line.

use std::sync::Arc;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response,
    body::Incoming,
    header::{DATE, HeaderName},
};
use serde_json::json;
use tokio::time::Instant;

use super::{
    Action, Call, Handled, Refusal, actions,
    auth::{self, Asked},
    buckets, dates, objects, struck, xml,
};
use crate::{
    clock,
    cloud::Cloud,
    faults::FaultName,
    http_io::{Body, Cut},
    ids,
    query::Query,
    registry::uploads::put as set,
};

/// The largest body taken. Amazon's limit is 5 GB; here a body is held in memory.
const LARGEST: usize = 64 * 1024 * 1024;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

/// What is known of a request for its audit line.
#[derive(Debug)]
struct Line {
    at_us: u64,
    since: Instant,
    id: String,
    method: Method,
    path: String,
    action: Option<Action>,
    bucket: Option<String>,
    org: Option<String>,
}

impl Line {
    fn begin(request: &Request<Incoming>) -> Self {
        Self {
            at_us: clock::now_us(),
            since: Instant::now(),
            id: ids::ulid(),
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            action: None,
            bucket: None,
            org: None,
        }
    }

    fn write(&self, cloud: &Cloud, handled: &Handled, fault: Option<FaultName>) {
        let status = handled.as_ref().map_or_else(|refusal| refusal.status, Response::status);
        let applied = handled.is_ok() && self.action.is_some_and(Action::mutates);
        cloud.audit.line(&json!({
            "at_us": self.at_us, "request_id": self.id, "org": self.org, "method": self.method.as_str(),
            "path": self.path, "action": self.action.map(Action::name), "app": self.bucket, "machine": null,
            "status": status.as_u16(), "applied": applied,
            "ms": u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX), "key": null,
            "fault": fault.map(FaultName::as_str),
        }));
    }

    fn render(&self, handled: Handled) -> Response<Body> {
        let mut answer = handled.unwrap_or_else(|refusal| refusal.answer(&self.path, &self.id));
        set(&mut answer, REQUEST_ID, &self.id);
        set(&mut answer, DATE, &dates::http(clock::now_s()));
        answer
    }
}

/// Answers one request.
pub(crate) async fn answer(cloud: &Arc<Cloud>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let mut line = Line::begin(&request);
    let call = match admit(cloud, request, &mut line).await {
        Ok(call) => call,
        Err(refusal) => {
            let handled = Err(refusal);
            line.write(cloud, &handled, None);
            return Ok(line.render(handled));
        }
    };
    if let Some(after) = struck::later(cloud, &call) {
        let shared = Arc::clone(cloud);
        cloud.crew.spawn(async move {
            tokio::time::sleep(after).await;
            line.write(&shared, &handle(&shared, &call), Some(FaultName::LateLanding));
        });
        return Err(Cut);
    }
    let slow = struck::delayed(cloud, &call).await;
    if let Some(struck) = struck::before(cloud, &call) {
        let handled = Err(struck.refusal);
        line.write(cloud, &handled, Some(struck.fault));
        return if struck.cut { Err(Cut) } else { Ok(line.render(handled)) };
    }
    let handled = handle(cloud, &call);
    let lost = struck::is_lost(cloud, &call);
    line.write(cloud, &handled, if lost { Some(FaultName::CutConnection) } else { slow });
    if lost { Err(Cut) } else { Ok(line.render(handled)) }
}

/// What it is, who asks, and whether they may.
async fn admit(cloud: &Cloud, request: Request<Incoming>, line: &mut Line) -> Result<Call, Refusal> {
    let (parts, body) = request.into_parts();
    let path = xml::unpercent(parts.uri.path())
        .ok_or_else(|| Refusal::bad("InvalidURI", "the path is no text in UTF-8"))?;
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let place = path.strip_prefix('/').unwrap_or(&path);
    let (bucket, key) = place.split_once('/').unwrap_or((place, ""));
    let action = actions::find(&parts.method, bucket, key, &query);
    line.action = action.as_ref().ok().copied();
    line.bucket = Some(bucket.to_owned()).filter(|bucket| !bucket.is_empty());
    let asked = Asked { method: &parts.method, path: &path, query: &query, headers: &parts.headers };
    let claim = auth::check(&cloud.orgs, &asked, clock::now_s())?;
    line.org = Some(claim.org.clone());
    let action = action?;
    if action != Action::BucketCreate {
        cloud.s3.check(bucket, &claim.org)?;
    }
    let body = Limited::new(body, LARGEST).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            Refusal::bad("EntityTooLarge", format!("the body has more than {LARGEST} bytes"))
        } else {
            Refusal::bad("IncompleteBody", format!("the body broke off: {error}"))
        }
    })?;
    let body = body.to_bytes();
    claim.check(&body)?;
    let (bucket, key) = (bucket.to_owned(), key.to_owned());
    Ok(Call {
        action,
        method: parts.method,
        org: claim.org,
        bucket,
        key,
        query,
        headers: parts.headers,
        body,
    })
}

/// Does it. Never waits, so that a client that goes away cannot come between a change and its audit line.
fn handle(cloud: &Cloud, call: &Call) -> Handled {
    match call.action {
        Action::BucketCreate => buckets::create(cloud, call),
        Action::BucketHead => buckets::head(),
        Action::ObjectsList => buckets::list(cloud, call),
        Action::ObjectsDelete => buckets::delete(cloud, call),
        Action::ObjectPut => objects::put(cloud, call),
        Action::ObjectGet | Action::ObjectHead => objects::get(cloud, call),
        Action::ObjectDelete => objects::delete(cloud, call),
    }
}
