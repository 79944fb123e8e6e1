//! A stand-in, a project against it, and the real binary.
//!
//! The stand-in runs in the test's own process, so that only the binary can be killed. Its machines run the example
//! service out of the binary itself, which is also the machines' shim: images are a few bytes and start at once.

#[path = "support/cloud.rs"]
mod cloud;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cell::image::{ImageSpec, Tree, build};
use cell::runtime::{RuntimeKind, choose};
use cell::shim::{ARGUMENT, Shim};
use flyclient::fly::Client;
use flyclient::fly::wire::{ListMachines, NewApp, UpdateMachine};
use flyclient::registry::{Auth, Push, Registry};
use flyclient::transport::{Body, HttpService, Options as HttpOptions, Request, ReqwestService};
use flyclient::{Base, Token};
use flytypes::machine::MachineConfig;
use flytypes::wire::{CheckState, Machine, MachineState};
use futures_util::StreamExt as _;
use localcloud::flyctl::{Deploy, Flyctl};
use localcloud::{EdgeLag, Localcloud, Options, Orgs, Right, Scope};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use cloud::{Apart, Cloud};

/// No process of a test runs longer, even where the machine has little time for it.
const PROCESS: Duration = Duration::from_secs(240);
/// No test runs longer.
const TEST: Duration = Duration::from_secs(600);

pub(crate) const PRODUCTION: &str = "runner";
pub(crate) const STAGING: &str = "runner-staging";
pub(crate) const TOKEN: &str = "token-of-production-0123456789";
pub(crate) const TOKEN_STAGING: &str = "token-of-staging-0123456789";
/// Rights to images, where staging is apart.
pub(crate) const PULL_STAGING: &str = "token-to-pull-from-staging-0123456789";
pub(crate) const PULL: &str = "token-to-pull-from-production-0123456789";
pub(crate) const PUSH: &str = "token-to-push-to-production-0123456789";
/// The organisation of staging, where it is apart.
const ORG_STAGING: &str = "acme-staging";

/// Runs a test body with a hard end.
pub(crate) async fn within<T>(body: impl Future<Output = T>) -> T {
    tokio::time::timeout(TEST, body).await.expect("the test must end in time")
}

/// The binary under test: cargo says where for tests; an example lies one directory below it.
pub(crate) fn exe() -> PathBuf {
    match option_env!("CARGO_BIN_EXE_promote") {
        Some(path) => PathBuf::from(path),
        None => {
            let own = std::env::current_exe().expect("an executable knows where it is");
            own.parent().and_then(Path::parent).expect("it lies in target/PROFILE/examples").join("promote")
        }
    }
}

/// Another binary of this workspace, which lies beside this one once it was built.
pub(crate) fn beside(name: &str) -> PathBuf {
    let path = exe().with_file_name(name);
    if !path.exists() {
        let cargo = env!("CARGO");
        let target = path.parent().and_then(Path::parent).expect("it lies in target/PROFILE");
        let mut command = std::process::Command::new(cargo);
        command.args(["build", "--quiet", "--package", name, "--bin", name, "--target-dir"]).arg(target);
        assert!(command.status().unwrap().success(), "{name} must build");
    }
    path
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.out, self.err))
    }

    /// Asserts that stderr has each of these.
    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.err.contains(part), "`{part}` is missing in: {}", self.err);
        }
        self
    }
}

/// What differs between projects of tests.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    pub(crate) approvals: u32,
    /// The lease in the store's address.
    pub(crate) lease: &'static str,
    /// The pause after each change of routing. Rules of the release that runs decide, so it is set from the start.
    pub(crate) settle: &'static str,
    /// Whether the provider refuses the number of a lease that is over, even where nobody else holds the machine.
    pub(crate) strict_nonce: bool,
    /// Whether staging is an organisation of its own, and images are copied with rights that deploy nothing.
    pub(crate) apart: bool,
    /// Whether releases are pushed as indexes, and machines report the digest of the platform's manifest in them.
    pub(crate) platform_digest: bool,
    /// Whether the store is in a bucket of the stand-in, and not a file.
    pub(crate) bucket: bool,
    /// Further rules of promotions into production, as lines of the project file.
    pub(crate) rules: &'static str,
    /// As the project file has it.
    pub(crate) strategy: &'static str,
    /// The binary `localcloud`, where the stand-in is to be a process of its own.
    pub(crate) cloud: Option<PathBuf>,
}

