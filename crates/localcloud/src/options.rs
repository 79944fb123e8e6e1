//! What a stand-in is started with.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use cell::runtime::Runtime;

use crate::{faults::Fault, orgs::Orgs, quirks::Quirks};

/// How long an edge takes to learn of a change, drawn per change and per edge from this range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeLag {
    /// Shortest lag in milliseconds.
    pub min_ms: u64,
    /// Longest lag in milliseconds; at most 30,000.
    pub max_ms: u64,
}

impl Default for EdgeLag {
    fn default() -> Self {
        Self { min_ms: 100, max_ms: 800 }
    }
}

/// Everything a stand-in needs to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// State directory; made when absent. One server at a time.
    pub dir: PathBuf,
    /// Address of the API; port 0 picks one at the first start and keeps it.
    pub api: SocketAddr,
    /// Address of the OCI registry; port 0 as above.
    pub registry: SocketAddr,
    /// Address of the small S3; port 0 as above.
    pub s3: SocketAddr,
    /// Buckets of the small S3 that are there from the start, and the organisation of each.
    pub buckets: BTreeMap<String, String>,
    /// Regions with an edge, at least one; the first is the default region of machines.
    pub regions: Vec<String>,
    /// How late edges learn of changes.
    pub lag: EdgeLag,
    /// What machines run on.
    pub runtime: Arc<dyn Runtime>,
    /// Tokens and their organisations, at least one.
    pub orgs: Orgs,
    /// Whether the documented limits answer 429: per action and machine 1/s burst 3 (create: per app), GET machine
    /// 5/s burst 10.
    pub rate_limits: bool,
    /// How long a machine boots before it reads `started`, in milliseconds.
    pub boot_ms: u64,
    /// How often the proxy looks for machines that are idle and may be stopped, in milliseconds: at most one per region
    /// and look. Default 180,000, "every few minutes" (fly.md 7).
    pub idle_look_ms: u64,
    /// Seed of lags and fault probabilities (never of ids, which must differ between runs).
    pub seed: u64,
    /// Faults that are on from the start.
    pub faults: Vec<Fault>,
    /// Choices where the real behaviour is unknown.
    pub quirks: Quirks,
}

impl Options {
    /// The defaults: loopback, regions `fra` and `ams`, limits and lag on.
    pub fn new(dir: impl Into<PathBuf>, runtime: Arc<dyn Runtime>, orgs: Orgs) -> Self {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self {
            dir: dir.into(),
            api: any,
            registry: any,
            s3: any,
            buckets: BTreeMap::new(),
            regions: vec![String::from("fra"), String::from("ams")],
            lag: EdgeLag::default(),
            runtime,
            orgs,
            rate_limits: true,
            boot_ms: 20,
            idle_look_ms: 180_000,
            seed: 0,
            faults: Vec::new(),
            quirks: Quirks::default(),
        }
    }
}
