//! Starting and stopping: the lock, the records, the adopted machines, the listeners.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::Duration,
};

use cell::runtime::RuntimeKind;
use hyper::{Request, body::Incoming};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};

use crate::{
    api,
    audit::Audit,
    cloud::Cloud,
    crew::Crew,
    disk::{self, Layout, Lock},
    edge::{
        Edges, idle,
        ports::Ports,
        view::{News, Seen},
    },
    error::StartError,
    faults::Faults,
    http_io,
    limits::Limits,
    machine::model::{Goal, Machine, State},
    options::Options,
    past::Past,
    registry::{self, store::Store},
    s3, sites,
    world::World,
};

/// The stand-in.
#[derive(Debug)]
pub struct Localcloud;

/// A running server. Dropped without [`Handle::shutdown`] it stops at once; machines live on either way.
#[derive(Debug)]
pub struct Handle {
    cloud: Arc<Cloud>,
    _lock: Lock,
}

impl Localcloud {
    /// Starts a server on `options.dir`: adopts machines that live, restarts by their policy those that died, and
    /// listens on the ports of the last run.
    ///
    /// # Errors
    /// An option that cannot work, a directory in use by another server, a port that is taken, a damaged record.
    pub async fn start(options: Options) -> Result<Handle, StartError> {
        check(&options)?;
        let lock = Lock::take(&options.dir)?;
        let layout = Layout::new(&options.dir);
        let state = |path: PathBuf, step: &'static str| {
            move |source: io::Error| StartError::State { path, step: String::from(step), source }
        };
        let audit_path = layout.file("audit.jsonl");
        let audit = Arc::new(Audit::open(&audit_path).map_err(state(audit_path, "opening"))?);
        let store = Store::open(&layout.registry()).map_err(state(layout.registry(), "making"))?;
        disk::make_dir(&layout.machines()).map_err(state(layout.machines(), "making"))?;
        let s3 = s3::Store::open(&layout.s3())?;
        make_buckets(&s3, &options)?;
        let world = World::load(&layout, options.quirks.destroyed_readable_s)?;
        let mut ports = Ports::load(&layout.file("ports.json"))?;
        let (api_socket, api_at) = ports.bind_at(options.api, "", "API")?;
        let (registry_socket, registry_at) = ports.bind_at(options.registry, "", "registry")?;
        let (s3_socket, s3_at) = ports.bind_at(options.s3, "", "S3")?;
        let (asks, asked) = mpsc::unbounded_channel();
        let edges = Edges::open(&options.regions, options.lag, options.seed, ports, &audit, &asks)?;
        let faults = Faults::new(options.faults, options.seed)
            .map_err(|why| StartError::Option { option: "faults", why })?;
        let cloud = Arc::new(Cloud {
            layout,
            orgs: options.orgs,
            quirks: Mutex::new(options.quirks),
            past: Past::default(),
            regions: options.regions,
            rate_limits: options.rate_limits,
            boot_ms: options.boot_ms,
            runtime: options.runtime,
            store,
            s3,
            api_url: format!("http://{api_at}"),
            registry_host: registry_at.to_string(),
            s3_url: format!("http://{s3_at}"),
            audit,
            faults,
            limits: Limits::default(),
            edges,
            crew: Crew::default(),
            world: Mutex::new(world),
            changed: watch::channel(0).0,
            keepers: Mutex::new(BTreeMap::new()),
            order: AtomicU64::new(0),
        });
        open_edges(&cloud)?;
        cloud.crew.spawn(idle::start(Arc::clone(&cloud), asked));
        cloud.crew.spawn(idle::watch(Arc::clone(&cloud), Duration::from_millis(options.idle_look_ms)));
        for id in living(&cloud) {
            cloud.keep(id);
        }
        serve(&cloud, api_socket, registry_socket, s3_socket).map_err(|source| StartError::Listen {
            address: api_at,
            what: String::from("API, registry and S3"),
            source,
        })?;
        Ok(Handle { cloud, _lock: lock })
    }
}

fn check(options: &Options) -> Result<(), StartError> {
    let refuse = |option: &'static str, why: &str| Err(StartError::Option { option, why: why.to_owned() });
    if options.orgs.is_empty() {
        return refuse("orgs", "at least one token is needed");
    }
    if options.regions.is_empty() {
        return refuse("regions", "at least one region is needed");
    }
    if let Some(bad) =
        options.regions.iter().find(|r| r.len() != 3 || !r.bytes().all(|b| b.is_ascii_lowercase()))
    {
        return refuse("regions", &format!("`{bad}` is no region code of three lower-case letters"));
    }
    let mut regions = options.regions.iter().enumerate();
    if let Some((_, twice)) = regions.find(|(n, region)| options.regions[..*n].contains(region)) {
        return refuse("regions", &format!("`{twice}` is named twice, and each region has one edge"));
    }
    if options.idle_look_ms == 0 {
        return refuse("idle_look_ms", "the proxy cannot look all the time");
    }
    if options.lag.min_ms > options.lag.max_ms || options.lag.max_ms > 30_000 {
        return refuse("lag", "it must run from the smaller to the larger value, at most 30000 ms");
    }
    Ok(())
}

