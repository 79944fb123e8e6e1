//! A localcloud of this process, and what goes into it.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use cell::{
    image::{BuiltImage, ImageSpec, Tree, build, build_bundle_of},
    runtime::{self, RuntimeKind},
    shim::{ARGUMENT, Shim},
};
use flyclient::{
    fly::{Client, wire::NewApp},
    limits::Rates,
    registry::{Auth, Push, Registry},
    retry::RetryPolicy,
    transport::{Body, HttpService, Options as TransportOptions, Request, ReqwestService},
};
use flytypes::{Digest, ImageRef, machine::MachineConfig};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, header};
use localcloud::{EdgeLag, Handle, Localcloud, Options, Orgs};
use promotion::{
    model::{Fleet, Place, Unit, UnitId, UnitSpec},
    ports::{Deployer, Key, Performed, PortError},
    rollout::UnitCall,
};
use providers::{
    fly::FlyDeployer,
    site::{SiteClient, SiteDeployer},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

/// No test takes longer.
const HARD: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The tokens of two organisations.
pub(crate) const OURS: &str = "tok-ours-1234";
pub(crate) const THEIRS: &str = "tok-theirs-5678";

/// Runs a test body with a hard timeout.
pub(crate) async fn within<T>(body: impl Future<Output = T>) -> T {
    tokio::time::timeout(HARD, body).await.expect("the test must end in time")
}

/// Asks until there is something.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(mut ask: impl FnMut() -> F) -> T {
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The shim and service, which cargo builds with the tests.
fn fixture() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let path = here.parent().unwrap().with_file_name("examples").join("providers-fixture");
    assert!(path.exists(), "run the tests without --test, so that the examples are built too");
    path
}

pub(crate) fn transport() -> Arc<dyn HttpService> {
    Arc::new(ReqwestService::new(&TransportOptions::default()).unwrap())
}

/// The stand-in, ended with its machines by [`Cloud::end`], or at the latest when it is dropped.
pub(crate) struct Cloud {
    handle: Option<Handle>,
    pub(crate) service: Arc<dyn HttpService>,
    _dir: TempDir,
}

impl Drop for Cloud {
    /// A failed test: the server's tasks are alive in its runtime, and this thread may not wait for them as one of it.
    fn drop(&mut self) {
        let Some(handle) = self.handle.take() else { return };
        let end = move || tokio::runtime::Runtime::new().map(|runtime| runtime.block_on(handle.down()));
        let _ = std::thread::spawn(end).join();
    }
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// With the app `web`, and an image of it that nobody runs yet.
    pub(crate) async fn with_web() -> (Self, ImageRef) {
        let cloud = Self::start().await;
        cloud.app("web").await;
        let image = cloud.image("web", "v1").await;
        (cloud, image)
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let shim = Shim { exe: fixture(), args: vec![ARGUMENT.to_owned()] };
        let runtime = Arc::from(runtime::choose(Some(RuntimeKind::Plain), shim).unwrap());
        let orgs = Orgs::one(OURS, "ours").with(THEIRS, "theirs");
        let mut options = Options::new(dir.path(), runtime, orgs);
        (options.rate_limits, options.lag) = (false, EdgeLag { min_ms: 1, max_ms: 30 });
        change(&mut options);
        let handle = Localcloud::start(options).await.unwrap();
        Self { handle: Some(handle), service: transport(), _dir: dir }
    }

    pub(crate) async fn end(mut self) {
        self.handle.take().expect("it ends once").down().await;
    }

    fn handle(&self) -> &Handle {
        self.handle.as_ref().expect("it has not ended")
    }

    pub(crate) fn api_url(&self) -> &str {
        self.handle().api_url()
    }

    /// The provider's own records of an app.
    pub(crate) fn audit(&self, app: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.handle().audit_path()).unwrap();
        let mark = format!("\"app\":{}", json!(app));
        // The last line may be on its way.
        text.lines()
            .filter(|line| line.contains(&mark))
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The registry's host, as it stands in image references.
    pub(crate) fn registry_host(&self) -> &str {
        self.handle().registry_host()
    }

    /// A client that repeats nothing, so that every failure is seen.
    pub(crate) fn client(&self, token: &str) -> Client {
        self.client_over(Arc::clone(&self.service), token)
    }

    pub(crate) fn client_over(&self, service: Arc<dyn HttpService>, token: &str) -> Client {
        let client = Client::new(self.handle().api_url().parse().unwrap(), token.parse().unwrap(), service);
        client.with_rates(Rates::unlimited()).with_retry(RetryPolicy::never())
    }

    pub(crate) fn fly(&self) -> FlyDeployer {
        FlyDeployer::new(self.client(OURS))
    }

