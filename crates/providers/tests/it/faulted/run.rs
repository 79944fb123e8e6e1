//! One promotion under faults, by the real engine over the real adapters against a localcloud, and what the provider
//! says of it before and afterwards.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use flyclient::fly::Client;
use flyclient::limits::Rates;
use flyclient::retry::RetryPolicy;
use flytypes::ImageRef;
use futures_util::future::Either;
use http::Method;
use promotion::engine::{Ask, Engine, EngineEvent, Events, Options, Ports};
use promotion::journal::Memory;
use promotion::machine::Phase;
use promotion::model::{
    Class, ComponentTarget, EnvironmentName, GroupTarget, Kind, Limits, Millis, Person, Place, Policy, Proof,
    Release, Signed, StoreId, Strategy,
};
use promotion::plain::{NoMachines, NoSecrets};
use promotion::ports::Clock as _;
use promotion::testing::{Desk, Seeded, Signer};
use providers::fly::{FlyDeployer, expected_checks, unit_config};
use providers::{Grounds, ItestChecks, Registries, SuiteFile, SystemClock, UuidIds};
use serde_json::{Value, json};

use super::rows::{Row, When};
use super::staged::Staged;
use crate::support::{Cloud, OURS, config};

/// No run takes longer, faults and rescues included.
const HARD: Duration = Duration::from_secs(200);
/// Machines of the old fleet that run; one more sleeps in traffic.
const AWAKE: usize = 2;
const COMMIT: &str = "0123456789abcdef";
const SMOKE: &str = "name = \"smoke\"\ntarget = \"api\"\n[[case]]\nname = \"answers\"\n[[case.step]]\nrequest = \"GET /\"\nexpect.status = 200\n";

/// Two releases in a registry.
pub(crate) struct Images {
    pub(crate) old: ImageRef,
    pub(crate) new: ImageRef,
}

/// How a run came out.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) phase: Option<Phase>,
    pub(crate) why: String,
    pub(crate) seconds: f64,
    /// Calls that the provider was asked for, and how many of them changed something.
    pub(crate) calls: (usize, usize),
    pub(crate) struck: u64,
    /// What must not be.
    pub(crate) wrong: Vec<String>,
    /// What happened, for whoever has to find out why.
    pub(crate) story: Vec<String>,
}

/// An app of its own on a shared stand-in, with an old fleet as flyctl makes it.
pub(crate) struct Run<'c> {
    cloud: &'c Cloud,
    images: &'c Images,
    app: String,
    strategy: Strategy,
    place: Place,
    desk: Arc<Desk>,
    deployer: Arc<Staged>,
    engine: Engine,
    manner: Manner,
}

/// What runs may have of their own.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    /// What the service says besides, such as what the proxy may do with its machines.
    pub(crate) service: Value,
    /// The same of the fleet that is found.
    pub(crate) before: Value,
    pub(crate) soak: Millis,
}

impl Default for Manner {
    fn default() -> Self {
        Self { service: json!({}), before: json!({}), soak: Millis(300) }
    }
}

fn environment() -> EnvironmentName {
    "production".parse().unwrap()
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    (limits.settle, limits.drain, limits.wait) = (Millis(200), Millis(100), Millis(7_000));
    (limits.unhealthy, limits.client_timeout) = (Millis(4_000), Millis(2_500));
    // Longer than a list lags, by as much as a busy host may take to answer.
    limits.list_lag = Millis(1_500);
    limits
}

/// The service's configuration in a release; the environment differs too, so that a way back has something to put back.
fn config_of(release: &str, service: &Value) -> flytypes::machine::MachineConfig {
    let mut config = config();
    config.env.insert("RELEASE".to_owned(), release.to_owned());
    // Many machines side by side: their checks alone would keep the host busy.
    let mut value = serde_json::to_value(config).unwrap();
    value["services"][0]["checks"][0]["interval"] = json!("500ms");
    value["services"][0].as_object_mut().unwrap().extend(service.as_object().unwrap().clone());
    serde_json::from_value(value).unwrap()
}

