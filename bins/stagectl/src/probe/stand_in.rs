//! The stand-in: a localcloud of this process that ends with the probe.

use std::{sync::Arc, time::Duration};

use cell::{runtime, shim::Shim};
use clikit::{Context, Failure};
use flyclient::{
    Token,
    fly::{
        Client,
        wire::{CreateMachine, NewApp},
    },
    limits::Rates,
    registry::{Auth, Push, Registry},
    retry::RetryPolicy,
    transport::{HttpService, Options as HttpOptions, ReqwestService},
};
use flytypes::{AppName, ImageRef, MachineId};
use localcloud::{EdgeLag, Handle, Localcloud, Options, Orgs};
use serde_json::Value;
use tempfile::TempDir;

use super::layout::REPOSITORY;

/// Where tokens of Fly's registry are looked for (fly.md 4.1).
const TOKENS: [&str; 2] = ["FLY_API_TOKEN", "FLY_ACCESS_TOKEN"];

/// One process asks: nobody else's tries have to be kept apart from its own.
const SEED: u64 = 1;
/// For how long a registry that takes no connection is tried: somebody waits for the answer.
const UNREACHED_MAX: Duration = Duration::from_secs(5);

pub(super) struct StandIn {
    handle: Handle,
    client: Client,
    registry: Registry,
    service: Arc<dyn HttpService>,
    app: AppName,
    _dir: TempDir,
}

fn away(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::unavailable(what).with_source(error)
}

impl StandIn {
    pub(super) async fn start() -> Result<Self, Failure> {
        let what = "the image cannot be tried on this machine";
        let dir = tempfile::tempdir().map_err(|error| away(what, error))?;
        let shim = Shim::current().map_err(|error| away(what, error))?;
        let runtime = Arc::from(runtime::choose(None, shim).map_err(|error| away(what, error))?);
        let secret = format!("probe-{:032x}", providers::random_u128());
        let mut options = Options::new(dir.path(), runtime, Orgs::one(&secret, "probe"));
        (options.rate_limits, options.lag) = (false, EdgeLag { min_ms: 0, max_ms: 0 });
        let handle = Localcloud::start(options).await.map_err(|error| away(what, error))?;
        let service: Arc<dyn HttpService> =
            Arc::new(ReqwestService::new(&HttpOptions::default()).map_err(|error| away(what, error))?);
        let token: Token = secret.parse().map_err(|error| away(what, error))?;
        let base = handle.api_url().parse().map_err(|error: flyclient::BaseError| away(what, error))?;
        let client = Client::new(base, token.clone(), service.clone()).with_rates(Rates::unlimited());
        let registry = Registry::new(handle.registry_host(), Some(Auth::new(token)), service.clone())
            .map_err(|error| away(what, error))?;
        let app: AppName = REPOSITORY.parse().map_err(|error| away(what, error))?;
        let new = NewApp { name: app.clone(), org_slug: "probe".to_owned(), network: None };
        client.apps().create(&new).await.map_err(|error| away(what, error))?;
        Ok(Self { handle, client, registry, service, app, _dir: dir })
    }

    /// Ends it and its machines.
    pub(super) async fn end(self) {
        self.handle.down().await;
    }

    /// Copies an image from its registry; the reference here.
    pub(super) async fn copy(&self, context: &Context, from: &ImageRef) -> Result<String, Failure> {
        let what = format!("{from} cannot be fetched");
        let token = TOKENS.iter().find_map(|name| context.var(name)).map(str::parse::<Token>).transpose();
        let auth = token.map_err(|error| away(&what, error))?.map(Auth::new);
        let hint = "set FLY_API_TOKEN to a token that may read it, or give it as a layout: --image-dir DIR";
        let source = Registry::new(from.registry(), auth, self.service.clone())
            .map_err(|error| away(&what, error).with_hint(hint))?
            .with_retry(RetryPolicy { unreached_max: UNREACHED_MAX, ..RetryPolicy::new(SEED) });
        let copied = self.registry.copy_from(&source, from, REPOSITORY, &[]).await;
        Ok(copied.map_err(|error| away(&what, error).with_hint(hint))?.image.to_string())
    }

    /// Pushes an image; the reference here.
    pub(super) async fn push(&self, push: &Push) -> Result<String, Failure> {
        let pushed = self.registry.push(push).await;
        Ok(pushed.map_err(|error| away("the image cannot be put onto the stand-in", error))?.to_string())
    }

    /// Makes a machine; its id.
    pub(super) async fn create(&self, config: &Value) -> Result<String, Failure> {
        let config = serde_json::from_value(config.clone())
            .map_err(|error| Failure::bug("a machine configuration does not read back").with_source(error))?;
        let machine = CreateMachine { config, ..CreateMachine::default() };
        let made = self.client.app(&self.app).machines().create(&machine).await;
        Ok(made.map_err(|error| away("a machine of the image cannot be made", error))?.id.to_string())
    }

    /// A machine as it is now.
    pub(super) async fn machine(&self, id: &str) -> Result<Value, Failure> {
        let id: MachineId = id.parse().map_err(|error| away("the stand-in gave no id", error))?;
        let machine = self.client.app(&self.app).machines().get(&id).await;
        let machine = machine.map_err(|error| away("the stand-in does not answer", error))?;
        serde_json::to_value(&machine)
            .map_err(|error| Failure::bug("a machine has no JSON form").with_source(error))
    }
}
