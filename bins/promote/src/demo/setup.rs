//! The demo's project: files, keys, images. Everything that is written here a team would write by hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use cell::image::{BuiltImage, ImageSpec, ProgramImage, Tree, build_bundle_of, build_program};
use clikit::Failure;
use envconfig::Period;
use flyclient::fly::Client;
use flyclient::fly::wire::NewApp;
use flyclient::registry::{Auth, Push, Registry};
use flyclient::transport::HttpService;
use flyclient::{Base, Token};
use flytypes::ImageRef;
use runner::{Bundle, Release};
use serde_json::Value;
use url::Url;

use super::cloud::{ORG, Up};

/// The hidden verb under which this executable is the example service.
pub(super) const RUNNER: &str = "__runner";
const BASH: &str = "/bin/bash";

/// Where everything lies.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) dir: PathBuf,
}

impl Stage {
    pub(super) fn project(&self) -> PathBuf {
        self.dir.join("understudy.toml")
    }

    pub(super) fn cloud(&self) -> PathBuf {
        self.dir.join("cloud")
    }

    pub(super) fn store(&self) -> PathBuf {
        self.dir.join("understudy.db")
    }

    pub(super) fn key(&self, who: &str) -> PathBuf {
        self.dir.join("keys").join(who)
    }

    fn token(&self, environment: &str) -> PathBuf {
        self.dir.join(format!("{environment}.token"))
    }
}

fn disk(path: &Path) -> impl Fn(std::io::Error) -> Failure + '_ {
    move |error| Failure::unavailable(format!("{} cannot be written", path.display())).with_source(error)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(disk(parent))?;
    }
    std::fs::write(path, text).map_err(disk(path))
}

/// Keys of two people, and tokens of two environments; returns the tokens.
pub(super) fn credentials(stage: &Stage) -> Result<Vec<String>, Failure> {
    std::fs::create_dir_all(stage.dir.join("keys")).map_err(disk(&stage.dir))?;
    let mut lines = String::new();
    for who in ["developer", "lead"] {
        let path = stage.key(who);
        let key = providers::ssh::read_or_make_key(&path).map_err(disk(&path))?;
        let public = providers::ssh::public_line(&key);
        lines.push_str(&format!("{who} {public}\n"));
    }
    write(&stage.dir.join(".understudy/allowed_signers"), &lines)?;
    let mut tokens = Vec::new();
    for environment in ["production", "staging"] {
        let path = stage.token(environment);
        let token = format!("{environment}-{:032x}", providers::random_u128());
        write_secret(&path, &token)?;
        tokens.push(token);
    }
    Ok(tokens)
}

fn write_secret(path: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let open = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    open.and_then(|mut file| file.write_all(text.as_bytes())).map_err(disk(path))
}

/// A client of one environment.
pub(super) struct Hands {
    pub(super) client: Client,
    pub(super) registry: Registry,
    base: Url,
    token: String,
    service: Arc<dyn HttpService>,
}

impl Hands {
    pub(super) fn new(up: &Up, token: &str, service: &Arc<dyn HttpService>) -> Result<Self, Failure> {
        let bug =
            |error: &dyn std::fmt::Display| Failure::bug(format!("the demo's own address is none: {error}"));
        let base: Base = up.api.parse().map_err(|error: flyclient::BaseError| bug(&error))?;
        let secret: Token = token.parse().map_err(|error: flyclient::TokenError| bug(&error))?;
        let registry = Registry::new(&up.registry, Some(Auth::new(secret.clone())), service.clone())
            .map_err(|error| bug(&error))?;
        let url = base.as_url().clone();
        let client = Client::new(base, secret, service.clone());
        Ok(Self { client, registry, base: url, token: token.to_owned(), service: service.clone() })
    }

