//! The HTTP API: the Machines API of fly.md under `/v1`, and localcloud's own calls under `/localcloud/v1`.
//!
//! Every call takes the same way: who asks, which row of the table, whose app, within the limits, which faults, then the
//! handler, then one audit line, then what a fault makes of the answer. A handler that changes something never awaits
//! between the change and the audit line, so a client that goes away cannot tear the two apart.

mod apps;
mod create;
mod lease;
mod lifecycle;
mod list;
mod logs;
mod metadata;
mod own;
pub(crate) mod route;
mod secrets;
mod struck;
mod update;
mod wait;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, body::Incoming, header::AUTHORIZATION};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    clock,
    cloud::Cloud,
    error::ApiError,
    faults::{Chance, FaultName},
    http_io::{self, Body, Cut},
    ids,
    limits::Rate,
    machine::model::Machine,
    query::Query,
    sites,
};
use route::{Action, NoRoute, Route};

/// The largest body taken.
const LARGEST: usize = 4 * 1024 * 1024;

/// A call on its way through.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) action: Action,
    pub(crate) app: String,
    pub(crate) machine: String,
    pub(crate) key: String,
    pub(crate) query: Query,
    pub(crate) nonce: Option<String>,
    pub(crate) body: Bytes,
    pub(crate) org: String,
}

/// What a handler answers.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Content,
    pub(crate) header: Option<(&'static str, String)>,
}

/// An answer's body.
#[derive(Debug)]
pub(crate) enum Content {
    None,
    Json(Value),
    Text(Vec<u8>),
}

impl Reply {
    pub(crate) fn ok(value: Value) -> Self {
        Self::with(StatusCode::OK, value)
    }

    pub(crate) fn with(status: StatusCode, value: Value) -> Self {
        Self { status, body: Content::Json(value), header: None }
    }

    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, body: Content::None, header: None }
    }

    fn refusal(error: &ApiError) -> Self {
        Self::with(error.status, json!({"error": error.error, "status": error.word}))
    }
}

pub(crate) type Handled = Result<Reply, ApiError>;

impl Call {
    /// The body as JSON; an empty body is an empty object.
    pub(crate) fn json(&self) -> Result<Value, ApiError> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(json!({}));
        }
        serde_json::from_slice(&self.body)
            .map_err(|e| ApiError::bad(format!("the body is not valid JSON: {e}")))
    }

    /// The machine of the path, where it belongs to the app of the path.
    pub(crate) fn machine(&self, cloud: &Cloud) -> Result<Machine, ApiError> {
        let machine = cloud.machine(&self.machine).filter(|m| m.app == self.app);
        machine.filter(|m| !crate::world::is_forgotten(m, cloud.quirks().destroyed_readable_s)).ok_or_else(
            || {
                ApiError::not_found(format!(
                    "machine not found: app `{}` has no `{}`",
                    self.app, self.machine
                ))
            },
        )
    }

    fn chance(&self) -> Chance<'_> {
        let some = |s: &'_ str| !s.is_empty();
        Chance {
            app: Some(self.app.as_str()).filter(|s| some(s)),
            machine: Some(self.machine.as_str()).filter(|s| some(s)),
            action: Some(self.action.name()),
            region: None,
        }
    }
}

/// What the audit line says besides the call itself.
struct Verdict {
    /// What was decided.
    reply: Reply,
    applied: bool,
    fault: Option<FaultName>,
    cut: bool,
    /// What is sent, where a fault puts something else in its place.
    sent: Option<Reply>,
}

impl Verdict {
    fn of(reply: Reply) -> Self {
        Self { reply, applied: false, fault: None, cut: false, sent: None }
    }

    /// Too many calls.
    fn limited(cloud: &Cloud) -> Self {
        let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "resource_exhausted: rate limit exceeded");
        let mut reply = Reply::refusal(&error);
        reply.header = cloud.quirks().retry_after_s.map(|s| ("retry-after", s.to_string()));
        Self::of(reply)
    }
}

/// Answers one request.
pub(crate) async fn answer(cloud: &Arc<Cloud>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let (at_us, since, id) = (clock::now_us(), Instant::now(), ids::ulid());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let (call, verdict) = match admit(cloud, request).await {
        Ok(call) => {
            if let Some(after) = struck::later(cloud, &call) {
                let landing = land(Arc::clone(cloud), (method, path), call, (at_us, id, since));
                struck::land_later(cloud, after, landing);
                return Err(Cut);
            }
            let verdict = perform(cloud, &call).await;
            (Some(call), verdict)
        }
        Err(error) => (None, Verdict::of(Reply::refusal(&error))),
    };
    audit(cloud, &method, &path, call.as_ref(), &verdict, (at_us, &id, since.elapsed()));
    if verdict.cut {
        return Err(Cut);
    }
    Ok(render(verdict.sent.unwrap_or(verdict.reply), &id))
}

