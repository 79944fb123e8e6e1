//! The stand-in, and a project against it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cell::image::{ImageSpec, Tree, build};
use cell::runtime::{RuntimeKind, choose};
use cell::shim::{ARGUMENT, Shim};
use flyclient::fly::wire::NewApp;
use flyclient::fly::{AppHandle, Client};
use flyclient::limits::Rates;
use flyclient::registry::{Auth, Push, Registry};
use flyclient::transport::{Body, HttpService, Options as HttpOptions, Request, ReqwestService};
use flyclient::{Base, Token};
use futures_util::StreamExt as _;
use localcloud::faults::{Fault, FaultName};
use localcloud::{EdgeLag, Handle, Localcloud, Options, Orgs};
use serde_json::{Value, json};
use tokio::process::Command;
use url::Url;

use crate::runs::Run;

/// The app that the release is brought to.
pub(crate) const APP: &str = "bench";
/// Where its machines are.
pub(crate) const REGIONS: [&str; 2] = ["fra", "ams"];
const TOKEN: &str = "token-of-the-benchmark-0123456789";

/// What the runs wait for: the project file's times, and the provider's.
const SETTLE_MS: u64 = 5_000;
const DRAIN_MS: u64 = 5_000;
const BAKE_MS: u64 = 10_000;
const MAX_UNAVAILABLE: f64 = 0.33;
const LATENCY_MS: u64 = 50;
const BOOT_MS: u64 = 2_000;
/// How often a machine is asked whether it is well, and for how long: a thousand programs on a few cores cannot all answer
/// every second.
const CHECKS: [&str; 2] = ["1s", "2s"];
const CHECKS_LARGE: [&str; 2] = ["15s", "10s"];
const LAG: EdgeLag = EdgeLag { min_ms: 100, max_ms: 800 };

/// A directory with a project and a running stand-in.
pub(crate) struct Stage {
    dir: PathBuf,
    cloud: Handle,
    client: Client,
    registry: Registry,
    service: Arc<dyn HttpService>,
    checks: [&'static str; 2],
}

/// A program of the same build.
fn beside(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().and_then(Path::parent).unwrap().join(name)
}

fn options(dir: &Path) -> Options {
    // A fleet runs elsewhere: here its programs leave the processors to what is measured, and to its cloud.
    let fixture = beside("localcloud-fixture").display().to_string();
    let args = ["-n", "10", &fixture, ARGUMENT].map(str::to_owned);
    let shim = Shim { exe: PathBuf::from("/usr/bin/nice"), args: args.to_vec() };
    let runtime = Arc::from(choose(Some(RuntimeKind::Plain), shim).unwrap());
    let mut options = Options::new(dir.join("cloud"), runtime, Orgs::one(TOKEN, "acme"));
    options.regions = REGIONS.map(str::to_owned).to_vec();
    options.lag = LAG;
    options
}

impl Stage {
    /// A stand-in in its own good time: no latency, no limits, for putting the old release there.
    pub(crate) async fn open(run: &Run) -> Self {
        let dir = std::env::current_dir().unwrap().join("target/bench-deploy").join(run.name);
        let _nothing_was_there = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let mut options = options(&dir);
        options.rate_limits = false;
        let checks = if run.is_large { CHECKS_LARGE } else { CHECKS };
        let stage = Self::over(dir, checks, Localcloud::start(options).await.unwrap());
        let app = NewApp { name: APP.parse().unwrap(), org_slug: "acme".to_owned(), network: None };
        stage.client.apps().create(&app).await.unwrap();
        stage.write_project(run).await;
        stage
    }

    /// The same with Fly's latency, boot time and limits.
    pub(crate) async fn restricted(self) -> Self {
        self.cloud.shutdown().await;
        let mut options = options(&self.dir);
        options.boot_ms = BOOT_MS;
        let mut latency = Fault::new(FaultName::Latency);
        latency.ms = Some(LATENCY_MS);
        options.faults = vec![latency];
        Self::over(self.dir, self.checks, Localcloud::start(options).await.unwrap())
    }

