//! From the project file and the process environment to an engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clikit::{Common, Context, Exit, Failure, Progress};
use envconfig::SecretRef;
use envconfig::fly_toml::FlyToml;
use envconfig::project::{Binding, Class, Component, Environment, Project};
use flyclient::fly::Client;
use flyclient::registry::{Auth, Registry};
use flyclient::retry::RetryPolicy;
use flyclient::transport::{HttpService, Options as HttpOptions, ReqwestService, Telling};
use flyclient::{Base, Token};
use promotion::engine::{Engine, Options, Ports};
use promotion::journal::PromotionView;
use promotion::model::{ComponentName, EnvironmentName, Hash, Kind, Millis, SuiteName};
use promotion::ports::{Attestor, Clock as _, Ids as _, Journal, Randomness};
use providers::fly::{FlyDeployer, FlyOneOffs, FlySecrets};
use providers::site::{SiteClient, SiteDeployer};
use providers::ssh::{AllowedSigners, SshApprovals};
use providers::{
    Dispatch, Grounds, ItestChecks, OsRandomness, Registries, SuiteFile, SystemClock, Targets,
    TerminalNotices, UuidIds,
};
use url::Url;

use crate::closed::{self, Closed};
use crate::{Absent, base_data, signing, store};

/// Everything a verb needs.
#[derive(Debug)]
pub struct Wired {
    /// The project file.
    pub project: Project,
    /// fly.toml by component.
    pub configs: BTreeMap<String, FlyToml>,
    /// The engine, over everything below.
    pub engine: Engine,
    /// The store.
    pub journal: Arc<dyn Journal>,
    /// For looking on somebody's behalf who waits for it: gives up sooner than the engine's own.
    pub deployer: Arc<Dispatch>,
    /// As patient as `deployer`.
    pub registries: BTreeMap<String, Registry>,
    /// This runner's own key.
    pub attestor: Arc<dyn Attestor>,
    /// Who may sign.
    pub allowed: AllowedSigners,
    /// The suites' files as they stand here: their SHA-256.
    pub suites: BTreeMap<SuiteName, Hash>,
    /// Suites of which no test would run, and why.
    pub unreadable: BTreeMap<SuiteName, String>,
    /// Every API is on this machine.
    pub local: bool,
    closed: Closed,
    root: PathBuf,
}

impl Wired {
    /// What the components of `environment` shall become.
    ///
    /// # Errors
    /// 2 when the project file has no such environment.
    pub fn targets(&self, environment: &str) -> Result<Targets<'_>, Failure> {
        Targets::new(&self.project, environment, &self.configs)
            .map_err(|error| Failure::usage(error.to_string()))
    }

    /// A path of the project file, from where that lies.
    pub fn beside(&self, path: &Path) -> PathBuf {
        self.root.join(path)
    }

    /// What tests in `environment`, and of what comes there, run on: file → SHA-256.
    ///
    /// # Errors
    /// 2 when a file cannot be read.
    pub fn base_data(&self, environment: &str) -> Result<BTreeMap<String, Hash>, Failure> {
        let paths = self.project.paths().iter();
        let its = paths.filter(|((from, to), _)| from.as_str() == environment || to.as_str() == environment);
        let mut found = BTreeMap::new();
        for ((from, to), file) in
            its.flat_map(|(path, rules)| rules.base_data.value.iter().map(move |it| (path, it)))
        {
            let name = file.to_string();
            let hash = base_data::hash_of(&self.root, &name).map_err(|error| {
                Failure::usage(format!("the base data {name} cannot be read"))
                    .with_why(error.to_string())
                    .with_hint(format!(
                        "`base-data` of [promotion.{from}.{to}] names it, from the project file on"
                    ))
            })?;
            found.insert(name, hash);
        }
        Ok(found)
    }

    /// Whether the tokens of `environment` are here: for whoever changes it or looks at what runs there.
    ///
    /// # Errors
    /// 2 when one is not.
    pub fn can_reach(&self, environment: &str) -> Result<(), Failure> {
        self.closed.check(environment)
    }

    /// The same for whoever promotes into `environment`: images come from the environments before it.
    ///
    /// # Errors
    /// 2 when a token is not here.
    pub fn can_promote(&self, environment: &str) -> Result<(), Failure> {
        self.can_reach(environment)?;
        self.project.paths_into(environment).try_for_each(|(from, _)| self.can_reach(from.as_str()))
    }

    /// The same for whoever goes on with a promotion, or ends it.
    ///
    /// # Errors
    /// 2 when a token is not here.
    pub fn can_drive(&self, promotion: &PromotionView) -> Result<(), Failure> {
        let request = &promotion.state.facts.request;
        match request.kind {
            Kind::Promote => self.can_promote(request.environment.as_str()),
            _ => self.can_reach(request.environment.as_str()),
        }
    }

    /// The same for whoever looks after everything but what somebody has on their own machine.
    ///
    /// # Errors
    /// 2 when a token is not here.
    pub fn can_reach_all(&self) -> Result<(), Failure> {
        let environments = self.project.environments().values();
        let elsewhere = environments.filter(|it| it.class.value != Class::Local);
        elsewhere.map(|it| it.name.as_str()).try_for_each(|name| self.can_reach(name))
    }

    /// With what reads `environment`'s images.
    ///
    /// # Errors
    /// 2 when the project file has no such environment, or its token is not here.
    pub fn registry(&self, environment: &str) -> Result<&Registry, Failure> {
        self.can_reach(environment)?;
        self.registries
            .get(environment)
            .ok_or_else(|| Failure::usage(format!("the project file has no environment `{environment}`")))
    }
}