/// Makes the buckets that are to be there.
fn make_buckets(s3: &s3::Store, options: &Options) -> Result<(), StartError> {
    let refuse = |why: String| StartError::Option { option: "buckets", why };
    for (bucket, org) in &options.buckets {
        if !options.orgs.contains(org) {
            return Err(refuse(format!("`{bucket}` is for `{org}`, an organisation without a token")));
        }
        s3.make_bucket(bucket, org).map_err(|why| refuse(format!("`{bucket}` cannot be made: {why}")))?;
    }
    Ok(())
}

/// Opens every app's and site's ports; edges start out knowing the present.
fn open_edges(cloud: &Arc<Cloud>) -> Result<(), StartError> {
    let world = cloud.lock();
    for name in world.apps.keys().chain(world.sites.keys()) {
        cloud.edges.listen(name)?;
    }
    for machine in world.machines.values() {
        cloud.edges.know(cloud.next_order(), &News::Machine(Seen::of(machine)));
    }
    for site in world.sites.values() {
        cloud.edges.know(cloud.next_order(), &News::Site(sites::seen(cloud, site)));
    }
    Ok(())
}

fn living(cloud: &Cloud) -> Vec<String> {
    let world = cloud.lock();
    world.machines.values().filter(|m| m.state != State::Destroyed).map(|m| m.id.clone()).collect()
}

fn serve(
    cloud: &Arc<Cloud>,
    api: std::net::TcpListener,
    registry: std::net::TcpListener,
    s3: std::net::TcpListener,
) -> io::Result<()> {
    let (api, registry) = (TcpListener::from_std(api)?, TcpListener::from_std(registry)?);
    let s3 = TcpListener::from_std(s3)?;
    let shared = Arc::clone(cloud);
    let answer_api = move |request: Request<Incoming>, _: SocketAddr| {
        let cloud = Arc::clone(&shared);
        async move { api::answer(&cloud, request).await }
    };
    cloud.crew.spawn(http_io::serve(api, Arc::new(answer_api)));
    let shared = Arc::clone(cloud);
    let answer_registry = move |request: Request<Incoming>, _: SocketAddr| {
        let cloud = Arc::clone(&shared);
        async move { registry::routes::answer(&cloud, request).await }
    };
    cloud.crew.spawn(http_io::serve(registry, Arc::new(answer_registry)));
    let shared = Arc::clone(cloud);
    let answer_s3 = move |request: Request<Incoming>, _: SocketAddr| {
        let cloud = Arc::clone(&shared);
        async move { s3::answer(&cloud, request).await }
    };
    cloud.crew.spawn(http_io::serve(s3, Arc::new(answer_s3)));
    Ok(())
}

impl Handle {
    /// Base URL of the API, without a trailing slash: `http://127.0.0.1:20443`.
    pub fn api_url(&self) -> &str {
        &self.cloud.api_url
    }

    /// The registry's host and port, the first part of every image reference: `127.0.0.1:20444`.
    pub fn registry_host(&self) -> &str {
        &self.cloud.registry_host
    }

    /// Base URL of the small S3, without a trailing slash. A bucket is the first part of the path.
    pub fn s3_url(&self) -> &str {
        &self.cloud.s3_url
    }

    /// URL of each edge, in the order of the regions. An app is asked for there by its host name, `APP.localhost`.
    pub fn edge_urls(&self) -> Vec<String> {
        let edges = self.cloud.edges.addresses(crate::edge::serve::BY_HOST);
        edges.into_iter().map(|(_, at)| format!("http://{at}/")).collect()
    }

    /// What machines run on.
    pub fn runtime(&self) -> RuntimeKind {
        self.cloud.runtime.kind()
    }

    /// Why on that.
    pub fn runtime_why(&self) -> &str {
        self.cloud.runtime.why()
    }

    /// The audit log.
    pub fn audit_path(&self) -> PathBuf {
        self.cloud.layout.file("audit.jsonl")
    }

    /// Stops serving; machines live on and are adopted by the next server on this directory.
    pub async fn shutdown(self) {
        self.cloud.crew.dismiss().await;
        self.cloud.edges.dismiss().await;
    }

    /// Stops serving and ends every machine; they rest as `stopped`.
    pub async fn down(self) {
        self.cloud.crew.dismiss().await;
        self.cloud.edges.dismiss().await;
        for id in living(&self.cloud) {
            let Some(machine) = self.cloud.machine(&id) else { continue };
            end(&self.cloud, machine).await;
        }
    }
}

async fn end(cloud: &Cloud, machine: Machine) {
    let starting =
        machine.launching.is_some().then(|| cell::runtime::recorded(&cloud.layout.machine(&machine.id)));
    let cell = machine.running.as_ref().map(|r| r.cell.clone()).or(starting.flatten());
    if let Some(cell) = cell {
        // A tree that is gone already is what we want; one that cannot be ended stays in the record.
        if cloud.runtime.kill(&cell).await.is_err() {
            return;
        }
    }
    let _ = cloud.change(&machine.id, |m| {
        m.running = None;
        m.launching = None;
        if m.goal == Goal::Gone {
            m.state = State::Destroyed;
        } else if m.state != State::Failed {
            (m.goal, m.state) = (Goal::Rest, State::Stopped);
        }
        Ok(())
    });
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.cloud.crew.abort();
        self.cloud.edges.abort();
    }
}
