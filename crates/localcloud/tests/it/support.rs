//! A server on a directory of its own, images for it, and a plain HTTP client.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use cell::{
    runtime::{self, RuntimeKind},
    shim::{ARGUMENT, Shim},
};
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, Uri, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use localcloud::{EdgeLag, Handle, Localcloud, Options, Orgs};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// The test service.
pub(crate) const APP: &str = env!("CARGO_BIN_EXE_localcloud-fixture-app");

/// No test takes longer.
const HARD: Duration = Duration::from_secs(90);

/// Runs a test body with a hard timeout.
pub(crate) async fn within<T>(body: impl Future<Output = T>) -> T {
    tokio::time::timeout(HARD, body).await.expect("the test must end in time")
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

/// One request on a connection of its own; an error when the connection breaks before the answer.
pub(crate) async fn http(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Answer, String> {
    let uri: Uri = url.parse().unwrap();
    let authority = uri.authority().unwrap().to_string();
    let stream = TcpStream::connect(&authority).await.map_err(|e| e.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let target = uri.path_and_query().map_or("/", |p| p.as_str());
    let mut request = Request::builder().method(method).uri(target);
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request = request.header(HOST, authority);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).unwrap();
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(|e| e.to_string())?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(|e| e.to_string())?.to_bytes().to_vec();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        done = &mut exchange => done,
        _ = connection => exchange.await,
    }
}

/// Where a server is, and how to talk to it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) api: String,
    pub(crate) registry: String,
    pub(crate) token: String,
}

impl Client {
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    pub(crate) async fn try_call(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer, String> {
        self.call_with(method, path, &[], body).await
    }

    pub(crate) async fn call_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Answer, String> {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend(headers);
        let body = body.map(|b| b.to_string()).unwrap_or_default();
        http(method, &format!("{}{path}", self.api), &all, body).await
    }

    /// A call that must be answered.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.try_call(method, path, body).await.unwrap()
    }

