//! The client: puts credential, budget, retry and transport around the request values.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use flytypes::AppName;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::de::DeserializeOwned;
use tracing::debug;

use super::{
    Apps, Error, ErrorKind, Leases, Logs, Machines, Metadata, Secrets,
    decode::{self, Undecodable},
    error::Context,
    wire::Call,
};
use crate::{
    Base, Clock, Delivery, Token, TokioClock,
    limits::{Budget, Rates},
    retry::{self, Attempt, Effort, Failure, RetryPolicy},
    text::quote,
    transport::{
        Body, Credentials, CrossOrigin, HttpService, Reason, Request, Response, TransportError, follow,
    },
};

/// Longest answer that is read; a list of a thousand machines with all their parts is far below.
const BODY_BYTES_MAX: usize = 64 << 20;
/// Longest list, in pages; a server that hands out cursors for ever is not followed for ever.
const PAGES_MAX: usize = 1000;

/// A client of the Machines API. Cheap to clone; clones share budget, clock and transport.
#[derive(Clone)]
pub struct Client {
    base: Arc<Base>,
    token: Arc<Token>,
    service: Arc<dyn HttpService>,
    clock: Arc<dyn Clock>,
    budget: Arc<Budget>,
    policy: Arc<RetryPolicy>,
}

impl Client {
    /// A client for `base`; `token` is sent nowhere else. Starts with the documented rate budget, the default retry policy with
    /// jitter seed 0, and tokio's clock.
    pub fn new(base: Base, token: Token, service: Arc<dyn HttpService>) -> Self {
        Self {
            base: Arc::new(base),
            token: Arc::new(token),
            service,
            clock: Arc::new(TokioClock::new()),
            budget: Arc::new(Budget::new(Rates::documented())),
            policy: Arc::new(RetryPolicy::new(0)),
        }
    }

    /// Takes the time from `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Repeats within `policy`.
    #[must_use]
    pub fn with_retry(mut self, policy: RetryPolicy) -> Self {
        self.policy = Arc::new(policy);
        self
    }

    /// Keeps to `rates`.
    #[must_use]
    pub fn with_rates(mut self, rates: Rates) -> Self {
        self.budget = Arc::new(Budget::new(rates));
        self
    }

    /// Where the API is.
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// Everything below one app.
    pub fn app(&self, app: &AppName) -> AppHandle {
        AppHandle { client: self.clone(), app: app.clone() }
    }

    /// The apps themselves.
    pub fn apps(&self) -> Apps {
        Apps::new(self.clone())
    }