    pub(crate) fn site_client(&self, token: &str) -> SiteClient {
        let base: Url = self.handle().api_url().parse().unwrap();
        SiteClient::new(base, token, Arc::clone(&self.service)).unwrap()
    }

    pub(crate) fn sites(&self) -> SiteDeployer {
        SiteDeployer::new(self.site_client(OURS))
    }

    pub(crate) fn registry(&self, token: &str) -> Registry {
        let auth = Some(Auth::new(token.parse().unwrap()));
        Registry::new(self.registry_host(), auth, Arc::clone(&self.service))
            .unwrap()
            .with_retry(RetryPolicy::never())
    }

    pub(crate) async fn app(&self, name: &str) {
        let app = NewApp { name: name.parse().unwrap(), org_slug: "ours".to_owned(), network: None };
        self.client(OURS).apps().create(&app).await.unwrap();
    }

    /// The service as an image, which the plain runtime finds on this host: small and quick. Another version is another
    /// digest. Pinned.
    pub(crate) async fn image(&self, repository: &str, version: &str) -> ImageRef {
        let tree = Tree::of_files([("etc/version", version.repeat(1000).into_bytes())]);
        let argv = vec![fixture().to_string_lossy().into_owned()];
        let env = BTreeMap::from([("VERSION".to_owned(), version.to_owned())]);
        let spec = ImageSpec { argv, env, ..ImageSpec::default() };
        self.push(repository, version, build(&tree, &spec).unwrap()).await
    }

    /// The same inside of an index, as build tools push it: beside the image of this platform another one and an
    /// attestation. Pinned to the index; and the digest of what runs of it.
    pub(crate) async fn index(&self, repository: &str, version: &str) -> (ImageRef, Digest) {
        let runs = self.image(repository, version).await;
        let here = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            _ => "arm64",
        };
        let elsewhere = self.image(repository, &format!("{version}-elsewhere")).await;
        let proof = self.image(repository, &format!("{version}-attestation")).await;
        let mut entries = Vec::new();
        for (image, os, architecture) in
            [(&proof, "unknown", "unknown"), (&elsewhere, "linux", "riscv64"), (&runs, "linux", here)]
        {
            let size = self.registry(OURS).manifest(image).await.unwrap().bytes.len();
            entries.push(json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": image.digest(), "size": size,
                "platform": {"os": os, "architecture": architecture},
            }));
        }
        let media_type = "application/vnd.oci.image.index.v1+json";
        let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": entries}).to_string();
        let push = Push {
            repository: repository.to_owned(),
            tag: Some(format!("{version}-index")),
            media_type: media_type.to_owned(),
            manifest: index.into(),
            blobs: Vec::new(),
        };
        (self.registry(OURS).push(&push).await.unwrap(), runs.digest().unwrap().clone())
    }

    /// An image whose program is a shell. Pinned.
    pub(crate) async fn script(&self, repository: &str, version: &str) -> ImageRef {
        let tree = Tree::of_files([("etc/version", version.as_bytes().to_vec())]);
        let spec = ImageSpec { argv: vec!["/bin/sh".to_owned()], ..ImageSpec::default() };
        self.push(repository, version, build(&tree, &spec).unwrap()).await
    }

    /// A static bundle of one page. Pinned.
    pub(crate) async fn bundle(&self, repository: &str, page: &str) -> ImageRef {
        let tree = Tree::of_files([("index.html", page.as_bytes().to_vec())]);
        self.push(repository, page, build_bundle_of(&tree, &BTreeMap::new()).unwrap()).await
    }

    async fn push(&self, repository: &str, tag: &str, image: BuiltImage) -> ImageRef {
        let push = Push {
            repository: repository.to_owned(),
            tag: Some(tag.to_owned()),
            media_type: image.media_type,
            manifest: image.manifest.into(),
            blobs: image.blobs.into_iter().map(|blob| blob.bytes.into()).collect(),
        };
        self.registry(OURS).push(&push).await.unwrap()
    }

    /// A call of the API by hand, as another client would make it.
    pub(crate) async fn raw(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}{path}", self.handle().api_url()).parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {OURS}")).unwrap());
        let body = body.map_or(Body::Empty, |body| Body::Bytes(body.to_string().into()));
        let request = Request { method, url, headers, body, timeout: Some(HARD) };
        let response = self.service.send(request).await.unwrap();
        let (status, mut stream, mut bytes) = (response.status.as_u16(), response.body, Vec::new());
        while let Some(part) = stream.next().await {
            bytes.extend_from_slice(&part.unwrap());
        }
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    pub(crate) async fn fault(&self, fault: Value) {
        let (status, said) = self.raw(Method::POST, "/localcloud/v1/faults", Some(fault)).await;
        assert_eq!(status, 200, "{said}");
    }

    /// A machine as the API shows it.
    pub(crate) async fn machine(&self, app: &str, id: &UnitId) -> Value {
        self.raw(Method::GET, &format!("/v1/apps/{app}/machines/{id}"), None).await.1
    }

    /// Where an app or site is reached, per region.
    pub(crate) async fn edges(&self, app: &str) -> Vec<Url> {
        let (_, said) = self.raw(Method::GET, &format!("/localcloud/v1/edges?app={app}"), None).await;
        said.as_array().unwrap().iter().map(|edge| edge["url"].as_str().unwrap().parse().unwrap()).collect()
    }

    /// The body of a page of an edge, when it answers 200.
    pub(crate) async fn page(&self, url: &Url) -> Option<String> {
        let request = Request {
            method: Method::GET,
            url: url.clone(),
            headers: HeaderMap::new(),
            body: Body::Empty,
            timeout: Some(HARD),
        };
        let response = self.service.send(request).await.ok().filter(|response| response.status == 200)?;
        let mut stream = response.body;
        let mut bytes = Vec::new();
        while let Some(part) = stream.next().await {
            bytes.extend_from_slice(&part.ok()?);
        }
        String::from_utf8(bytes).ok()
    }
}