/// A call whose connection was cut while it was under way: it is taken up now, and its audit line comes now.
async fn land(
    cloud: Arc<Cloud>,
    (method, path): (Method, String),
    call: Call,
    (at_us, id, since): (u64, String, Instant),
) {
    let reply = match handle(&cloud, &call).await {
        Ok(reply) => reply,
        Err(error) => Reply::refusal(&error),
    };
    let applied = call.action.mutates() && reply.status.is_success();
    let verdict = Verdict { applied, fault: Some(FaultName::LateLanding), cut: true, ..Verdict::of(reply) };
    audit(&cloud, &method, &path, Some(&call), &verdict, (at_us, &id, since.elapsed()));
}

fn render(reply: Reply, id: &str) -> Response<Body> {
    let mut answer = match reply.body {
        Content::None => http_io::plain(reply.status, ""),
        Content::Json(value) => http_io::json(reply.status, &value),
        Content::Text(text) => http_io::text(reply.status, text),
    };
    let request_id = ("fly-request-id", id.to_owned());
    for (name, value) in std::iter::once(request_id).chain(reply.header) {
        if let Ok(value) = value.parse() {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

fn audit(
    cloud: &Cloud,
    method: &Method,
    path: &str,
    call: Option<&Call>,
    verdict: &Verdict,
    (at_us, id, took): (u64, &str, Duration),
) {
    let machine = call.map(|c| c.machine.clone()).filter(|m| !m.is_empty()).or_else(|| created(verdict));
    let key = machine.as_ref().and_then(|id| cloud.machine(id)?.metadata("understudy_key").map(String::from));
    cloud.audit.line(&json!({
        "at_us": at_us, "request_id": id, "org": call.map(|c| &c.org), "method": method.as_str(), "path": path,
        "action": call.map(|c| c.action.name()), "app": call.map(|c| &c.app).filter(|a| !a.is_empty()),
        "machine": machine, "status": verdict.reply.status.as_u16(), "applied": verdict.applied,
        "ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX), "key": key,
        "fault": verdict.fault.map(FaultName::as_str),
    }));
}

/// The id of a machine that this call made.
fn created(verdict: &Verdict) -> Option<String> {
    match &verdict.reply.body {
        Content::Json(value) if verdict.applied => Some(value.get("id")?.as_str()?.to_owned()),
        _ => None,
    }
}

/// Who asks, for what, and whether they may.
async fn admit(cloud: &Cloud, request: Request<Incoming>) -> Result<Call, ApiError> {
    let (parts, body) = request.into_parts();
    let route = route::find(&parts.method, parts.uri.path()).map_err(|no| match no {
        NoRoute::Path => ApiError::not_found(format!("no such call: {}", parts.uri.path())),
        NoRoute::Method => {
            let why = format!("{} does not know {}", parts.uri.path(), parts.method);
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, why)
        }
    })?;
    let org = authenticate(cloud, &route, &parts.headers)?;
    authorise(cloud, &route, &org)?;
    let body = Limited::new(body, LARGEST).collect().await;
    let body = body.map_err(|e| ApiError::bad(format!("the body cannot be read: {e}")))?.to_bytes();
    let nonce = parts.headers.get("fly-machine-lease-nonce").and_then(|v| v.to_str().ok());
    Ok(Call {
        action: route.action,
        app: route.app.unwrap_or_default(),
        machine: route.machine.unwrap_or_default(),
        key: route.key.unwrap_or_default(),
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        nonce: nonce.filter(|n| !n.is_empty()).map(String::from),
        body,
        org,
    })
}

fn authenticate(cloud: &Cloud, route: &Route, headers: &HeaderMap) -> Result<String, ApiError> {
    if matches!(route.action, Action::Info | Action::RegionList) {
        return Ok(String::new());
    }
    let credential = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let (org, scope) = cloud.orgs.grant(credential).ok_or_else(|| {
        ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized: the token is missing or unknown")
    })?;
    if scope.deploys(route.app.as_deref()) || route.action.is_control() {
        return Ok(org.to_owned());
    }
    Err(ApiError::new(StatusCode::FORBIDDEN, "unauthorized: the token may not deploy here"))
}

/// An app of another organisation is 403, one that does not exist 404.
fn authorise(cloud: &Cloud, route: &Route, org: &str) -> Result<(), ApiError> {
    let Some(app) = &route.app else { return Ok(()) };
    match cloud.lock().org_of(app) {
        Some(owner) if owner == org => Ok(()),
        Some(_) => {
            Err(ApiError::new(StatusCode::FORBIDDEN, format!("`{app}` belongs to another organization")))
        }
        None if route.action == Action::SitePut => Ok(()),
        None => Err(ApiError::not_found(format!("Could not find App \"{app}\""))),
    }
}

/// Limits, faults, lease, handler.
async fn perform(cloud: &Arc<Cloud>, call: &Call) -> Verdict {
    if call.action.is_control() {
        return match handle(cloud, call).await {
            Ok(reply) => {
                let applied = call.action.mutates() && reply.status.is_success();
                Verdict { applied, ..Verdict::of(reply) }
            }
            Err(error) => Verdict::of(Reply::refusal(&error)),
        };
    }
    let slow = struck::delayed(cloud, call).await;
    if let Some(verdict) = struck::before(cloud, call) {
        return verdict;
    }
    if !within_limits(cloud, call) {
        return Verdict::limited(cloud);
    }
    if let Some(verdict) = struck::instead(cloud, call) {
        return verdict;
    }
    match handle(cloud, call).await {
        Ok(reply) => struck::after(cloud, call, reply, slow),
        Err(error) => Verdict { fault: slow, ..Verdict::of(Reply::refusal(&error)) },
    }
}

fn within_limits(cloud: &Cloud, call: &Call) -> bool {
    if !cloud.rate_limits {
        return true;
    }
    let (id, rate) = match call.action {
        Action::MachineCreate => (&call.app, Rate::ACTION),
        Action::MachineGet => (&call.machine, Rate::GET),
        Action::MachineLog => return true,
        _ if !call.machine.is_empty() => (&call.machine, Rate::ACTION),
        _ => return true,
    };
    cloud.limits.take(call.action.name(), id, rate, Instant::now())
}

async fn handle(cloud: &Arc<Cloud>, call: &Call) -> Handled {
    if call.action.is_leased() {
        lease::guard(cloud, call)?;
    }
    match call.action {
        Action::AppList => apps::list(cloud, call),
        Action::AppCreate => apps::create(cloud, call),
        Action::AppGet => apps::get(cloud, call),
        Action::AppDelete => apps::delete(cloud, call).await,
        Action::MachineList => list::list(cloud, call),
        Action::MachineGet => list::get(cloud, call),
        Action::MachineEvents => list::events(cloud, call),
        Action::MachineVersions => list::versions(cloud, call),
        Action::MachineCreate => create::create(cloud, call),
        Action::MachineUpdate => update::update(cloud, call),
        Action::MachineDelete => lifecycle::delete(cloud, call),
        Action::MachineStart => lifecycle::start(cloud, call),
        Action::MachineStop => lifecycle::stop(cloud, call),
        Action::MachineRestart => lifecycle::restart(cloud, call),
        Action::MachineSuspend => lifecycle::suspend(cloud, call),
        Action::MachineSignal => lifecycle::signal(cloud, call),
        Action::MachineCordon => lifecycle::cordon(cloud, call, true),
        Action::MachineUncordon => lifecycle::cordon(cloud, call, false),
        Action::MachineWait => wait::wait(cloud, call).await,
        Action::LeaseGet => lease::get(cloud, call),
        Action::LeaseAcquire => lease::acquire(cloud, call),
        Action::LeaseRelease => lease::release(cloud, call),
        Action::MetadataGet => metadata::get(cloud, call),
        Action::MetadataPatch | Action::MetadataPut => metadata::patch(cloud, call),
        Action::MetadataKeyGet => metadata::get_key(cloud, call),
        Action::MetadataKeySet => metadata::set_key(cloud, call),
        Action::MetadataKeyDelete => metadata::delete_key(cloud, call),
        Action::SecretList => secrets::list(cloud, call),
        Action::SecretUpdate => secrets::update(cloud, call),
        Action::SecretGet => secrets::get(cloud, call),
        Action::SecretSet => secrets::set(cloud, call),
        Action::SecretDelete => secrets::delete(cloud, call),
        Action::AppLogs => logs::read(cloud, call),
        Action::RegionList => own::regions(cloud),
        Action::Info => own::info(cloud),
        Action::EdgeList => own::edges(cloud, call),
        Action::Concurrency => own::concurrency(cloud, call),
        Action::Traffic => own::traffic(cloud, call),
        Action::FaultList => own::faults(cloud),
        Action::FaultReplace => own::replace_faults(cloud, call),
        Action::FaultAdd => own::add_fault(cloud, call),
        Action::RegistryPrune => own::prune(cloud, call),
        Action::FaultsStruck => own::struck(cloud),
        Action::QuirksGet => own::quirks(cloud),
        Action::QuirksSet => own::set_quirks(cloud, call),
        Action::MachineLog => own::log(cloud, call),
        Action::SiteList => sites::list(cloud, call),
        Action::SiteGet => sites::get(cloud, call),
        Action::SitePut => sites::put(cloud, call).await,
        Action::SiteMetadata => sites::patch_metadata(cloud, call),
        Action::SiteDelete => sites::delete(cloud, call).await,
    }
}