/// Files of a project, read.
pub(crate) struct Files {
    pub(crate) project: Project,
    pub(crate) root: PathBuf,
    pub(crate) configs: BTreeMap<String, FlyToml>,
    pub(crate) suites: BTreeMap<SuiteName, SuiteFile>,
}

fn read(path: &Path, what: &str) -> Result<String, Failure> {
    clikit::read_text(path).map_err(|error| {
        Failure::usage(format!("{what} {} cannot be read", path.display())).with_why(error.to_string())
    })
}

pub(crate) fn files(context: &Context, common: &Common) -> Result<Files, Failure> {
    let path = context.current_dir.join(&common.project);
    let text = read(&path, "the project file").map_err(|failure| {
        failure.with_hint("run in the project's directory, or name the file with --project FILE")
    })?;
    let shown = common.project.display().to_string();
    let project = Project::parse(&shown, &text)
        .map_err(|problems| Failure::usage(problems.to_string().trim_end().to_owned()))?
        .value;
    let root = path.parent().unwrap_or(&context.current_dir).to_path_buf();
    let mut configs = BTreeMap::new();
    for (name, component) in project.components() {
        if let Component::Fly { config, .. } = component {
            let file = root.join(config.value.as_str());
            let text = read(&file, "the fly.toml").map_err(|failure| {
                failure
                    .with_hint(format!("`config` of [components.{name}] names it, from the project file on"))
            })?;
            let named = |path: &str| {
                clikit::read_bytes(&file.with_file_name("").join(path)).map_err(|error| error.to_string())
            };
            let toml = FlyToml::parse_beside(&file.display().to_string(), &text, &named)
                .map_err(|problems| Failure::usage(problems.to_string().trim_end().to_owned()))?;
            configs.insert(name.to_string(), toml.value);
        }
    }
    let mut suites = BTreeMap::new();
    for (name, suite) in project.suites() {
        let file = root.join(suite.file.value.as_str());
        let text = read(&file, "the suite file").map_err(|failure| {
            failure.with_hint(format!("`file` of [suites.{name}] names it, from the project file on"))
        })?;
        let name = SuiteName::new(name.as_str()).map_err(|error| Failure::usage(error.to_string()))?;
        suites.insert(name, SuiteFile { file: file.display().to_string(), text });
    }
    Ok(Files { project, root, configs, suites })
}

/// For whoever is about to do what is signed in the end, before anything else.
///
/// # Errors
/// 2 when the project file cannot be used, or names a runner's key that is not here.
pub fn can_sign(context: &Context, common: &Common) -> Result<(), Failure> {
    signing::is_here(context, &files(context, common)?)
}