pub(crate) fn place(provider: &str, name: &str) -> Place {
    Place {
        environment: "production".parse().unwrap(),
        component: "api".parse().unwrap(),
        provider: provider.to_owned(),
        name: name.to_owned(),
    }
}

pub(crate) fn key(id: &str) -> Key {
    Key { id: id.to_owned(), nonce: None }
}

/// Labels, or changes of labels.
pub(crate) fn map<V>(pairs: &[(&str, V)]) -> BTreeMap<String, V>
where
    V: Clone,
{
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

/// A config for the service with a check, as fly.toml gives it.
pub(crate) fn config() -> MachineConfig {
    serde_json::from_value(json!({
        "env": {"ENVIRONMENT": "production", "COMMIT": "0123456789abcdef"},
        "metadata": {"team": "blue"},
        "guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": 256},
        "services": [{
            "protocol": "tcp", "internal_port": 8080,
            "ports": [{"port": 80, "handlers": ["http"]}],
            "checks": [{"type": "http", "path": "/healthz", "interval": "200ms", "timeout": "5s", "grace_period": "10s"}],
        }],
    }))
    .unwrap()
}

pub(crate) fn spec(image: &ImageRef) -> UnitSpec {
    UnitSpec {
        group: "app".parse().unwrap(),
        region: "fra".parse().unwrap(),
        image: image.clone(),
        config: providers::fly::unit_config(&config()).into(),
        secrets_version: None,
        standby_for: std::collections::BTreeSet::new(),
    }
}

/// A deployer on one place, with the calls as methods.
pub(crate) struct On<'d> {
    pub(crate) deployer: &'d dyn Deployer,
    pub(crate) place: Place,
}

impl On<'_> {
    pub(crate) async fn try_call(&self, call: UnitCall, key: &Key) -> Result<Performed, PortError> {
        self.deployer.perform(&self.place, &call, key).await
    }

    pub(crate) async fn call(&self, call: UnitCall) -> Performed {
        let title = call.title();
        self.try_call(call, &key("k")).await.unwrap_or_else(|error| panic!("{title}: {error:?}"))
    }

    /// Creates a unit and waits until it is started and its checks pass.
    pub(crate) async fn created(
        &self,
        slot: &str,
        image: &ImageRef,
        labels: &[(&str, &str)],
        open: bool,
    ) -> Unit {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let call = UnitCall::Create { slot: slot.parse().unwrap(), spec: spec(image), labels, open };
        let made = self.call(call).await.unit.expect("a create names its unit");
        self.until(&made, |unit| {
            unit.state == promotion::model::UnitState::Started && unit.checks.iter().all(|c| c.passing)
        })
        .await
    }

    pub(crate) async fn fleet(&self) -> Fleet {
        self.deployer.observe_fleet(&self.place).await.unwrap()
    }

    pub(crate) async fn unit(&self, id: &UnitId) -> Option<Unit> {
        self.fleet().await.unit(id).cloned()
    }

    /// Looks until `want` holds of the unit.
    pub(crate) async fn until(&self, id: &UnitId, want: impl Fn(&Unit) -> bool) -> Unit {
        until(async || self.unit(id).await.filter(|unit| want(unit))).await
    }
}