impl Default for Project {
    fn default() -> Self {
        Self {
            approvals: 1,
            lease: "5s",
            settle: "200ms",
            strict_nonce: false,
            apart: false,
            platform_digest: false,
            bucket: false,
            rules: "",
            strategy: "bluegreen",
            cloud: None,
        }
    }
}

/// A directory; when a test fails, the machines that it left behind end with it.
pub(crate) struct Dir(TempDir);

impl Drop for Dir {
    fn drop(&mut self) {
        let machines =
            std::fs::read_dir(self.0.path().join("cloud/machines")).into_iter().flatten().flatten();
        let marks: Vec<String> = machines
            .filter_map(|entry| Some(format!("FLY_MACHINE_ID={}", entry.file_name().to_str()?)))
            .collect();
        let is_ours = |environ: &[u8]| {
            environ.split(|byte| *byte == 0).any(|pair| marks.iter().any(|mark| mark.as_bytes() == pair))
        };
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = process.file_name().to_str().and_then(|name| name.parse().ok());
            let environ = std::fs::read(process.path().join("environ")).unwrap_or_default();
            if let Some(pid) = pid.filter(|_| is_ours(&environ)) {
                let _gone_already = nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(pid),
                    nix::sys::signal::Signal::SIGKILL,
                );
            }
        }
    }
}