    /// Sends `call` and reads its answer.
    pub(super) async fn fetch<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        let reply = self.send(call).await?;
        self.read(call, &reply)
    }

    /// Reads an answer that was a success; the error says that the request took effect.
    pub(super) fn read<T: DeserializeOwned>(&self, call: &Call, reply: &Reply) -> Result<T, Error> {
        decode::json(&reply.body).map_err(|Undecodable { path, source }| {
            let mut context = Context::of(call, ErrorKind::Undecodable { path }, Delivery::Applied);
            context.status = Some(reply.status.as_u16());
            context.request_id.clone_from(&reply.request_id);
            context.attempts = reply.effort.attempts;
            context.elapsed = reply.effort.elapsed;
            // serde quotes what it read, which a server may have taken from the request
            context.detail = Some(quote(&self.token.scrub(&source.to_string())));
            Error::new(context)
        })
    }

    /// Sends `call` page after page; `read` takes the values out of each page and names the next, if there is one.
    pub(super) async fn pages<T>(
        &self,
        call: &Call,
        read: impl Fn(&Self, &Call, &Reply) -> Result<(Vec<T>, Option<String>), Error>,
    ) -> Result<Vec<T>, Error> {
        let (mut values, mut cursor, mut seen) = (Vec::new(), None, BTreeSet::new());
        for _ in 0..PAGES_MAX {
            let page = call.clone().with_cursor(cursor.as_deref());
            let reply = self.send(&page).await?;
            let (more, next) = read(self, &page, &reply)?;
            values.extend(more);
            match next.filter(|next| !next.is_empty()) {
                None => return Ok(values),
                Some(next) if seen.insert(next.clone()) => cursor = Some(next),
                Some(_) => break,
            }
        }
        // A list that is cut short would pass for a small one.
        let kind = ErrorKind::Undecodable { path: "cursor of the next page".to_owned() };
        Err(Error::new(Context::of(call, kind, Delivery::Applied)))
    }

    /// Sends `call`: budget, attempt, retry.
    pub(super) async fn send(&self, call: &Call) -> Result<Reply, Error> {
        let (result, effort) =
            retry::run(&self.policy, &*self.clock, &call.key(), || self.attempt(call)).await;
        match result {
            Ok(mut reply) => {
                reply.effort = effort;
                Ok(reply)
            }
            Err(mut context) => {
                context.attempts = effort.attempts;
                context.elapsed = effort.elapsed;
                debug!(operation = call.operation, attempts = effort.attempts, kind = ?context.kind, "call failed");
                Err(Error::new(context))
            }
        }
    }

    async fn attempt(&self, call: &Call) -> Result<Reply, Attempt<Context>> {
        let request = self.request(call).ok_or_else(|| Attempt {
            error: Context::of(call, ErrorKind::Configuration, Delivery::NotSent),
            repeat: false,
            unreached: false,
            retry_after: None,
        })?;
        self.budget.take(&*self.clock, call.operation, &call.subject(), call.rate).await;
        let credentials = Credentials::Token(&self.base, &self.token);
        let response = match follow(&*self.service, &credentials, CrossOrigin::Stop, request).await {
            Ok(response) => response,
            Err(error) => return Err(self.no_answer(call, error)),
        };
        let (status, headers) = (response.status, response.headers.clone());
        debug!(operation = call.operation, status = status.as_u16(), "answered");
        let body = match Response::bytes(response, BODY_BYTES_MAX).await {
            Ok(body) => body,
            // The head said success and only the body was cut: it took effect.
            Err(error) => {
                let mut attempt = self.no_answer(call, error);
                if status.is_success() {
                    attempt.error.delivery = Delivery::Applied;
                }
                attempt.error.status = Some(status.as_u16());
                return Err(attempt);
            }
        };
        let request_id = text(&headers, "fly-request-id").map(|id| self.token.scrub(&id));
        if status.is_success() || call.value_statuses.contains(&status.as_u16()) {
            let next_cursor = text(&headers, "fly-next-cursor").filter(|cursor| !cursor.is_empty());
            let effort = Effort { attempts: 0, elapsed: Duration::ZERO };
            return Ok(Reply { status, body, request_id, next_cursor, effort });
        }
        Err(self.refused(call, status, &headers, &body, request_id))
    }

    fn request(&self, call: &Call) -> Option<Request> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let body = match &call.body {
            None => Body::Empty,
            Some(value) => {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                Body::Bytes(Bytes::from(value.to_string()))
            }
        };
        for (name, value) in &call.headers {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).ok()?);
        }
        let url = self.base.join(&call.path, &call.query)?;
        Some(Request { method: call.method.clone(), url, headers, body, timeout: Some(call.timeout) })
    }

    /// The answer that never came.
    fn no_answer(&self, call: &Call, error: TransportError) -> Attempt<Context> {
        let failure = Failure::Transport(&error);
        let (repeat, transient, delivery) =
            (failure.may_repeat(call.idempotent), failure.is_transient(), failure.delivery());
        let unreached = error.reason() == Reason::Connect;
        let kind = match error.reason() {
            Reason::Timeout => ErrorKind::Timeout,
            Reason::Request => ErrorKind::Configuration,
            Reason::TooLong => ErrorKind::Undecodable { path: ".".to_owned() },
            Reason::Connect | Reason::Cut => ErrorKind::Transport,
        };
        let mut context = Context::of(call, kind, delivery);
        context.transient = transient;
        context.source = Some(Box::new(error));
        Attempt { error: context, repeat, unreached, retry_after: None }
    }

    /// The answer that was no success.
    fn refused(
        &self,
        call: &Call,
        status: StatusCode,
        headers: &HeaderMap,
        body: &Bytes,
        request_id: Option<String>,
    ) -> Attempt<Context> {
        let failure = Failure::Status(status);
        let retry_after = retry::retry_after(headers);
        let (detail, word) = decode::said(body);
        let mut detail = detail.map(|text| self.token.scrub(&text));
        if let Some(location) = text(headers, "location").filter(|_| status.is_redirection()) {
            let location = self.token.scrub(&quote(&location));
            detail =
                Some(format!("redirected to {location}, where the token is not sent: check the base URL"));
        }
        let kind = decode::kind(status, word.as_deref(), detail.as_deref(), retry_after);
        let mut context = Context::of(call, kind, failure.delivery());
        context.transient = failure.is_transient();
        context.status = Some(status.as_u16());
        context.request_id = request_id;
        context.detail = detail;
        Attempt { error: context, repeat: failure.may_repeat(call.idempotent), unreached: false, retry_after }
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

impl Context {
    pub(super) fn of(call: &Call, kind: ErrorKind, delivery: Delivery) -> Self {
        Self {
            operation: call.operation,
            app: call.app.clone(),
            machine: call.machine.clone(),
            status: None,
            request_id: None,
            attempts: 1,
            elapsed: Duration::ZERO,
            kind,
            delivery,
            transient: false,
            detail: None,
            source: None,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base).field("token", &self.token).finish_non_exhaustive()
    }
}

/// An answer that is no error.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    pub(super) request_id: Option<String>,
    pub(super) next_cursor: Option<String>,
    pub(super) effort: Effort,
}

/// Everything below one app.
#[derive(Debug, Clone)]
pub struct AppHandle {
    client: Client,
    app: AppName,
}

impl AppHandle {
    /// The app's name.
    pub fn name(&self) -> &AppName {
        &self.app
    }

    /// The client that it is of.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Its machines.
    pub fn machines(&self) -> Machines {
        Machines::new(self.client.clone(), self.app.clone())
    }

    /// Leases of its machines.
    pub fn leases(&self) -> Leases {
        Leases::new(self.client.clone(), self.app.clone())
    }

    /// Metadata of its machines.
    pub fn metadata(&self) -> Metadata {
        Metadata::new(self.client.clone(), self.app.clone())
    }

    /// What its programs wrote; for a client over [`Base::fly_logs`].
    pub fn logs(&self) -> Logs {
        Logs::new(self.client.clone(), self.app.clone())
    }

    /// Its secrets.
    pub fn secrets(&self) -> Secrets {
        Secrets::new(self.client.clone(), self.app.clone())
    }
}