impl<'c> Run<'c> {
    pub(crate) async fn new(
        cloud: &'c Cloud,
        images: &'c Images,
        app: &str,
        strategy: Strategy,
        manner: Manner,
    ) -> Self {
        cloud.app(app).await;
        let place = Place {
            environment: environment(),
            component: "api".parse().unwrap(),
            provider: "fly".to_owned(),
            name: app.to_owned(),
        };
        let edges = cloud.edges(app).await;
        let suite = SuiteFile { file: "smoke.toml".to_owned(), text: SMOKE.to_owned() };
        let grounds = Grounds {
            targets: BTreeMap::from([(place.component.clone(), edges[0].clone())]),
            edges: BTreeMap::from([(place.component.clone(), edges)]),
        };
        let retry = RetryPolicy {
            attempts_max: 3,
            elapsed_max: Duration::from_secs(2),
            delay_min: Duration::from_millis(100),
            delay_max: Duration::from_millis(500),
            ..RetryPolicy::new(1)
        };
        let client =
            Client::new(cloud.api_url().parse().unwrap(), OURS.parse().unwrap(), cloud.service.clone())
                .with_rates(Rates::unlimited())
                .with_retry(retry);
        let clock = Arc::new(SystemClock);
        let desk = Arc::new(Desk::default());
        let signer = Arc::new(Signer::new(Person::new("ssh:SHA256:runner").unwrap()));
        let deployer = Arc::new(Staged::new(FlyDeployer::new(client)));
        let ports = Ports {
            journal: Arc::new(Memory::new(StoreId::new(format!("store-{app}")).unwrap(), clock.clone())),
            deployer: deployer.clone(),
            registry: Arc::new(Registries::default().with(environment(), cloud.registry(OURS))),
            secrets: Arc::new(NoSecrets),
            one_offs: Arc::new(NoMachines),
            checks: Arc::new(ItestChecks::new(
                BTreeMap::from([("smoke".parse().unwrap(), suite)]),
                BTreeMap::from([(environment(), grounds)]),
                cloud.service.clone(),
            )),
            approvals: signer.clone(),
            attestor: signer,
            anchors: None,
            notifier: desk.clone(),
            clock,
            ids: Arc::new(UuidIds::default()),
            randomness: Arc::new(Seeded::new(1)),
        };
        // A lease whose number was lost lasts twice as long: that is what such a fault costs.
        let options = Options { lease_ttl: Millis(6_000), poll: Millis(200), looks_failed_max: 10 };
        let engine = Engine::new(options, ports);
        Self { cloud, images, app: app.to_owned(), strategy, place, desk, deployer, engine, manner }
    }