/// A directory with a project, and the stand-in it is for.
pub(crate) struct Stage {
    dir: Dir,
    cloud: Cloud,
    client: Client,
    staging: Client,
    registry: Registry,
    /// Where releases are pushed to, and with what.
    pushes: (&'static str, Registry),
    index: bool,
    service: Arc<dyn HttpService>,
    /// The variables of the store's bucket, if it is in one.
    storage: Vec<(&'static str, String)>,
}

impl Stage {
    /// A stand-in with both apps, as `fly apps create` makes them, and without machines.
    pub(crate) async fn new(project: Project) -> Self {
        let dir = Dir(tempfile::tempdir().unwrap());
        let shim = Shim { exe: exe(), args: vec![ARGUMENT.to_owned()] };
        let runtime = Arc::from(choose(Some(RuntimeKind::Plain), shim).unwrap());
        let org_staging = if project.apart { ORG_STAGING } else { "acme" };
        let orgs = Orgs::one(TOKEN, "acme")
            .with(TOKEN_STAGING, org_staging)
            .with_scoped(PULL_STAGING, org_staging, Scope::new(Right::Pull))
            .with_scoped(PULL, "acme", Scope::new(Right::Pull))
            .with_scoped(PUSH, "acme", Scope::new(Right::Push));
        let mut options = Options::new(dir.0.path().join("cloud"), runtime, orgs);
        options.rate_limits = false;
        options.quirks.strict_nonce = project.strict_nonce;
        options.quirks.platform_digest = project.platform_digest;
        options.lag = EdgeLag { min_ms: 0, max_ms: 50 };
        options.buckets = BTreeMap::from([("journals".to_owned(), "acme".to_owned())]);
        let cloud = match &project.cloud {
            None => Cloud::Here(Box::new(Localcloud::start(options).await.unwrap())),
            Some(program) => {
                let mut args = vec!["--runtime", "plain", "--lag-ms", "0..50", "--no-rate-limits"];
                let tokens = [
                    format!("{TOKEN}=acme"),
                    format!("{TOKEN_STAGING}={org_staging}"),
                    format!("{PULL_STAGING}={org_staging}:pull"),
                    format!("{PULL}=acme:pull"),
                    format!("{PUSH}=acme:push"),
                ];
                args.extend(tokens.iter().flat_map(|token| ["--token", token.as_str()]));
                let args = args.into_iter().map(ToOwned::to_owned).collect();
                Cloud::Apart(Box::new(Apart::up(program.clone(), dir.0.path().join("cloud"), args).await))
            }
        };
        let storage = vec![
            ("AWS_ACCESS_KEY_ID", Orgs::key_id(TOKEN)),
            ("AWS_SECRET_ACCESS_KEY", TOKEN.to_owned()),
            ("AWS_ENDPOINT_URL_S3", cloud.s3_url().to_owned()),
        ];
        let storage = if project.bucket { storage } else { Vec::new() };
        let service: Arc<dyn HttpService> = Arc::new(ReqwestService::new(&HttpOptions::default()).unwrap());
        let base: Base = cloud.api_url().parse().unwrap();
        let [token, token_staging]: [Token; 2] = [TOKEN, TOKEN_STAGING].map(|token| token.parse().unwrap());
        let open = |token: &Token| {
            let auth = Auth::new(token.clone());
            Registry::new(cloud.registry_host(), Some(auth), service.clone()).unwrap()
        };
        let registry = open(&token);
        let pushes =
            if project.apart { (STAGING, open(&token_staging)) } else { (PRODUCTION, registry.clone()) };
        let staging = Client::new(base.clone(), token_staging, service.clone());
        let client = Client::new(base, token, service.clone());
        let stage = Self {
            dir,
            cloud,
            client,
            staging,
            registry,
            pushes,
            index: project.platform_digest,
            service,
            storage,
        };
        for (app, org, client) in
            [(PRODUCTION, "acme", &stage.client), (STAGING, org_staging, &stage.staging)]
        {
            let app = NewApp { name: app.parse().unwrap(), org_slug: org.to_owned(), network: None };
            client.apps().create(&app).await.unwrap();
        }
        stage.write_project(&project).await;
        stage
    }

    /// With release 1.0.0 in production, and 1.1.0 on staging, tested. Answers the ids of staging's deployments.
    pub(crate) async fn played(project: Project) -> (Self, [String; 2]) {
        let stage = Self::new(project).await;
        let (old, new) = (stage.push("1.0.0").await, stage.push("1.1.0").await);
        stage.put("production", &old).await;
        let first = stage.put("staging", &old).await;
        let second = stage.put("staging", &new).await;
        (stage, [first, second])
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.0.path().join(name)
    }

    /// The names of what lies in the project's directory.
    pub(crate) fn files(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.dir.0.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Replaces a part of the project file.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let path = self.path("understudy.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "`{from}` is not in {text}");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    }

    /// From now on the smoke suite fails, or passes again.
    pub(crate) fn fail_smoke(&self, fails: bool) {
        let wanted = if fails { SMOKE.replace("\"json\"", "\"xml\"") } else { SMOKE.to_owned() };
        self.write("tests/smoke.toml", &wanted);
    }

    /// From now on the smoke suite wants an answer that takes 400 ms within `limit`.
    pub(crate) fn limit_speed(&self, limit: &str) {
        let slow = format!(
            "\n[[case]]\nname = \"is quick\"\n[[case.step]]\nrequest = \"POST /api/v1/run\"\n\
             json = {{ language = \"bash\", source = \"sleep 0.4\" }}\nexpect.duration = \"< {limit}\"\n"
        );
        self.write("tests/smoke.toml", &format!("{SMOKE}{slow}"));
    }

    pub(crate) fn key(&self, who: &str) -> String {
        self.path("keys").join(who).display().to_string()
    }

    async fn write_project(&self, project: &Project) {
        std::fs::create_dir_all(self.path("keys")).unwrap();
        let mut signers = String::new();
        for who in ["developer", "lead"] {
            let key = providers::ssh::read_or_make_key(&self.path("keys").join(who)).unwrap();
            signers.push_str(&format!("{who} {}\n", providers::ssh::public_line(&key)));
        }
        self.write(".understudy/allowed_signers", &signers);
        self.write("production.token", TOKEN);
        self.write("staging.token", TOKEN_STAGING);
        for (file, token) in [("pull-staging", PULL_STAGING), ("pull", PULL), ("push", PUSH)] {
            self.write(&format!("{file}.token"), token);
        }
        self.write("fly.toml", FLY_TOML);
        self.write("tests/smoke.toml", SMOKE);
        let store = if project.bucket { "s3://journals/understudy" } else { "sqlite:understudy.db" };
        let mut text = format!(
            "[store]\nurl = \"{store}?lease={}\"\n\n[components.api]\nconfig = \"fly.toml\"\n\n",
            project.lease
        );
        let rights =
            |rights: &str| if project.apart { format!("registry = {{ {rights} }}\n") } else { String::new() };
        let (own, theirs) = (
            rights("pull = \"file:pull.token\", push = \"file:push.token\""),
            rights("pull = \"file:pull-staging.token\""),
        );
        let org_staging = if project.apart { ORG_STAGING } else { "acme" };
        for (name, app, org, rights) in
            [("production", PRODUCTION, "acme", own), ("staging", STAGING, org_staging, theirs)]
        {
            let edges = self.edges(app).await;
            let list: Vec<String> = edges.iter().map(|edge| format!("{edge:?}")).collect();
            text.push_str(&format!(
                "[environments.{name}]\n{rights}\
                 fly = {{ org = \"{org}\", token = \"file:{name}.token\", api = \"{}\", registry = \"{}\" }}\n\
                 api = {{ app = \"{app}\", url = \"{}\", edges = [{}], overlay = {{ env = {{ APP_ENV = \"{name}\" }} }} }}\n\n",
                self.cloud.api_url(), self.cloud.registry_host(), edges[0], list.join(", "),
            ));
        }
        let lead = providers::ssh::person_of_file(&self.path("keys").join("lead")).unwrap();
        text.push_str(&format!(
            "[people]\nleads = [\"{lead}\"]\n\n[suites.smoke]\nfile = \"tests/smoke.toml\"\n\n\
             [promotion.staging.production]\nsuites = [\"smoke\"]\n\
             approvals = {{ count = {}, from = [\"leads\"], expires = \"24h\" }}\n\
             strategy = \"{}\"\nsettle = \"{}\"\ndrain = \"100ms\"\nsoak = \"0s\"\n\
             wait-timeout = \"3m\"\npark-for = \"1h\"\n{}",
            project.approvals, project.strategy, project.settle, project.rules
        ));
        self.write("understudy.toml", &text);
    }

    /// Takes the apps' addresses out of the project file; answers where the stand-in's edges are.
    pub(crate) async fn forget_addresses(&self) -> String {
        for app in [PRODUCTION, STAGING] {
            let edges = self.edges(app).await;
            let list: Vec<String> = edges.iter().map(|edge| format!("{edge:?}")).collect();
            self.edit(&format!("url = {}, edges = [{}], ", list[0], list.join(", ")), "");
        }
        self.cloud.edge_urls().join(" ")
    }

    async fn edges(&self, app: &str) -> Vec<String> {
        let url = format!("{}/localcloud/v1/edges?app={app}", self.cloud.api_url()).parse().unwrap();
        let mut request = Request {
            method: http::Method::GET,
            url,
            headers: http::HeaderMap::new(),
            body: Body::Empty,
            timeout: None,
        };
        request.headers.insert("authorization", format!("Bearer {}", token_of(app)).parse().unwrap());
        let mut body = self.service.send(request).await.unwrap().body;
        let mut bytes = Vec::new();
        while let Some(part) = body.next().await {
            bytes.extend_from_slice(&part.unwrap());
        }
        let list: Value = serde_json::from_slice(&bytes).unwrap();
        list.as_array().unwrap().iter().map(|edge| edge["url"].as_str().unwrap().to_owned()).collect()
    }

    /// Pushes a release of the service; answers its reference by tag.
    pub(crate) async fn push(&self, version: &str) -> String {
        self.push_of(version, &version.replace('.', "").repeat(14)[..40]).await
    }

    /// The same, built from a commit.
    pub(crate) async fn push_of(&self, version: &str, commit: &str) -> String {
        let env = [("VERSION", version), ("COMMIT", commit)];
        let labels = [("version", version), ("revision", commit)];
        let tree = ("dev.understudy.source.tree".to_owned(), format!("{version}-tree"));
        let spec = ImageSpec {
            argv: vec![exe().display().to_string(), "__runner".to_owned()],
            env: env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            labels: labels
                .iter()
                .map(|(k, v)| (format!("org.opencontainers.image.{k}"), (*v).to_owned()))
                .chain([tree])
                .collect::<BTreeMap<_, _>>(),
            ..ImageSpec::default()
        };
        let (repository, registry) = &self.pushes;
        let tree = Tree::of_files([("etc/release", version.as_bytes().to_vec())]);
        let image = build(&tree, &spec).unwrap();
        let mut push = Push {
            repository: repository.to_string(),
            tag: Some(version.to_owned()),
            media_type: image.media_type,
            manifest: Bytes::from(image.manifest),
            blobs: image.blobs.into_iter().map(|blob| Bytes::from(blob.bytes)).collect(),
        };
        if self.index {
            let alone = Push { tag: None, ..push.clone() };
            let child = registry.push(&alone).await.unwrap();
            let entries: Vec<Value> = ["amd64", "arm64"]
                .map(|architecture| {
                    serde_json::json!({"mediaType": alone.media_type, "digest": child.digest(), "size": alone.manifest.len(),
                        "platform": {"os": "linux", "architecture": architecture}})
                })
                .to_vec();
            let media_type = "application/vnd.oci.image.index.v1+json";
            let index =
                serde_json::json!({"schemaVersion": 2, "mediaType": media_type, "manifests": entries});
            push = Push {
                media_type: media_type.to_owned(),
                manifest: Bytes::from(index.to_string()),
                blobs: Vec::new(),
                ..push
            };
        }
        registry.push(&push).await.unwrap();
        format!("{}/{repository}:{version}", self.cloud.registry_host())
    }

    /// The digest behind a reference in production's organisation.
    pub(crate) async fn digest_of(&self, reference: &str) -> Option<String> {
        let image = format!("{}/{reference}", self.cloud.registry_host()).parse().unwrap();
        let pinned = self.registry.resolve(&image).await.ok()?;
        pinned.digest().map(ToString::to_string)
    }

    /// Retention takes an image out of production's repository.
    pub(crate) async fn prune(&self, digest: &str) {
        let url = format!("http://{}/v2/{PRODUCTION}/manifests/{digest}", self.cloud.registry_host());
        let mut request = Request {
            method: http::Method::DELETE,
            url: url.parse().unwrap(),
            headers: http::HeaderMap::new(),
            body: Body::Empty,
            timeout: None,
        };
        request.headers.insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
        assert_eq!(self.service.send(request).await.unwrap().status, 202);
    }

    /// Deploys an image where nobody is asked; answers the promotion's id.
    pub(crate) async fn put(&self, environment: &str, image: &str) -> String {
        // What comes into production without evidence is for who may approve there.
        let key = self.key(if environment == "production" { "lead" } else { "developer" });
        let mut args = vec!["deploy", "--env", environment, "--image", image, "--key", &key, "--json"];
        if self.machines(if environment == "production" { PRODUCTION } else { STAGING }).await.is_empty() {
            args.push("--bootstrap");
        }
        self.run(&args).await.exits(0).json()["id"].as_str().unwrap().to_owned()
    }

    /// The binary with these arguments, not yet started: only `PATH`, `HOME` and the store's keys in its environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_of(&exe().display().to_string(), args)
    }

    /// Any program, as [`Stage::command`].
    pub(crate) fn command_of(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.dir.0.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.dir.0.path())
            .envs(self.storage.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// A key of the store's bucket.
    pub(crate) fn variable(&self, name: &str) -> String {
        let found = self.storage.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// Runs the binary to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Ran {
        ended(self.command(args).spawn().unwrap()).await
    }

    /// Somebody with flyctl and production's token.
    pub(crate) fn flyctl(&self) -> Flyctl {
        self.flyctl_for(PRODUCTION)
    }

    fn flyctl_for(&self, app: &str) -> Flyctl {
        Flyctl::new(self.cloud.api_url(), token_of(app))
    }

    /// What tells flyctl, and us, that this stand-in is Fly.
    pub(crate) fn stand_in(&self) -> Vec<(&'static str, String)> {
        vec![
            ("FLY_FLAPS_BASE_URL", self.cloud.api_url().to_owned()),
            ("FLY_REGISTRY_HOST", self.cloud.registry_host().to_owned()),
            ("LOCALCLOUD_EDGES", self.cloud.edge_urls().join(" ")),
            ("FLY_TOKEN_PRODUCTION", TOKEN.to_owned()),
            ("FLY_TOKEN_STAGING", TOKEN_STAGING.to_owned()),
        ]
    }

    /// The first two machines of production, made by `fly deploy` from a fly.toml with a check; `image` by tag.
    pub(crate) async fn deployed_by_flyctl(&self, image: &str) -> Deploy {
        self.deployed_to(PRODUCTION, image).await
    }

    /// The same for `app`.
    pub(crate) async fn deployed_to(&self, app: &str, image: &str) -> Deploy {
        let service = json!({
            "protocol": "tcp", "internal_port": 8080, "autostop": "off", "autostart": true,
            "min_machines_running": 2, "force_instance_key": null,
            "ports": [{"port": 80, "handlers": ["http"], "force_https": true}, {"port": 443, "handlers": ["http", "tls"]}],
            "checks": [{"type": "http", "interval": "1s", "timeout": "2s", "grace_period": "10s", "method": "GET", "path": "/readyz"}],
        });
        let config = json!({"env": {"PORT": "8080"}, "init": {}, "services": [service]});
        let deploy = Deploy::new(app, image, config);
        self.flyctl_for(app).deploy_first(&deploy).await.unwrap();
        deploy
    }

    /// Runs `stagectl` to its end.
    pub(crate) async fn stagectl(&self, args: &[&str]) -> Ran {
        let program = beside("stagectl").display().to_string();
        ended(self.command_of(&program, args).spawn().unwrap()).await
    }

    /// Somebody changes a machine's configuration, and it starts anew with it.
    pub(crate) async fn change(&self, app: &str, machine: &Machine, change: impl FnOnce(&mut MachineConfig)) {
        let client = if app == STAGING { &self.staging } else { &self.client };
        let mut config = machine.config.clone().unwrap();
        change(&mut config);
        let update = UpdateMachine { config, ..UpdateMachine::default() };
        let app = client.app(&app.parse().unwrap());
        let version = app.machines().update(&machine.id, &update, None).await.unwrap().instance_id;
        // A change is over when the machine runs again, and its checks report.
        loop {
            let now = app.machines().get(&machine.id).await.unwrap();
            let passes = now.checks.iter().all(|check| check.status == CheckState::Passing);
            if now.instance_id == version && now.state == MachineState::Started && passes {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The machines of an app at the provider, by id.
    pub(crate) async fn machines(&self, app: &str) -> Vec<Machine> {
        let query = ListMachines { include_leases: true, ..ListMachines::default() };
        let client = if app == STAGING { &self.staging } else { &self.client };
        let app = client.app(&app.parse().unwrap());
        let mut machines = app.machines().list(&query).await.unwrap();
        machines.sort_by(|a, b| a.id.as_str().cmp(b.id.as_str()));
        machines
    }

    /// Sets a secret as `fly secrets set --stage` does.
    pub(crate) async fn set_secret(&self, app: &str, name: &str, value: &str) {
        let changes = [(name.to_owned(), Some(value.to_owned().into()))].into();
        self.client.app(&app.parse().unwrap()).secrets().set(&changes).await.unwrap();
    }

    /// The digests that production's machines serve.
    pub(crate) async fn serving(&self) -> BTreeSet<String> {
        let machines = self.machines(PRODUCTION).await;
        let serving = machines.iter().filter(|machine| !machine.cordoned);
        serving.filter_map(|machine| machine.digest().map(ToString::to_string)).collect()
    }

    /// Ticks until `id` says `phase`, as whoever finds an orphan would; the hard end is the test's.
    pub(crate) async fn tick_until(&self, id: &str, phase: &str) {
        loop {
            self.run(&["tick", "--json"]).await.exits(0);
            let shown = self.run(&["show", id, "--json"]).await.exits(0).json();
            if shown["phase"] == phase {
                return;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Ends the stand-in and its machines.
    pub(crate) async fn end(self) {
        self.cloud.down().await;
    }

    /// SIGKILL of the stand-in, where it is a process of its own; machines live on.
    pub(crate) async fn kill_cloud(&self) {
        self.cloud.kill().await;
    }

    /// The stand-in comes back, and finds what it had.
    pub(crate) async fn revive_cloud(&self) {
        self.cloud.revive().await;
    }

    /// A fault of the stand-in comes, or with none all of them go, where it is a process of its own.
    pub(crate) async fn fault(&self, fault: Option<&Value>) {
        self.cloud.fault(fault).await;
    }

    /// Whether the stand-in can be killed.
    pub(crate) const fn has_cloud_apart(&self) -> bool {
        self.cloud.is_apart()
    }

    pub(crate) fn audit(&self) -> PathBuf {
        self.cloud.audit_path()
    }

    /// The provider's own records.
    pub(crate) fn audit_lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.audit()).unwrap();
        // The last line may be on its way.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

fn token_of(app: &str) -> &'static str {
    if app == STAGING { TOKEN_STAGING } else { TOKEN }
}

/// Waits for a process, no longer than the hard end.
pub(crate) async fn ended(child: Child) -> Ran {
    let output = tokio::time::timeout(PROCESS, child.wait_with_output()).await;
    let output = output.expect("the process must end in time").unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

const FLY_TOML: &str = r#"app = "runner"
primary_region = "fra"

[env]
  PORT = "8080"

[http_service]
  internal_port = 8080
  auto_stop_machines = "off"
  min_machines_running = 2

  [[http_service.checks]]
    interval = "1s"
    timeout = "2s"
    grace_period = "10s"
    method = "GET"
    path = "/readyz"
"#;

const SMOKE: &str = r#"name = "smoke"
target = "api"

[[case]]
name = "lists languages"
[[case.step]]
request = "GET /api/v1/languages"
expect.headers.content-type.contains = "json"
"#;