/// Opens everything a verb needs; of what it opens only the store is talked to. `absent` says what becomes of a store that is not
/// there. An environment whose token is not here stays closed, and only who needs it is told: [`Wired::can_reach`].
///
/// # Errors
/// 2 when a file or token cannot be used or there is no journal, 3 when the store may not be used, 8 when it cannot be
/// opened.
pub async fn wire(context: &Context, common: &Common, absent: Absent) -> Result<Wired, Failure> {
    let files = files(context, common)?;
    let services = Services::new(context)?;
    let clock = Arc::new(SystemClock);
    let ids = Arc::new(UuidIds::default());
    let address =
        store::address(context, common.store.as_deref(), &files.project, &files.root, |reference| {
            secret(context, &files.root, reference)
        })?;
    let anchors = store::anchors::open(context, &files.project, &address, |reference| {
        secret(context, &files.root, reference)
    });
    let anchors = match anchors {
        // Nothing waits for that place, least of all a rescuer.
        Err(failure) if failure.exit == Exit::Usage => {
            let what = &failure.what;
            Progress::stderr(context).line(format!(
                "nothing is anchored from here, because the place for anchors cannot be used: {what}; `store.anchor` in the \
                 project file names it, and a runner that reaches it makes up for it"
            ));
            None
        }
        anchors => anchors?,
    };
    let store::Kept { journal, key } =
        store::open(context, &address, absent, clock.clone(), (&ids.runner(), ids.store())).await?;
    let (mut dispatch, mut lookout) = (Dispatch::default(), Dispatch::default());
    let mut registries = Registries::default();
    let mut by_name = BTreeMap::new();
    let mut grounds = BTreeMap::new();
    let mut local = true;
    let mut closed = Closed::default();
    let here = edges_here(context)?;
    for (name, environment) in files.project.environments() {
        let name = EnvironmentName::new(name.as_str()).map_err(|error| Failure::usage(error.to_string()))?;
        if let Some(lack) = closed::lack(context, &files.root, environment) {
            local &= is_local(api_of(context, environment)?.as_url());
            dispatch = dispatch.without(name.clone(), lack.what.as_str());
            lookout = lookout.without(name.clone(), lack.what.as_str());
            registries = registries.without(name.clone(), lack.what.as_str());
            closed.insert(name.as_str(), lack);
            continue;
        }
        let open = Opened::new(context, &files.root, environment, &services)?;
        local &= open.local;
        dispatch = open.engine.join(dispatch, &name);
        lookout = open.looking.join(lookout, &name);
        registries = registries.with_rights(name.clone(), open.engine.pull, open.engine.push);
        by_name.insert(name.to_string(), open.looking.pull);
        grounds.insert(name, grounds_of(environment, if open.local { &here } else { &[] })?);
    }
    let allowed = allowed_signers(&files.root)?;
    let is_shared = !matches!(address.place, store::Place::File(_));
    let attestor = signing::open(context, &files, key.as_deref(), (allowed.clone(), is_shared))?;
    let dispatch = Arc::new(dispatch);
    let components: Vec<&str> = files.project.components().keys().map(|name| name.as_str()).collect();
    let suites = files.suites.iter().map(|(name, file)| (name.clone(), file.hash())).collect();
    let unreadable = files.suites.iter().filter_map(|(name, file)| {
        let problems = file.problems().or_else(|| stranger(file, &components))?;
        Some((name.clone(), problems))
    });
    let unreadable = unreadable.collect();
    let ports = Ports {
        journal: journal.clone(),
        deployer: dispatch.clone(),
        secrets: dispatch.clone(),
        one_offs: dispatch,
        registry: Arc::new(registries),
        checks: Arc::new(ItestChecks::new(files.suites, grounds, services.plain)),
        approvals: Arc::new(SshApprovals::new(allowed.clone()).with_local_names(local)),
        attestor: attestor.clone(),
        // Of a journal that is only imagined there is nothing to remember.
        anchors: anchors.filter(|_| key.is_some()),
        notifier: Arc::new(TerminalNotices::new(clikit::stderr(context))),
        clock,
        ids,
        randomness: Arc::new(OsRandomness),
    };
    Ok(Wired {
        project: files.project,
        configs: files.configs,
        engine: Engine::new(options(address.lease), ports),
        journal,
        deployer: Arc::new(lookout),
        registries: by_name,
        attestor,
        allowed,
        suites,
        unreadable,
        local,
        closed,
        root: files.root,
    })
}

/// A target that no release has: the suite would fail when the release is there already.
fn stranger(file: &SuiteFile, components: &[&str]) -> Option<String> {
    let strangers = file.strangers(components);
    let stranger = strangers.first()?;
    let known = components.join("`, `");
    Some(format!("{}: a request goes to `{stranger}`, which is no component; there are `{known}`", file.file))
}

fn options(lease: Option<Millis>) -> Options {
    let options = Options::default();
    Options { lease_ttl: lease.unwrap_or(options.lease_ttl), ..options }
}

/// For how long a look tries to reach a provider that takes no connection. A promotion that is under way has its own,
/// longer patience.
const UNREACHED_MAX: Duration = Duration::from_secs(5);

