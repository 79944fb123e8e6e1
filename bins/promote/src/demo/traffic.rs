//! A client that keeps asking production while it changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use flyclient::transport::{Body, HttpService, Request};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::Serialize;
use tokio::task::JoinSet;
use url::Url;

/// Between two requests of one asker.
const PACE: Duration = Duration::from_millis(20);
/// A request that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// What an asker sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wants {
    /// A page.
    Page,
    /// A page, and now and then a program's output.
    Both,
    /// A program's output that takes a third of a second, so that at any instant requests are in flight; none of them
    /// may be sent twice.
    Slow,
}

/// Every so many requests an asker of both runs a program.
const RUN_EVERY: u64 = 10;

/// Requests so far.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Counts {
    pub(super) sent: u64,
    pub(super) failed: u64,
}

/// The askers.
pub(super) struct Traffic {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Shared {
    sent: AtomicU64,
    failed: AtomicU64,
    stop: AtomicBool,
    first_failures: std::sync::Mutex<Vec<String>>,
}

/// Failures whose words are kept.
const TOLD_MAX: usize = 5;

impl Traffic {
    /// Asks every address of `api` in earnest and every address of `web` for its page.
    pub(super) fn start(api: &[Url], web: &[Url], service: &Arc<dyn HttpService>) -> Self {
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        let of_api = [Wants::Both, Wants::Both, Wants::Slow, Wants::Slow];
        let askers = api.iter().flat_map(|url| of_api.map(|wants| (url, wants)));
        for (url, wants) in askers.chain(web.iter().map(|url| (url, Wants::Page))) {
            tasks.spawn(ask(url.clone(), wants, shared.clone(), service.clone()));
        }
        Self { shared, tasks }
    }

    /// Ends it after the requests that are under way, and counts.
    pub(super) async fn stop(mut self) -> (Counts, Vec<String>) {
        self.shared.stop.store(true, Ordering::SeqCst);
        while self.tasks.join_next().await.is_some() {}
        let counts = Counts {
            sent: self.shared.sent.load(Ordering::SeqCst),
            failed: self.shared.failed.load(Ordering::SeqCst),
        };
        let why =
            self.shared.first_failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        (counts, why)
    }
}

async fn ask(base: Url, wants: Wants, shared: Arc<Shared>, service: Arc<dyn HttpService>) {
    let mut n = 0;
    while !shared.stop.load(Ordering::SeqCst) {
        n += 1;
        shared.sent.fetch_add(1, Ordering::SeqCst);
        let source = match wants {
            Wants::Slow => Some("sleep 0.3; echo hello"),
            Wants::Both if n % RUN_EVERY == 0 => Some("echo hello"),
            Wants::Both | Wants::Page => None,
        };
        if let Err(why) = once(&base, source, service.as_ref()).await {
            shared.failed.fetch_add(1, Ordering::SeqCst);
            let mut told = shared.first_failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if told.len() < TOLD_MAX {
                told.push(why);
            }
        }
        tokio::time::sleep(PACE).await;
    }
}

async fn once(base: &Url, source: Option<&str>, service: &dyn HttpService) -> Result<(), String> {
    let mut headers = HeaderMap::new();
    let (method, path, body) = match source {
        Some(source) => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let body = serde_json::json!({"language": "bash", "source": source}).to_string();
            (Method::POST, "/api/v1/run", Body::Bytes(body.into()))
        }
        None => (Method::GET, "/", Body::Empty),
    };
    let url = base.join(path).map_err(|error| error.to_string())?;
    let shown = format!("{method} {url}");
    let request = Request { method, url, headers, body, timeout: Some(PATIENCE) };
    let response = service.send(request).await.map_err(|error| format!("{shown}: {error}"))?;
    let status = response.status;
    let mut body = response.body;
    let mut text = Vec::new();
    while let Some(part) = body.next().await {
        text.extend_from_slice(&part.map_err(|error| format!("{shown}: {error}"))?);
    }
    if status.is_success() {
        Ok(())
    } else {
        let text = String::from_utf8_lossy(&text);
        Err(format!("{shown}: {status} {}", text.chars().take(120).collect::<String>()))
    }
}
