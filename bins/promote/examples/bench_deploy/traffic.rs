//! Requests at a steady rate through all edges, each judged.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flyclient::transport::{Body, HttpService, Options, Request, ReqwestService};
use futures_util::StreamExt as _;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;
use url::Url;

/// A request that takes longer has failed: many times what a machine needs.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of the requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    pub(crate) sent: u64,
    pub(crate) failed: u64,
    /// Each kind of failure, and how often.
    pub(crate) failures: BTreeMap<String, u64>,
}

/// Requests under way.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    told: Arc<Mutex<Told>>,
    sender: JoinHandle<()>,
}

impl Traffic {
    #[expect(clippy::disallowed_methods, reason = "it is awaited in `end`")]
    pub(crate) fn begin(edges: Vec<Url>, rate: u64) -> Self {
        let (stop, told) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Told::default())));
        let sender = tokio::spawn(send(edges, rate, stop.clone(), told.clone()));
        Self { stop, told, sender }
    }

    /// No further requests; those under way are waited for.
    pub(crate) async fn end(self) -> Told {
        self.stop.store(true, Ordering::SeqCst);
        self.sender.await.unwrap();
        let told = self.told.lock().unwrap();
        told.clone()
    }
}

async fn send(edges: Vec<Url>, rate: u64, stop: Arc<AtomicBool>, told: Arc<Mutex<Told>>) {
    let service: Arc<dyn HttpService> = Arc::new(ReqwestService::new(&Options::default()).unwrap());
    let mut beat = tokio::time::interval(Duration::from_micros(1_000_000 / rate.max(1)));
    beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut under_way = JoinSet::new();
    for url in edges.iter().cycle() {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        beat.tick().await;
        while under_way.try_join_next().is_some() {}
        let (service, url, told) = (service.clone(), url.clone(), told.clone());
        under_way.spawn(async move {
            let outcome = ask(&*service, url).await;
            let mut told = told.lock().unwrap();
            told.sent += 1;
            if let Err(why) = outcome {
                told.failed += 1;
                *told.failures.entry(why).or_default() += 1;
            }
        });
    }
    while under_way.join_next().await.is_some() {}
}

async fn ask(service: &dyn HttpService, url: Url) -> Result<(), String> {
    let request = Request {
        method: http::Method::GET,
        url,
        headers: http::HeaderMap::new(),
        body: Body::Empty,
        timeout: Some(PATIENCE),
    };
    let response = service.send(request).await.map_err(|error| error.to_string())?;
    let status = response.status;
    let mut body = response.body;
    while let Some(part) = body.next().await {
        part.map_err(|error| format!("{status}, then {error}"))?;
    }
    if status == http::StatusCode::OK { Ok(()) } else { Err(status.to_string()) }
}