/// One transport, and how it tells at once that nobody is there.
pub(crate) struct Services {
    /// Tells nobody: an edge that does not answer is an answer.
    pub(crate) plain: Arc<dyn HttpService>,
    /// For whoever looks and waits for it.
    looking: Arc<dyn HttpService>,
    /// For the engine.
    patient: Arc<dyn HttpService>,
}

impl Services {
    pub(crate) fn new(context: &Context) -> Result<Self, Failure> {
        let service = ReqwestService::new(&HttpOptions::default())
            .map_err(|error| Failure::unavailable("the HTTP client cannot be set up").with_source(error))?;
        let plain: Arc<dyn HttpService> = Arc::new(service);
        let telling = |then: String| -> Arc<dyn HttpService> {
            let progress = Progress::stderr(context);
            let hear = move |origin: &str, why: &str| {
                progress.line(format!("cannot reach {origin}: {why}; {then}"));
            };
            Arc::new(Telling::new(plain.clone(), Box::new(hear)))
        };
        let looking = telling(format!("trying again for {} s", UNREACHED_MAX.as_secs()));
        let patient = telling("trying on".to_owned());
        Ok(Self { plain, looking, patient })
    }
}

/// One environment's clients, twice: as patient as who uses them.
pub(crate) struct Opened {
    engine: Reach,
    pub(crate) looking: Reach,
    pub(crate) local: bool,
}

/// The clients themselves.
pub(crate) struct Reach {
    pub(crate) client: Client,
    /// Logs are told elsewhere.
    logs: Client,
    sites: SiteClient,
    pub(crate) pull: Registry,
    push: Registry,
}

impl Opened {
    pub(crate) fn new(
        context: &Context,
        root: &Path,
        environment: &Environment,
        services: &Services,
    ) -> Result<Self, Failure> {
        let name = &environment.name;
        let read = |reference: &SecretRef, what: &str| {
            let text = secret(context, root, reference)?;
            let token: Token = text.parse().map_err(|error: flyclient::TokenError| {
                Failure::usage(format!("the token of environment `{name}`{what} is none")).with_source(error)
            })?;
            Ok::<_, Failure>((text, token))
        };
        let (secret, token) = read(&environment.fly.token.value, "")?;
        let pull = read(&environment.registry.pull.value, " to read images")?.1;
        let push = read(&environment.registry.push.value, " to write images")?.1;
        let base = api_of(context, environment)?;
        let local = is_local(base.as_url());
        let logs = logs_beside(context, &base)?;
        let host = environment.fly.registry.as_ref().map(ToString::to_string);
        let host = host.or_else(|| context.var("FLY_REGISTRY_HOST").map(str::to_owned));
        let host = host.unwrap_or_else(|| "registry.fly.io".to_owned());
        let patient = RetryPolicy::new(OsRandomness.below(u64::MAX));
        let looking = RetryPolicy { unreached_max: UNREACHED_MAX, ..patient.clone() };
        let reach = |service: &Arc<dyn HttpService>, policy: RetryPolicy| {
            let registry = |token: &Token| {
                let opened = Registry::new(&host, Some(Auth::new(token.clone())), service.clone());
                opened
                    .map(|registry| registry.with_retry(policy.clone()))
                    .map_err(|error| Failure::usage(format!("`{host}` is no registry")).with_source(error))
            };
            let (pull, push) = (registry(&pull)?, registry(&push)?);
            let sites =
                SiteClient::new(base.as_url().clone(), &secret, service.clone()).ok_or_else(|| {
                    Failure::usage(format!("the token of environment `{}` is none", environment.name))
                })?;
            let over = |base: &Base| {
                Client::new(base.clone(), token.clone(), service.clone()).with_retry(policy.clone())
            };
            Ok::<_, Failure>(Reach { client: over(&base), logs: over(&logs), sites, pull, push })
        };
        let (looking, engine) = (reach(&services.looking, looking)?, reach(&services.patient, patient)?);
        Ok(Self { engine, looking, local })
    }
}

impl Reach {
    fn join(&self, dispatch: Dispatch, name: &EnvironmentName) -> Dispatch {
        let fly = FlyDeployer::new(self.client.clone()).with_images(self.pull.clone());
        dispatch
            .with(name.clone(), "fly", Arc::new(fly))
            .with_secrets(name.clone(), "fly", Arc::new(FlySecrets::new(self.client.clone())))
            .with_one_offs(
                name.clone(),
                "fly",
                Arc::new(FlyOneOffs::new(self.client.clone(), self.logs.clone())),
            )
            .with(name.clone(), "static", Arc::new(SiteDeployer::new(self.sites.clone())))
    }
}

