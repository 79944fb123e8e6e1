//! The edge: one proxy per region, each with its own late view of the fleet.
//!
//! A perfect proxy would prove nothing: every edge learns of cordon, start, stop and check results after a random lag
//! of its own, keeps idle connections, retries a refused connection elsewhere, and never sends a request twice that
//! is not idempotent.

pub(crate) mod counts;
pub(crate) mod idle;
pub(crate) mod learn;
pub(crate) mod pool;
pub(crate) mod ports;
pub(crate) mod proxy;
pub(crate) mod serve;
pub(crate) mod static_site;
pub(crate) mod traffic;
pub(crate) mod upgrade;
pub(crate) mod view;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::Instant,
};

use crate::{
    audit::Audit,
    crew::Crew,
    error::{ApiError, StartError},
    faults::{Chance, FaultName, Faults},
    options::EdgeLag,
};
use counts::Counts;
use pool::Pool;
use ports::Ports;
use traffic::Traffic;
use view::{News, View};

/// One region's proxy.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) region: String,
    pub(crate) view: Mutex<View>,
    pub(crate) pool: Pool,
    pub(crate) traffic: Traffic,
    pub(crate) counts: Arc<Counts>,
    pub(crate) crew: Crew,
    asks: mpsc::UnboundedSender<idle::Ask>,
    news: mpsc::UnboundedSender<learn::Late>,
    listening: Mutex<BTreeMap<String, Open>>,
}

/// A port of an edge that is open.
#[derive(Debug)]
struct Open {
    address: SocketAddr,
    task: Option<AbortHandle>,
    /// Ends when the listener is gone.
    gone: oneshot::Receiver<()>,
}

/// All edges.
#[derive(Debug)]
pub(crate) struct Edges {
    pub(crate) list: Vec<Arc<Edge>>,
    pub(crate) counts: Arc<Counts>,
    lag: EdgeLag,
    rng: Mutex<StdRng>,
    ports: Mutex<Ports>,
}

impl Edges {
    /// Makes the edges, with a port each for requests by host name.
    pub(crate) fn open(
        regions: &[String],
        lag: EdgeLag,
        seed: u64,
        ports: Ports,
        audit: &Arc<Audit>,
        asks: &mpsc::UnboundedSender<idle::Ask>,
    ) -> Result<Self, StartError> {
        let counts = Arc::new(Counts::default());
        let mut list = Vec::new();
        for region in regions {
            let (news, late) = mpsc::unbounded_channel();
            let edge = Arc::new(Edge {
                region: region.clone(),
                view: Mutex::default(),
                pool: Pool::default(),
                traffic: Traffic::default(),
                counts: Arc::clone(&counts),
                crew: Crew::default(),
                asks: asks.clone(),
                news,
                listening: Mutex::default(),
            });
            edge.crew.spawn(learn::learn(Arc::clone(&edge), late, Arc::clone(audit)));
            list.push(edge);
        }
        let edges = Self {
            list,
            counts,
            lag,
            rng: Mutex::new(StdRng::seed_from_u64(seed)),
            ports: Mutex::new(ports),
        };
        edges.listen(serve::BY_HOST)?;
        Ok(edges)
    }

    /// Opens the app's (or site's) port on every edge; those of an earlier run where they were.
    pub(crate) fn listen(&self, app: &str) -> Result<(), StartError> {
        let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        for edge in &self.list {
            let mut listening = edge.listening.lock().unwrap_or_else(PoisonError::into_inner);
            if listening.contains_key(app) {
                continue;
            }
            let (listener, address) = ports.bind(&edge.region, app)?;
            let (alive, gone) = oneshot::channel();
            // As a pair, so that also a task that never ran lets go of the listener first.
            let pair = (serve::serve(Arc::clone(edge), app.to_owned(), listener), alive);
            let task = edge.crew.spawn(async move {
                let (served, _alive) = pair;
                served.await;
            });
            listening.insert(app.to_owned(), Open { address, task, gone });
        }
        Ok(())
    }

    /// As [`Self::listen`], for the API.
    pub(crate) fn listen_for_api(&self, app: &str) -> Result<(), ApiError> {
        self.listen(app).map_err(|e| {
            ApiError::new(
                hyper::StatusCode::INTERNAL_SERVER_ERROR,
                format!("cannot open a port on the edge: {e}"),
            )
        })
    }

    /// Closes an app's ports and waits until nobody listens there; they are kept for an app of the same name.
    pub(crate) async fn close(&self, app: &str) {
        let removed: Vec<Open> = self
            .list
            .iter()
            .filter_map(|edge| edge.listening.lock().unwrap_or_else(PoisonError::into_inner).remove(app))
            .collect();
        for task in removed.iter().filter_map(|open| open.task.as_ref()) {
            task.abort();
        }
        for open in removed {
            // Nothing is ever sent: the sender goes with the task.
            let _ = open.gone.await;
        }
    }

    /// Each region's address of an app.
    pub(crate) fn addresses(&self, app: &str) -> Vec<(String, SocketAddr)> {
        let address = |edge: &Arc<Edge>| {
            let listening = edge.listening.lock().unwrap_or_else(PoisonError::into_inner);
            listening.get(app).map(|open| (edge.region.clone(), open.address))
        };
        self.list.iter().filter_map(address).collect()
    }

    /// Sends news to every edge, to arrive after that edge's own lag.
    pub(crate) fn tell(&self, order: u64, news: &News, faults: &Faults) {
        for edge in &self.list {
            let chance = Chance {
                app: Some(news.app()),
                machine: news.machine(),
                region: Some(&edge.region),
                action: None,
            };
            let fixed = faults.strike(FaultName::EdgeLag, chance).and_then(|f| f.ms);
            let ms = fixed.unwrap_or_else(|| {
                let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
                rng.random_range(self.lag.min_ms..=self.lag.max_ms)
            });
            // The receiver ends only with the edge itself.
            let _ = edge.news.send((order, Instant::now() + Duration::from_millis(ms), news.clone()));
        }
    }

    /// What every edge knows from the start, without lag.
    pub(crate) fn know(&self, order: u64, news: &News) {
        for edge in &self.list {
            edge.view.lock().unwrap_or_else(PoisonError::into_inner).learn(order, news.clone());
        }
    }

    /// Ends all connections and waits for it.
    pub(crate) async fn dismiss(&self) {
        for edge in &self.list {
            edge.crew.dismiss().await;
        }
    }

    /// Ends all connections without waiting.
    pub(crate) fn abort(&self) {
        for edge in &self.list {
            edge.crew.abort();
        }
    }
}