    fn over(dir: PathBuf, checks: [&'static str; 2], cloud: Handle) -> Self {
        let service: Arc<dyn HttpService> = Arc::new(ReqwestService::new(&HttpOptions::default()).unwrap());
        let base: Base = cloud.api_url().parse().unwrap();
        let token: Token = TOKEN.parse().unwrap();
        let auth = Auth::new(token.clone());
        let registry = Registry::new(cloud.registry_host(), Some(auth), service.clone()).unwrap();
        let client = Client::new(base, token, service.clone()).with_rates(Rates::unlimited());
        Self { dir, cloud, client, registry, service, checks }
    }

    pub(crate) fn app(&self) -> AppHandle {
        self.client.app(&APP.parse().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn audit(&self) -> PathBuf {
        self.cloud.audit_path()
    }

    /// What the run asks to wait for, for whoever works out the critical path.
    pub(crate) fn settings(&self) -> Value {
        // Creates: fly.md 1.8.
        json!({
            "settle_ms": SETTLE_MS, "drain_ms": DRAIN_MS, "bake_ms": BAKE_MS,
            "max_unavailable": MAX_UNAVAILABLE,
            "creates_per_second": 1, "creates_burst": 3,
        })
    }

    pub(crate) fn fly_toml(&self) -> String {
        let [interval, timeout] = self.checks;
        format!(
            "app = \"{APP}\"\nprimary_region = \"fra\"\n\n[http_service]\n  internal_port = 8080\n  \
             auto_stop_machines = \"off\"\n  min_machines_running = 1\n\n  [[http_service.checks]]\n    \
             interval = \"{interval}\"\n    timeout = \"{timeout}\"\n    grace_period = \"30s\"\n    method = \"GET\"\n    \
             path = \"/healthz\"\n"
        )
    }

    async fn write_project(&self, run: &Run) {
        let write = |name: &str, text: &str| {
            let path = self.path(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let key = providers::ssh::read_or_make_key(&self.path("key")).unwrap();
        write(".understudy/allowed_signers", &format!("developer {}\n", providers::ssh::public_line(&key)));
        write("staging.token", TOKEN);
        write("production.token", "token-of-nobody-0123456789");
        write("fly.toml", &self.fly_toml());
        let fly = |name: &str| {
            let (api, registry) = (self.cloud.api_url(), self.cloud.registry_host());
            format!(
                "[environments.{name}]\nfly = {{ org = \"acme\", token = \"file:{name}.token\", api = \"{api}\", \
                 registry = \"{registry}\" }}"
            )
        };
        let edges: Vec<String> =
            self.edges().await.iter().map(|edge| format!("{:?}", edge.as_str())).collect();
        write(
            "understudy.toml",
            &format!(
                "[store]\nurl = \"sqlite:understudy.db\"\n\n[components.api]\nconfig = \"fly.toml\"\n\n\
                 {}\napi = {{ app = \"elsewhere\" }}\n\n\
                 {}\napi = {{ app = \"{APP}\", url = {}, edges = [{}] }}\n\n\
                 [people]\nleads = []\n\n\
                 [promotion.staging.production]\nsuites = []\napprovals = {{ count = 0, from = [] }}\n\
                 strategy = \"{}\"\nsettle = \"{SETTLE_MS}ms\"\ndrain = \"{DRAIN_MS}ms\"\nbake = \"{BAKE_MS}ms\"\n\
                 max-unavailable = {MAX_UNAVAILABLE}\nwait-timeout = \"5m\"\npark-for = \"1h\"\n",
                fly("production"),
                fly("staging"),
                edges[0],
                edges.join(", "),
                run.strategy,
            ),
        );
    }

    /// The app's address at each edge.
    pub(crate) async fn edges(&self) -> Vec<Url> {
        let url = format!("{}/localcloud/v1/edges?app={APP}", self.cloud.api_url()).parse().unwrap();
        let headers = [(http::header::AUTHORIZATION, format!("Bearer {TOKEN}").parse().unwrap())];
        let headers = headers.into_iter().collect();
        let method = http::Method::GET;
        let request = Request { method, url, headers, body: Body::Empty, timeout: None };
        let mut body = self.service.send(request).await.unwrap().body;
        let mut bytes = Vec::new();
        while let Some(part) = body.next().await {
            bytes.extend_from_slice(&part.unwrap());
        }
        let list: Value = serde_json::from_slice(&bytes).unwrap();
        list.as_array().unwrap().iter().map(|edge| edge["url"].as_str().unwrap().parse().unwrap()).collect()
    }

    /// Pushes a release; answers its reference by tag.
    pub(crate) async fn push(&self, version: &str) -> String {
        let labels = [("version", version), ("revision", &version.replace('.', "").repeat(14)[..40])];
        let spec = ImageSpec {
            argv: vec![beside("localcloud-fixture-app").display().to_string()],
            env: [("VERSION".to_owned(), version.to_owned())].into(),
            labels: labels
                .map(|(key, value)| (format!("org.opencontainers.image.{key}"), value.to_owned()))
                .into(),
            ..ImageSpec::default()
        };
        let image = build(&Tree::of_files([("etc/release", version.as_bytes().to_vec())]), &spec).unwrap();
        let push = Push {
            repository: APP.to_owned(),
            tag: Some(version.to_owned()),
            media_type: image.media_type,
            manifest: Bytes::from(image.manifest),
            blobs: image.blobs.into_iter().map(|blob| Bytes::from(blob.bytes)).collect(),
        };
        self.registry.push(&push).await.unwrap();
        format!("{}/{APP}:{version}", self.cloud.registry_host())
    }

    /// `promote` with these arguments, not yet started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(beside("promote"));
        command
            .args(args)
            .arg("--json")
            .current_dir(&self.dir)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", &self.dir)
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Ends the stand-in and every process of its machines; what was logged stays.
    pub(crate) async fn end(self) {
        self.cloud.shutdown().await;
        let machines = std::fs::read_dir(self.dir.join("cloud/machines")).into_iter().flatten().flatten();
        let ids: std::collections::BTreeSet<Vec<u8>> = machines
            .filter_map(|entry| Some(format!("FLY_MACHINE_ID={}", entry.file_name().to_str()?).into()))
            .collect();
        for _ in 0..5 {
            for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
                let pid = process.file_name().to_str().and_then(|name| name.parse().ok());
                let environ = std::fs::read(process.path().join("environ")).unwrap_or_default();
                let is_ours = environ.split(|byte| *byte == 0).any(|pair| ids.contains(pair));
                if let Some(pid) = pid.filter(|_| is_ours) {
                    let pid = nix::unistd::Pid::from_raw(pid);
                    let _gone_already = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