    /// A call that must succeed.
    pub(crate) async fn ok(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let answer = self.call(method, path, body).await;
        assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.ok("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.ok("POST", path, Some(body)).await
    }

    pub(crate) async fn app(&self, name: &str) {
        let org = if self.token == "tok-b" { "other" } else { "acme" };
        self.post("/v1/apps", json!({"app_name": name, "org_slug": org})).await;
    }

    /// Creates a machine and waits until it is started.
    pub(crate) async fn started(&self, app: &str, body: Value) -> String {
        let machine = self.post(&format!("/v1/apps/{app}/machines"), body).await;
        let id = machine["id"].as_str().unwrap().to_owned();
        self.wait(app, &id, "started", machine["instance_id"].as_str().unwrap()).await;
        id
    }

    pub(crate) async fn wait(&self, app: &str, id: &str, state: &str, version: &str) {
        let path = format!("/v1/apps/{app}/machines/{id}/wait?state={state}&timeout=30&version={version}");
        self.get(&path).await;
    }

    pub(crate) async fn machine(&self, app: &str, id: &str) -> Value {
        self.get(&format!("/v1/apps/{app}/machines/{id}")).await
    }

    /// Asks until `want` holds of the machine.
    pub(crate) async fn until(&self, app: &str, id: &str, want: impl Fn(&Value) -> bool) -> Value {
        loop {
            let machine = self.machine(app, id).await;
            if want(&machine) {
                return machine;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn edges(&self, app: &str) -> Vec<String> {
        let edges = self.get(&format!("/localcloud/v1/edges?app={app}")).await;
        edges.as_array().unwrap().iter().map(|e| e["url"].as_str().unwrap().to_owned()).collect()
    }

    /// Asks every edge until all answer `want`.
    pub(crate) async fn until_edges(&self, app: &str, want: impl Fn(&Answer) -> bool) {
        for url in self.edges(app).await {
            while !http("GET", &url, &[], "").await.is_ok_and(|a| want(&a)) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    async fn registry_call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
        let url = format!("http://{}{path}", self.registry);
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend(headers);
        http(method, &url, &all, body).await.unwrap()
    }

    pub(crate) async fn registry(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Answer {
        self.registry_call(method, path, &[], body.into()).await
    }

    pub(crate) async fn registry_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.registry_call(method, path, headers, Bytes::copy_from_slice(body)).await
    }

    pub(crate) async fn push_blob(&self, repository: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let answer = self.registry("POST", &path, bytes.to_vec()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        json!({"digest": digest, "size": bytes.len()})
    }

    /// Pushes an image whose command is the test service, which the plain runtime finds on the host: small and quick.
    /// `env` is the image's own. Answers its digest.
    pub(crate) async fn push(&self, repository: &str, tag: &str, env: &[(&str, &str)]) -> String {
        let layer = archive(&[("etc/motd", tag.as_bytes(), 0o644)]);
        let env: Vec<String> = env.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let labels = json!({"org.opencontainers.image.version": tag});
        let config = json!({
            "architecture": "amd64", "os": "linux",
            "config": {"Entrypoint": [APP], "Env": env, "Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
        });
        self.push_manifest(
            repository,
            tag,
            "application/vnd.oci.image.config.v1+json",
            config.to_string().as_bytes(),
            &layer,
        )
        .await
    }

    /// Pushes an image with the test service and its libraries in it.
    pub(crate) async fn push_whole(&self, repository: &str, tag: &str) -> String {
        let program = cell::image::ProgramImage { program: APP.into(), ..Default::default() };
        let image = cell::image::build_program(&program).unwrap();
        for blob in &image.blobs {
            self.push_blob(repository, &blob.bytes).await;
        }
        let path = format!("/v2/{repository}/manifests/{tag}");
        let put =
            self.registry_with("PUT", &path, &[("content-type", &image.media_type)], &image.manifest).await;
        assert_eq!(put.header("docker-content-digest"), image.digest);
        image.digest
    }

    /// Pushes a static bundle of files.
    pub(crate) async fn push_bundle(&self, repository: &str, tag: &str, files: &[(&str, &str)]) -> String {
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_bytes(), 0o644)).collect();
        let layer = archive(&files);
        self.push_manifest(repository, tag, "application/vnd.oci.empty.v1+json", b"{}", &layer).await
    }

    async fn push_manifest(
        &self,
        repository: &str,
        tag: &str,
        config_type: &str,
        config: &[u8],
        layer: &[u8],
    ) -> String {
        let mut layer = self.push_blob(repository, layer).await;
        layer["mediaType"] = Value::from("application/vnd.oci.image.layer.v1.tar");
        let mut config = self.push_blob(repository, config).await;
        config["mediaType"] = Value::from(config_type);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": [layer],
        });
        let path = format!("/v2/{repository}/manifests/{tag}");
        let answer = self.registry("PUT", &path, manifest.to_string()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.header("docker-content-digest").to_owned()
    }

    /// A create body for the test service.
    pub(crate) fn config(&self, image: &str) -> Value {
        json!({
            "image": format!("{}/{image}", self.registry),
            "services": [{
                "protocol": "tcp", "internal_port": 8080, "ports": [{"port": 80, "handlers": ["http"]}],
                "checks": [{"type": "http", "path": "/healthz", "interval": "200ms", "timeout": "2s", "grace_period": "5s"}],
            }],
        })
    }
}

/// `sha256:…`.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

/// A tar archive.
pub(crate) fn archive(files: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes, mode) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        archive.append_data(&mut header, path, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

/// A state directory; when a test fails, the machines that it left behind end with it.
pub(crate) struct Dir(TempDir);

impl Dir {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let machines = std::fs::read_dir(self.path().join("machines")).into_iter().flatten().flatten();
        let ids: Vec<String> = machines.filter_map(|e| e.file_name().into_string().ok()).collect();
        for pid in programs_of(&ids) {
            let _ = std::process::Command::new("kill").args(["-9", &pid]).status();
        }
    }
}

/// The processes that run a program of these machines, known by their environment.
pub(crate) fn programs_of(ids: &[String]) -> Vec<String> {
    let marks: Vec<String> = ids.iter().map(|id| format!("FLY_MACHINE_ID={id}")).collect();
    let runs = |entry: std::fs::DirEntry| {
        let environ = std::fs::read(entry.path().join("environ")).ok()?;
        let command = std::fs::read(entry.path().join("cmdline")).ok()?;
        let mine = environ.split(|b| *b == 0).any(|pair| marks.iter().any(|m| m.as_bytes() == pair));
        (mine && String::from_utf8_lossy(&command).contains("localcloud-fixture-app"))
            .then(|| entry.file_name().into_string().ok())
            .flatten()
    };
    std::fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(runs).collect()
}

/// A server in this process, ended with its machines by [`Server::end`].
pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) dir: Dir,
    pub(crate) handle: Handle,
}

impl std::ops::Deref for Server {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

fn runtime(want: Option<RuntimeKind>) -> Arc<dyn runtime::Runtime> {
    let exe = env!("CARGO_BIN_EXE_localcloud-fixture").into();
    Arc::from(runtime::choose(want, Shim { exe, args: vec![String::from(ARGUMENT)] }).unwrap())
}

/// What this host offers at best.
pub(crate) fn best_runtime() -> Arc<dyn runtime::Runtime> {
    runtime(None)
}

/// Options for a server on `dir`: no rate limits, little lag, the plain runtime.
pub(crate) fn options(dir: &Path) -> Options {
    let orgs = Orgs::one("tok-a", "acme").with("tok-b", "other");
    let mut options = Options::new(dir, runtime(Some(RuntimeKind::Plain)), orgs);
    (options.rate_limits, options.lag, options.seed) = (false, EdgeLag { min_ms: 5, max_ms: 60 }, 7);
    options
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(with: impl FnOnce(&mut Options)) -> Self {
        Self::start_on(Dir::new(), with).await
    }

    pub(crate) async fn start_on(dir: Dir, with: impl FnOnce(&mut Options)) -> Self {
        let mut options = options(dir.path());
        with(&mut options);
        let handle = Localcloud::start(options).await.unwrap();
        let client = Client {
            api: handle.api_url().to_owned(),
            registry: handle.registry_host().to_owned(),
            token: String::from("tok-a"),
        };
        Self { client, dir, handle }
    }

    /// The audit log's lines.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.dir.path().join("audit.jsonl")).unwrap();
        // The last line may be on its way.
        text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect()
    }

    pub(crate) async fn end(self) {
        self.handle.down().await;
    }
}

/// `KEY=value` lines of the test service.
pub(crate) fn lines(text: &str) -> BTreeMap<String, String> {
    text.lines().filter_map(|l| l.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}
