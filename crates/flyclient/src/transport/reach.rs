//! A server that takes no connection is told about at once, while whoever asked goes on trying.

use std::{
    collections::BTreeSet,
    error::Error as _,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use url::Url;

use super::{HttpService, Reason, Request, Response, TransportError};

/// Hears where there is no connection (scheme, host and port), and why in a few words.
pub type Hear = Box<dyn Fn(&str, &str) + Send + Sync>;

/// Another transport, which tells of a server that takes no connection: once, and again when it was there in between.
pub struct Telling {
    inner: Arc<dyn HttpService>,
    hear: Hear,
    away: Mutex<BTreeSet<String>>,
}

impl Telling {
    /// Over `inner`.
    pub fn new(inner: Arc<dyn HttpService>, hear: Hear) -> Self {
        Self { inner, hear, away: Mutex::default() }
    }
}

impl fmt::Debug for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telling").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// Where a URL leads, without path and whatever else could be private.
fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The innermost cause, in lower case and without the system's number.
fn cause(error: &TransportError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(below) = source {
        text = below.to_string();
        source = below.source();
    }
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[async_trait]
impl HttpService for Telling {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let origin = origin(&request.url);
        let result = self.inner.send(request).await;
        let unreached = result.as_ref().err().filter(|error| error.reason() == Reason::Connect);
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        match unreached {
            None => drop(away.remove(&origin)),
            Some(error) => {
                if away.insert(origin.clone()) {
                    (self.hear)(&origin, &cause(error));
                }
            }
        }
        drop(away);
        result
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use http::{HeaderMap, Method, StatusCode};

    use super::*;
    use crate::transport::Body;

    /// Answers the third request and refuses all others.
    #[derive(Debug, Default)]
    struct Door(AtomicUsize);

    #[async_trait]
    impl HttpService for Door {
        async fn send(&self, _: Request) -> Result<Response, TransportError> {
            if self.0.fetch_add(1, Ordering::Relaxed) == 2 {
                return Ok(Response::new(StatusCode::OK, HeaderMap::new(), ""));
            }
            // ECONNREFUSED
            Err(TransportError::new(Reason::Connect, false).with_source(io::Error::from_raw_os_error(111)))
        }
    }

    #[tokio::test]
    async fn it_is_told_once_and_again_after_it_was_reached() {
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let notes = Arc::clone(&heard);
        let hear = move |origin: &str, why: &str| notes.lock().unwrap().push(format!("{origin}: {why}"));
        let service = Telling::new(Arc::new(Door::default()), Box::new(hear));
        for _ in 0..5 {
            let request = Request {
                method: Method::GET,
                url: "http://127.0.0.1:1/v1/apps?secret=1".parse().unwrap(),
                headers: HeaderMap::new(),
                body: Body::Empty,
                timeout: None,
            };
            let _whatever_comes = service.send(request).await;
        }
        assert_eq!(*heard.lock().unwrap(), ["http://127.0.0.1:1: connection refused"; 2]);
    }
}