    pub(super) async fn app(&self, name: &str) -> Result<(), Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::unavailable(format!("app `{name}` cannot be made")).with_why(error.to_string())
        };
        let app = NewApp {
            name: name.parse().map_err(|error| failed(&error))?,
            org_slug: ORG.to_owned(),
            network: None,
        };
        self.client.apps().create(&app).await.map(drop).map_err(|error| failed(&error))
    }

    /// Where an app or site can be asked, edge by edge.
    pub(super) async fn edges(&self, name: &str) -> Result<Vec<Url>, Failure> {
        let mut url = self.base.clone();
        url.set_path("/localcloud/v1/edges");
        url.set_query(Some(&format!("app={name}")));
        let failed = || Failure::unavailable(format!("the edges of `{name}` cannot be asked for"));
        let list = super::fetch(&self.service, url, Some(&self.token))
            .await
            .map_err(|why| failed().with_why(why))?;
        let list: Value = serde_json::from_slice(&list).map_err(|error| failed().with_source(error))?;
        let urls =
            list.as_array().into_iter().flatten().filter_map(|edge| edge.get("url")?.as_str()?.parse().ok());
        Ok(urls.collect())
    }

    /// Where a site can be asked by its name on every edge, also before it has its first bundle.
    pub(super) async fn site_edges(&self, name: &str) -> Result<Vec<Url>, Failure> {
        let mut url = self.base.clone();
        url.set_path("/localcloud/v1/info");
        let failed = || Failure::unavailable("the stand-in cannot be asked where its edges are");
        let info = super::fetch(&self.service, url, None).await.map_err(|why| failed().with_why(why))?;
        let info: Value = serde_json::from_slice(&info).map_err(|error| failed().with_source(error))?;
        let edges = info["edges"].as_array().into_iter().flatten();
        let ports = edges.filter_map(|edge| edge["url"].as_str()?.parse::<Url>().ok()?.port());
        Ok(ports.filter_map(|port| format!("http://{name}.localhost:{port}/").parse().ok()).collect())
    }

    async fn push(&self, repository: &str, tag: &str, image: BuiltImage) -> Result<ImageRef, Failure> {
        let push = Push {
            repository: repository.to_owned(),
            tag: Some(tag.to_owned()),
            media_type: image.media_type,
            manifest: Bytes::from(image.manifest),
            blobs: image.blobs.into_iter().map(|blob| Bytes::from(blob.bytes)).collect(),
        };
        self.registry.push(&push).await.map_err(|error| {
            Failure::unavailable(format!("{repository}:{tag} cannot be pushed")).with_source(error)
        })
    }

    /// Builds and pushes one release: the service, which is this very executable, and the page.
    pub(super) async fn release(
        &self,
        release: Release,
        staging_api: &Url,
    ) -> Result<(ImageRef, ImageRef), Failure> {
        let version = release.version();
        let commit = commit(release);
        let exe = std::env::current_exe()
            .map_err(|error| Failure::unavailable("this executable cannot be found").with_source(error))?;
        let spec = ImageSpec {
            env: BTreeMap::from([
                ("VERSION".to_owned(), version.to_owned()),
                ("COMMIT".to_owned(), commit.clone()),
            ]),
            labels: BTreeMap::from([
                ("org.opencontainers.image.version".to_owned(), version.to_owned()),
                ("org.opencontainers.image.revision".to_owned(), commit.clone()),
            ]),
            ..ImageSpec::default()
        };
        let bash = PathBuf::from(BASH);
        let program = ProgramImage {
            program: exe,
            args: vec![RUNNER.to_owned()],
            with: if bash.exists() { vec![bash] } else { Vec::new() },
            spec,
            ..ProgramImage::default()
        };
        let failed = |error: cell::image::ImageError| {
            Failure::unavailable("the image cannot be built").with_source(error)
        };
        let api = tokio::task::spawn_blocking(move || build_program(&program))
            .await
            .map_err(|error| Failure::bug(error.to_string()))?
            .map_err(failed)?;
        let files = Bundle { release, commit, staging_api: staging_api.to_string() }.files();
        let web = build_bundle_of(&Tree::of_files(files), &BTreeMap::new())
            .map_err(|error| Failure::unavailable("the bundle cannot be built").with_source(error))?;
        Ok((self.push("runner", version, api).await?, self.push("runner-web", version, web).await?))
    }
}

/// Made-up commits, one per release.
pub(super) fn commit(release: Release) -> String {
    let n: u8 = match release {
        Release::Good => 1,
        Release::Better => 2,
        Release::Bad => 3,
    };
    format!("{n:02x}").repeat(20)
}