/// Where an environment's machines are asked for: as the project file says, as flyctl has it, or at Fly.
pub(crate) fn api_of(context: &Context, environment: &Environment) -> Result<Base, Failure> {
    let base = environment.fly.api.clone().map(String::from);
    match base.or_else(|| context.var("FLY_FLAPS_BASE_URL").map(str::to_owned)) {
        Some(text) => text.parse().map_err(|error: flyclient::BaseError| {
            Failure::usage(format!("`{text}` is no address of a Machines API")).with_source(error)
        }),
        None => Ok(Base::fly()),
    }
}

/// Where logs are told: as flyctl has it, else beside an API that is not Fly's own, else at Fly.
fn logs_beside(context: &Context, api: &Base) -> Result<Base, Failure> {
    match context.var("FLY_API_BASE_URL") {
        _ if is_local(api.as_url()) => Ok(api.clone()),
        Some(text) => text.parse().map_err(|error: flyclient::BaseError| {
            Failure::usage(format!("`{text}` is no address of an API")).with_source(error)
        }),
        None => Ok(Base::fly_logs()),
    }
}

pub(crate) fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

pub(crate) fn secret(context: &Context, root: &Path, reference: &SecretRef) -> Result<String, Failure> {
    match reference {
        SecretRef::Variable(name) => context.var(name.as_str()).map(str::to_owned).ok_or_else(|| {
            Failure::usage(format!("the variable {name} is not set"))
                .with_why("the project file takes a token from it")
        }),
        SecretRef::File(path) => {
            read(&root.join(path.as_str()), "the secret file").map(|text| text.trim().to_owned())
        }
    }
}

/// The variable in which a local stand-in says where its edges are, separated by spaces.
const EDGES: &str = "LOCALCLOUD_EDGES";

pub(crate) fn edges_here(context: &Context) -> Result<Vec<Url>, Failure> {
    let said = context.var(EDGES).unwrap_or_default();
    let parse = |text: &str| {
        Url::parse(text).map_err(|error| {
            Failure::usage(format!("{EDGES} has `{text}`, which is no URL")).with_source(error)
        })
    };
    said.split_whitespace().map(parse).collect()
}

/// Where `app` is reached at the edges of a local stand-in: it tells apps apart by their host name.
fn at_edges(app: &str, edges: &[Url]) -> Vec<Url> {
    let of =
        |edge: &Url| Url::parse(&format!("http://{app}.localhost:{}/", edge.port_or_known_default()?)).ok();
    edges.iter().filter_map(of).collect()
}

/// Where the components of an environment are reached; `here` are a local stand-in's edges, for what has no address
/// of its own.
pub(crate) fn grounds_of(environment: &Environment, here: &[Url]) -> Result<Grounds, Failure> {
    let mut grounds = Grounds::default();
    for (component, binding) in &environment.bindings {
        let (url, edges) = match binding {
            Binding::Fly(fly) if fly.url.is_none() && !here.is_empty() => {
                let edges = at_edges(fly.app.value.as_str(), here);
                (edges.first().cloned(), Some(fly.edges.clone().unwrap_or(edges)))
            }
            Binding::Fly(fly) => (fly.public_url(), fly.edges.clone()),
            Binding::Static(site) if site.url.is_none() && !here.is_empty() => {
                (at_edges(site.site.value.as_str(), here).into_iter().next(), None)
            }
            Binding::Static(site) => (site.url.clone(), None),
            Binding::Supabase(_) => continue,
        };
        let name =
            ComponentName::new(component.as_str()).map_err(|error| Failure::usage(error.to_string()))?;
        grounds.targets.extend(url.map(|url| (name.clone(), url)));
        grounds.edges.extend(edges.map(|edges| (name, edges)));
    }
    Ok(grounds)
}

/// Who may sign, beside the project file.
pub(crate) const SIGNERS: &str = ".understudy/allowed_signers";

pub(crate) fn allowed_signers(root: &Path) -> Result<AllowedSigners, Failure> {
    let path = root.join(SIGNERS);
    match std::fs::read_to_string(&path) {
        Ok(text) => AllowedSigners::parse(&path.display().to_string(), &text)
            .map(|allowed| allowed.at(SystemClock.now()))
            .map_err(|error| Failure::usage("the allowed signers cannot be read").with_source(error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(AllowedSigners::default()),
        Err(error) => Err(Failure::usage(format!("{} cannot be read", path.display())).with_source(error)),
    }
}