    /// Machines as `fly deploy` leaves them (fly.md 2.3): two that run and one that was stopped by the proxy.
    async fn old_fleet(&self) {
        let mut config = serde_json::to_value(config_of("old", &self.manner.before)).unwrap();
        config["image"] = json!(self.images.old.to_string());
        config["metadata"] = json!({
            "team": "blue", "fly_platform_version": "v2", "fly_process_group": "app", "fly_release_id": "rel-1",
        });
        let path = format!("/v1/apps/{}/machines", self.app);
        let mut ids = Vec::new();
        for n in 0..=AWAKE {
            let body = json!({"config": config, "region": "fra", "skip_launch": n == AWAKE});
            let (status, made) = self.cloud.raw(Method::POST, &path, Some(body)).await;
            assert_eq!(status, 200, "{made}");
            ids.push(made["id"].as_str().unwrap().to_owned());
        }
        for (n, id) in ids.iter().enumerate() {
            loop {
                let machine = self.cloud.raw(Method::GET, &format!("{path}/{id}"), None).await.1;
                let passes = machine["checks"].as_array().unwrap().iter().all(|c| c["status"] == "passing");
                if machine["state"] == "stopped" && n == AWAKE || machine["state"] == "started" && passes {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    fn target(&self) -> ComponentTarget {
        let config = config_of("new", &self.manner.service);
        let group = GroupTarget {
            config: unit_config(&config).into(),
            counts: BTreeMap::from([("fra".parse().unwrap(), u32::try_from(AWAKE + 1).unwrap())]),
            proof: Proof::Checks(expected_checks(&config)),
        };
        let image = self.images.new.clone();
        let mut target = ComponentTarget::new(self.place.clone(), image, "app".parse().unwrap(), group);
        (target.strategy, target.limits) = (self.strategy, limits());
        target
    }

    fn ask(&self) -> Ask {
        let target = self.target();
        let release = Release {
            version: "v2".to_owned(),
            commit: COMMIT.to_owned(),
            tree: None,
            components: BTreeMap::from([(self.place.component.clone(), target.digest().unwrap().clone())]),
        };
        let person = Person::new("ssh:SHA256:developer").unwrap();
        let mut ask =
            Ask::new(environment(), Class::Staging, Kind::Deploy, release, vec![target], person.clone());
        ask.policy = Policy {
            verify: std::iter::once("smoke".parse().unwrap()).collect(),
            soak: self.manner.soak,
            deadline: Millis(150_000),
            ..Policy::default()
        };
        let at = SystemClock.now();
        ask.signed = Some(Signed { at, proof: Signer::proof(&person, &ask.wish().statement(&person, at)) });
        ask
    }

    async fn set(&self, row: &Row) {
        let mut fault = row.fault.clone();
        fault["app"] = json!(self.app);
        self.cloud.fault(fault).await;
    }

    /// Promotes under the faults of `rows`; when the engine is at rest, rescuers come by until nothing is left to do.
    pub(crate) async fn promote(&self, rows: &[Row]) -> Ended {
        self.old_fleet().await;
        let before = self.machines().await;
        for row in rows.iter().filter(|row| row.when == When::Asked) {
            self.set(row).await;
        }
        let (mut events, begun) = (self.engine.events(), tokio::time::Instant::now());
        let from = self.cloud.audit(&self.app).len();
        let handle = self.engine.request(self.ask()).await.unwrap();
        let play = async {
            let _away_is_tried_again = handle.drive().await;
            while !self.is_over(&handle.id).await {
                tokio::time::sleep(Duration::from_millis(300)).await;
                let _away_is_tried_again = self.engine.tick().await;
            }
        };
        let stage = async {
            self.deployer.begins().await;
            for row in rows.iter().filter(|row| row.when == When::Deploying) {
                self.set(row).await;
            }
            self.deployer.go_on();
            std::future::pending::<()>().await;
        };
        let play = async {
            match futures_util::future::select(pin!(tokio::time::timeout(HARD, play)), pin!(stage)).await {
                Either::Left((played, _)) => played,
                Either::Right(((), _)) => Ok(()),
            }
        };
        let (played, story) = tokio::join!(play, self.watch(&mut events, begun));
        let seconds = begun.elapsed().as_secs_f64();
        let lines = self.cloud.audit(&self.app).split_off(from);
        let changes = lines.iter().filter(|l| l["applied"] == true).count();
        let calls = (lines.iter().filter(|l| l["action"].is_string()).count(), changes);
        let facts = self.engine.view(&environment()).await.unwrap().promotions[&handle.id].state.clone();
        let why = facts.facts.failure.as_ref().map(|failure| failure.why.clone());
        let mut ended = Ended {
            phase: played.is_ok().then_some(facts.phase),
            why: why.or(facts.facts.stalled).unwrap_or_default(),
            seconds,
            calls,
            struck: self.struck().await,
            wrong: Vec::new(),
            story,
        };
        self.judge(&before, rows, &mut ended).await;
        // Nothing lands afterwards, either.
        self.faults_are_over().await;
        if ended.wrong.is_empty() {
            self.judge(&before, rows, &mut ended).await;
            ended.wrong.iter_mut().for_each(|wrong| wrong.insert_str(0, "later: "));
        }
        self.clear().await;
        ended
    }

    async fn is_over(&self, id: &promotion::model::PromotionId) -> bool {
        let view = self.engine.view(&environment()).await.unwrap();
        let promotion = &view.promotions[id];
        promotion.state.phase.is_final() && promotion.outbox.is_empty()
    }

    /// Keeps what happened.
    async fn watch(&self, events: &mut Events, begun: tokio::time::Instant) -> Vec<String> {
        let mut story = Vec::new();
        let deadline = begun + HARD;
        while let Ok(Some(event)) = tokio::time::timeout_at(deadline, events.next()).await {
            let at = format!("{:5.1}", begun.elapsed().as_secs_f64());
            match event {
                EngineEvent::Phase { phase, why, .. } => {
                    story.push(format!("{at} phase {phase} {}", why.unwrap_or_default()));
                    if phase.is_final() {
                        break;
                    }
                }
                EngineEvent::Stage { direction, stage, .. } => {
                    story.push(format!("{at} stage {direction:?} {stage:?}"));
                }
                EngineEvent::Call { call, problem, .. } => {
                    story.push(format!("{at} call {call} {}", problem.unwrap_or_default()));
                }
                EngineEvent::Note { text, .. } => story.push(format!("{at} note {text}")),
                EngineEvent::Copy { .. } => {}
            }
        }
        story
    }

    async fn struck(&self) -> u64 {
        let (_, struck) = self.cloud.raw(Method::GET, "/localcloud/v1/faults/struck", None).await;
        let of = |apps: &Value| apps[self.app.as_str()].as_u64().unwrap_or(0);
        struck.as_object().unwrap().values().map(of).sum()
    }

    async fn faults_are_over(&self) {
        loop {
            let (_, said) = self.cloud.raw(Method::GET, "/localcloud/v1/faults", None).await;
            if said["faults"].as_array().unwrap().iter().all(|fault| fault["app"] != self.app.as_str()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The machines that there are, by the provider's own word; no fault may stand in the way of asking.
    async fn machines(&self) -> Vec<Value> {
        loop {
            let path = format!("/v1/apps/{}/machines?include_leases=true", self.app);
            let (status, said) = self.cloud.raw(Method::GET, &path, None).await;
            let is_known = |machine: &Value| machine["host_status"] == "ok";
            if status == 200 && said.as_array().unwrap().iter().all(is_known) {
                let mut machines = said.as_array().unwrap().clone();
                machines.retain(|machine| machine["state"] != "destroying");
                return machines;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn clear(&self) {
        for machine in self.machines().await {
            let path =
                format!("/v1/apps/{}/machines/{}?force=true", self.app, machine["id"].as_str().unwrap());
            let _leased_machines_end_with_the_cloud = self.cloud.raw(Method::DELETE, &path, None).await;
        }
    }

    /// Whether the provider shows what the final phase says (P5, P6).
    async fn judge(&self, before: &[Value], rows: &[Row], ended: &mut Ended) {
        let now = self.machines().await;
        let is_parked = |m: &&Value| !m["config"]["metadata"]["understudy_parked_until"].is_null();
        let (parked, live): (Vec<&Value>, Vec<&Value>) = now.iter().partition(is_parked);
        let wrong = match ended.phase {
            None => vec![format!("no end within {} s", HARD.as_secs())],
            Some(Phase::Succeeded) => {
                let mut wrong = self.arrived(&live, AWAKE - found_asleep(before, &now));
                let sleeps = |m: &&&Value| m["state"] == "stopped" && m["cordoned"] == true;
                if !parked.iter().all(|m| sleeps(&m)) {
                    wrong.push("a parked machine serves".to_owned());
                }
                wrong
            }
            Some(Phase::RollbackFailed) => {
                let escalated = self.desk.notices().iter().any(|notice| notice.urgent);
                let mut wrong = Vec::new();
                if !rows.iter().any(|row| row.is_dead_end) {
                    wrong.push("the way back failed, and nothing made it impossible".to_owned());
                }
                if ended.why.is_empty() || !escalated {
                    wrong.push("nobody is told why".to_owned());
                }
                wrong
            }
            Some(phase) if phase.is_final() => {
                let mut wrong = put_back(before, &live);
                if !parked.is_empty() {
                    wrong.push(format!("{} machines are parked", parked.len()));
                }
                if ended.why.is_empty() {
                    wrong.push("it does not say why".to_owned());
                }
                wrong
            }
            Some(phase) => vec![format!("it rests in {phase}")],
        };
        ended.wrong.extend(wrong);
        if !ended.wrong.is_empty() {
            ended.story.extend(now.iter().map(|m| format!("      left {}", short(m))));
        }
    }

    /// What keeps the fleet from being the new release: so many machines, `n_awake` of them awake, the others at rest as
    /// they were found.
    fn arrived(&self, live: &[&Value], n_awake: usize) -> Vec<String> {
        let mut wrong = Vec::new();
        let digest = self.images.new.digest().unwrap().to_string();
        if live.len() != AWAKE + 1 {
            wrong.push(format!("{} machines instead of {}", live.len(), AWAKE + 1));
        }
        let awake = live.iter().filter(|m| is_awake(m));
        if awake.clone().count() < n_awake {
            wrong.push(format!("{} machines run instead of {n_awake}", awake.clone().count()));
        }
        for machine in live {
            let is_new = machine["image_ref"]["digest"] == digest.as_str()
                && machine["config"]["env"]["RELEASE"] == "new"
                && machine["cordoned"] == false;
            if !is_new {
                wrong.push(format!("it is not the new release in traffic: {}", short(machine)));
            }
        }
        wrong
    }
}

/// It runs, or the proxy put it to sleep.
fn is_awake(machine: &Value) -> bool {
    machine["state"] == "started" || machine["state"] == "stopped" && slept(machine, i64::MAX)
}

/// Whether the proxy had put it to sleep by `then`, and nobody woken it since.
fn slept(machine: &Value, then: i64) -> bool {
    let mut events = machine["events"].as_array().unwrap().iter();
    let is_before = |event: &&Value| event["timestamp"].as_i64().unwrap() < then;
    let is_rest = |event: &&Value| event["type"] == "stop" || event["status"] == "starting";
    let newest = events.find(|event| is_before(event) && is_rest(event));
    newest.is_some_and(|event| event["type"] == "stop" && event["source"] == "proxy")
}

/// How many of those that were awake `before` the proxy put to sleep before any machine was made or changed: that is how the
/// promotion found them, and how they rest in the end.
fn found_asleep(before: &[Value], now: &[Value]) -> usize {
    let was_there = |machine: &Value| before.iter().find(|was| was["id"] == machine["id"]);
    let changes = now.iter().flat_map(|machine| {
        let what = if was_there(machine).is_some() { "update" } else { "launch" };
        let events = machine["events"].as_array().unwrap().iter();
        events.filter(move |event| event["type"] == what).filter_map(|event| event["timestamp"].as_i64())
    });
    let first = changes.min().unwrap_or(i64::MAX);
    let fell_asleep = |machine: &&Value| was_there(machine).is_some_and(is_awake) && slept(machine, first);
    now.iter().filter(fell_asleep).count()
}

/// A machine on a line.
fn short(machine: &Value) -> String {
    let ours = machine["config"]["metadata"].as_object().into_iter().flatten();
    let ours: Vec<String> = ours.map(|(key, value)| format!("{key}={value}")).collect();
    format!(
        "{} {} cordoned={} digest={} RELEASE={} lease={} {}",
        machine["id"].as_str().unwrap_or("?"),
        machine["state"].as_str().unwrap_or("?"),
        machine["cordoned"],
        &machine["image_ref"]["digest"].as_str().unwrap_or("sha256:?????????")
            [7..15.min(machine["image_ref"]["digest"].as_str().unwrap_or("sha256:?????????").len())],
        machine["config"]["env"]["RELEASE"],
        machine["lease"]["description"],
        ours.join(" ")
    )
}

/// What must be as it was (P5): digest, configuration, region, cordon state. The image's name may have become the
/// digest's, our own labels are none of the team's, and machines may have new ids.
fn shape(machine: &Value) -> String {
    let mut config = machine["config"].clone();
    config["image"] = Value::Null;
    if let Some(metadata) = config["metadata"].as_object_mut() {
        metadata.retain(|key, _| !key.starts_with("understudy_"));
    }
    json!([machine["image_ref"]["digest"], config, machine["region"], machine["cordoned"]]).to_string()
}

/// The proxy started it last, whatever became of that: no call of ours did.
fn is_woken(machine: &Value) -> bool {
    let mut events = machine["events"].as_array().unwrap().iter();
    events.find(|event| event["type"] == "start").is_some_and(|event| event["source"] == "proxy")
}

/// What differs from how the fleet was found. Who slept in traffic may be awake: the proxy may wake it at any time.
fn put_back(before: &[Value], live: &[&Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    let shapes = |machines: &mut dyn Iterator<Item = &Value>| {
        let mut shapes: Vec<String> = machines.map(shape).collect();
        shapes.sort();
        shapes
    };
    let (was, is) = (shapes(&mut before.iter()), shapes(&mut live.iter().copied()));
    if was != is {
        wrong.push(format!(
            "it was {} machines\n{}\n and is {}\n{}",
            was.len(),
            was.join("\n"),
            is.len(),
            is.join("\n")
        ));
    }
    let awake = |machines: &mut dyn Iterator<Item = &Value>| machines.filter(|m| is_awake(m)).count();
    let (was, is) = (awake(&mut before.iter()), awake(&mut live.iter().copied()));
    if is < was || live.iter().any(|m| m["state"] != "started" && m["state"] != "stopped" && !is_woken(m)) {
        wrong.push(format!("{was} machines ran and {is} run"));
    }
    wrong
}