/// What of the project file only this run knows.
pub(super) struct Addresses {
    pub(super) api: BTreeMap<&'static str, Vec<Url>>,
    pub(super) web: BTreeMap<&'static str, Vec<Url>>,
}

/// The project: what a team would have in its repository.
pub(super) fn project(
    stage: &Stage,
    up: &Up,
    at: &Addresses,
    settle: Period,
    label: Option<&str>,
) -> Result<(), Failure> {
    let environment = |name: &'static str, app: &str| {
        let first = |urls: &BTreeMap<&'static str, Vec<Url>>| {
            urls[name].first().map(Url::to_string).unwrap_or_default()
        };
        let edges: Vec<String> = at.api[name].iter().map(|url| format!("\"{url}\"")).collect();
        let label = label.map(|label| format!(", APP_LABEL = {label:?}")).unwrap_or_default();
        format!(
            "[environments.{name}]\n\
             fly = {{ org = \"{ORG}\", token = \"file:{name}.token\", api = \"{}\", registry = \"{}\" }}\n\
             api = {{ app = \"{app}\", url = \"{}\", edges = [{}], overlay = {{ env = {{ APP_ENV = \"{name}\"{label} }} }} }}\n\
             web = {{ site = \"{app}-web\", url = \"{}\", env = {{ environment = \"{name}\", apiUrl = \"{}\" }} }}\n\n",
            up.api,
            up.registry,
            first(&at.api),
            edges.join(", "),
            first(&at.web),
            first(&at.api),
        )
    };
    let lead = super::person(&stage.key("lead"))?;
    // Without any pause for edges there is none for requests in flight either: what that costs can be seen.
    let drain = if settle == Period::ZERO { "0s" } else { "1s" };
    let text = format!(
        "[project]\nname = \"runner\"\n\n[store]\nurl = \"sqlite:understudy.db\"\n\n\
         [components.api]\nconfig = \"fly.toml\"\n\n[components.web]\nkind = \"static\"\ndir = \"web\"\n\n\
         {}{}[people]\nleads = [\"{lead}\"]\n\n[suites.smoke]\nfile = \"tests/smoke.toml\"\n\n\
         [promotion.staging.production]\nsuites = [\"smoke\"]\napprovals = {{ count = 1, from = [\"leads\"], expires = \"24h\" }}\n\
         strategy = \"bluegreen\"\nsettle = \"{settle}\"\ndrain = \"{drain}\"\nsoak = \"1s\"\nwait-timeout = \"1m\"\npark-for = \"1h\"\n",
        environment("production", "runner"),
        environment("staging", "runner-staging"),
    );
    write(&stage.project(), &text)?;
    write(&stage.dir.join("fly.toml"), FLY_TOML)?;
    write(&stage.dir.join("tests/smoke.toml"), SMOKE)?;
    Ok(())
}

const FLY_TOML: &str = r#"app = "runner"
primary_region = "fra"

[env]
  PORT = "8080"
  NUM_RUNNERS = "32"

[http_service]
  internal_port = 8080
  auto_stop_machines = "off"
  min_machines_running = 2

  [[http_service.checks]]
    interval = "2s"
    timeout = "1s"
    grace_period = "10s"
    method = "GET"
    path = "/readyz"
"#;

const SMOKE: &str = r#"name = "smoke"
target = "api"

[targets.web]
identity = { path = "/env.json", build-path = "/build.json" }

[[case]]
name = "lists languages"
[[case.step]]
request = "GET /api/v1/languages"
expect.headers.content-type.contains = "json"

[[case]]
name = "says what is wrong with a request"
[[case.step]]
request = "POST /api/v1/run"
json = { language = "cobol", source = "DISPLAY 'HI'." }
idempotent = true
expect.status = 400

[[case]]
name = "the page is there and asks the right API"
[[case.step]]
target = "web"
request = "GET /"
expect.body.contains = "<html"
[[case.step]]
target = "web"
request = "GET /env.json"
expect.json."$.apiUrl".exists = true
"#;
