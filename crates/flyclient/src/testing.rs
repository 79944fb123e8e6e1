//! For tests: a transport that plays a script, and a clock that is moved by hand.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use url::Url;

use crate::{
    Clock,
    transport::{Body, HttpService, Reason, Request, Response, TransportError},
};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A clock that only moves when it is told to, or when somebody sleeps.
#[derive(Debug, Default)]
pub struct ManualClock {
    state: Mutex<(Duration, Vec<Duration>)>,
}

impl ManualClock {
    /// A clock at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves on.
    pub fn advance(&self, duration: Duration) {
        lock(&self.state).0 += duration;
    }

    /// All sleeps so far.
    pub fn slept(&self) -> Vec<Duration> {
        lock(&self.state).1.clone()
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Duration {
        lock(&self.state).0
    }

    async fn sleep(&self, duration: Duration) {
        let mut state = lock(&self.state);
        state.0 += duration;
        state.1.push(duration);
    }
}

/// A request as the script saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Method.
    pub method: Method,
    /// URL.
    pub url: Url,
    /// Headers.
    pub headers: HeaderMap,
    /// Body; of a stream only that there was one.
    pub body: Bytes,
}

type Answer = Result<(StatusCode, HeaderMap, Bytes), TransportError>;

/// A transport that answers from a queue, and remembers what it was asked.
#[derive(Default)]
pub struct Script {
    answers: Mutex<VecDeque<Answer>>,
    seen: Mutex<Vec<Seen>>,
}

impl Script {
    /// An empty script: the first request fails as if nobody were there.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers next with `status` and `body`.
    #[must_use]
    pub fn then(self, status: u16, body: impl Into<Bytes>) -> Self {
        self.then_with(status, &[], body)
    }

    /// Answers next with `status`, `headers` and `body`.
    #[must_use]
    pub fn then_with(self, status: u16, headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> Self {
        let status = StatusCode::from_u16(status).expect("because tests write real statuses");
        let headers = headers
            .iter()
            .map(|(name, value)| {
                let value = HeaderValue::from_str(value).expect("because tests write real headers");
                (HeaderName::from_static(name), value)
            })
            .collect();
        lock(&self.answers).push_back(Ok((status, headers, body.into())));
        self
    }

    /// Fails next.
    #[must_use]
    pub fn then_fail(self, reason: Reason, sent: bool) -> Self {
        lock(&self.answers).push_back(Err(TransportError::new(reason, sent)));
        self
    }

    /// What was asked so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script({} answers left)", lock(&self.answers).len())
    }
}

#[async_trait]
impl HttpService for Script {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let body = match request.body {
            Body::Bytes(bytes) => bytes,
            Body::Empty => Bytes::new(),
            Body::Stream { .. } => Bytes::from_static(b"<stream>"),
        };
        let seen = Seen { method: request.method, url: request.url, headers: request.headers, body };
        lock(&self.seen).push(seen);
        let answer = lock(&self.answers).pop_front();
        let (status, headers, body) =
            answer.unwrap_or_else(|| Err(TransportError::new(Reason::Connect, false)))?;
        Ok(Response::new(status, headers, body))
    }
}
