//! Everything together: one store, one provider, as many runners as a test wants.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use flytypes::{Digest, ImageRef};
use serde_json::json;

use super::clock::{Counted, Seeded, VirtualClock};
use super::manners::Manners;
use super::people::{Desk, Signer, Suites};
use super::provider::Provider;
use super::roads::Roads;
use super::switch::{Moment, MortalJournal, Switch};
use crate::engine::{Ask, Engine, EngineError, Handle, Options, Outcome, Ports};
use crate::journal::{EnvironmentView, Memory};
use crate::model::{
    ApprovalRule, At, BreakGlass, BreakerRule, CheckOff, ChecklistItem, Claim, Class, Closing, ComponentName,
    ComponentTarget, Decision, EnvironmentName, EvidenceRule, Fleet, GroupName, GroupTarget, ItemName, Kind,
    Limits, MaxUnavailable, Millis, OneOff, Person, Place, Policy, Proof, QueueRule, RegionName, Release,
    SecretsTarget, Signed, StoreId, Strategy, SuiteName, Wish,
};
use crate::ports::{Anchors, Clock, Deployer, Journal};

/// An environment's name, from a text that is one.
pub fn env(text: &str) -> EnvironmentName {
    EnvironmentName::new(text).expect("a name")
}

/// A component's name, from a text that is one.
pub fn name(text: &str) -> ComponentName {
    ComponentName::new(text).expect("a name")
}

/// The world.
#[derive(Debug)]
pub struct World {
    /// Time.
    pub clock: Arc<VirtualClock>,
    /// The provider.
    pub provider: Provider,
    /// The store.
    pub journal: Arc<dyn Journal>,
    /// The suites.
    pub suites: Arc<Suites>,
    /// What was told.
    pub desk: Arc<Desk>,
    /// Fresh ids.
    pub ids: Arc<Counted>,
    /// Where anchors are put, if anywhere.
    pub anchors: Option<Arc<dyn Anchors>>,
    /// How engines behave.
    pub options: Options,
    /// The strategy of component `api`.
    pub strategy: Strategy,
    /// The regions of component `api`, if it has others than the usual one, each with so many units.
    pub regions: BTreeMap<RegionName, u32>,
    /// The waves in which every component changes.
    pub waves: Vec<BTreeSet<RegionName>>,
    /// Times and widths of every component.
    pub limits: Limits,
    /// What the production policy asks for.
    pub policy: Policy,
    /// The secrets without which component `api` goes nowhere.
    pub required: BTreeSet<String>,
    /// The release command of component `api`.
    pub command: Option<OneOff>,
    seed: u64,
    bystander: OnceLock<Engine>,
    /// What every engine has read before it begins: all that stood there when the world was forked.
    read: BTreeMap<EnvironmentName, Arc<EnvironmentView>>,
    /// How long whatever an engine asks is on its way.
    roads: Option<Arc<Roads>>,
}

impl World {
    /// A world with this seed and these manners.
    pub fn new(seed: u64, manners: Manners) -> Self {
        let clock = Arc::new(VirtualClock::new(At(1_800_000_000_000)));
        let store = StoreId::new("store-1").expect("a name");
        let journal = Arc::new(Memory::new(store, clock.clone()));
        Self {
            provider: Provider::new(clock.clone(), manners),
            journal,
            clock,
            suites: Arc::default(),
            desk: Arc::default(),
            ids: Arc::default(),
            anchors: None,
            options: Options { lease_ttl: Millis(30_000), poll: Millis(100), looks_failed_max: 10 },
            strategy: Strategy::BlueGreen,
            regions: BTreeMap::new(),
            waves: Vec::new(),
            limits: Limits {
                settle: Millis(1_000),
                drain: Millis(600),
                wait: Millis(20_000),
                unhealthy: Millis(2_000),
                client_timeout: Millis(5_000),
                list_lag: Millis(1_500),
                max_unavailable: MaxUnavailable::Units(1),
                bake: Millis(3_000),
                park_for: Millis(600_000),
            },
            policy: Self::production_policy(),
            required: BTreeSet::new(),
            command: None,
            seed,
            bystander: OnceLock::new(),
            read: BTreeMap::new(),
            roads: None,
        }
    }

    /// A world of its own that stands as this one does now. Nobody may hold a lease on an environment.
    pub async fn fork(&self) -> Self {
        self.fork_by(Arc::new(VirtualClock::new(self.clock.now()))).await
    }

    /// The same, with a clock that shows this world's time.
    pub async fn fork_by(&self, clock: Arc<VirtualClock>) -> Self {
        let store = self.journal.store_id().await.expect("the journal can be read");
        let journal = Memory::new(store, clock.clone());
        let mut read = BTreeMap::new();
        for environment in self.journal.environments().await.expect("the journal can be read") {
            let records = self.journal.read(&environment, 0).await.expect("the journal can be read");
            journal.load(&environment, records);
            let view = self.bystander().view(&environment).await.expect("the journal is sound");
            read.insert(environment, view);
        }
        let (provider, ids) = (self.provider.fork(clock.clone()), Arc::new(self.ids.fork()));
        let fresh = self.with(provider, Arc::new(journal), ids);
        Self { clock, read, ..fresh }
    }

    /// Another store beside this one, with the same provider and time: of somebody who knows nothing of us.
    #[must_use]
    pub fn beside(&self, store: &str, n: u64) -> Self {
        let id = StoreId::new(store).expect("a name");
        let journal = Memory::new(id, self.clock.clone());
        self.with(self.provider.clone(), Arc::new(journal), Arc::new(Counted::from(n)))
    }

    /// Whatever an engine of this world asks is on its way so long.
    #[must_use]
    pub fn far(self, roads: Roads) -> Self {
        Self { roads: Some(Arc::new(roads)), ..self }
    }

    fn with(&self, provider: Provider, journal: Arc<dyn Journal>, ids: Arc<Counted>) -> Self {
        Self {
            provider,
            journal,
            anchors: self.anchors.clone(),
            clock: self.clock.clone(),
            suites: Arc::new(self.suites.fork()),
            desk: Arc::default(),
            ids,
            options: self.options.clone(),
            strategy: self.strategy,
            regions: self.regions.clone(),
            waves: self.waves.clone(),
            limits: self.limits.clone(),
            policy: self.policy.clone(),
            required: self.required.clone(),
            command: self.command.clone(),
            seed: self.seed,
            bystander: OnceLock::new(),
            read: BTreeMap::new(),
            roads: self.roads.clone(),
        }
    }

    fn production_policy() -> Policy {
        Policy {
            evidence: Some(EvidenceRule {
                from: env("staging"),
                suites: BTreeSet::from([SuiteName::new("smoke").expect("a name")]),
                max_age: Millis::secs(24 * 3600),
                base_data: BTreeSet::new(),
            }),
            approvals: Some(ApprovalRule {
                count: 1,
                from: BTreeSet::from([Self::lead(), Self::developer()]),
                expires: Millis::secs(24 * 3600),
            }),
            breaker: BreakerRule::default(),
            verify: BTreeSet::from([SuiteName::new("smoke").expect("a name")]),
            soak: Millis(2_000),
            deadline: Millis::secs(600),
            drift_ignored: BTreeSet::new(),
            checklist: Vec::new(),
            scan: None,
            freezes: Vec::new(),
            queue: QueueRule::FirstCome,
        }
    }

    /// Who approves.
    pub fn lead() -> Person {
        Person::new("ssh:SHA256:lead").expect("a name")
    }

    /// Who asks.
    pub fn developer() -> Person {
        Person::new("ssh:SHA256:developer").expect("a name")
    }

    /// A release whose two components have these last digits.
    pub fn release(version: &str, api: u8, web: u8) -> Release {
        Release {
            version: version.to_owned(),
            commit: format!("commit-{version}"),
            tree: None,
            components: BTreeMap::from([(name("api"), Self::digest(api)), (name("web"), Self::digest(web))]),
        }
    }

    /// A digest made of one byte.
    pub fn digest(byte: u8) -> Digest {
        Digest::from_hex(&format!("{byte:02x}").repeat(32)).expect("64 hex digits")
    }

    /// Where a component of an environment lives.
    pub fn place(environment: &str, component: &str) -> Place {
        Place {
            environment: env(environment),
            component: name(component),
            provider: "fake".to_owned(),
            name: format!("{component}-{environment}"),
        }
    }

    /// A release command that may take ten seconds.
    pub fn migration() -> OneOff {
        OneOff {
            command: vec!["bin/migrate".to_owned(), "up".to_owned()],
            config: json!({"env": {"RELEASE_COMMAND": "1"}}),
            region: RegionName::new("fra").expect("a name"),
            like: GroupName::new("app").expect("a name"),
            timeout: Some(Millis(10_000)),
        }
    }

    /// What a component shall become.
    pub fn component(&self, environment: &str, component: &str, digest: &Digest) -> ComponentTarget {
        let strategy = if component == "web" { Strategy::Immediate } else { self.strategy };
        let image = |app: &str| {
            ImageRef::by_digest("registry.fly.io", app, digest.clone())
                .expect("registry, repository and digest")
        };
        let place = Self::place(environment, component);
        let counts = |count| match component {
            "api" if !self.regions.is_empty() => self.regions.clone(),
            _ => BTreeMap::from([(RegionName::new("fra").expect("a name"), count)]),
        };
        let group = |count| GroupTarget {
            config: json!({"env": {"APP_ENV": environment}}).into(),
            counts: counts(count),
            proof: Proof::Checks(BTreeSet::from(["alive".to_owned()])),
        };
        let count = if component == "web" { 1 } else { 2 };
        let required = if component == "web" { BTreeSet::new() } else { self.required.clone() };
        ComponentTarget {
            image: image(&place.name),
            source: image(&format!("{component}-staging")),
            place,
            groups: BTreeMap::from([(GroupName::new("app").expect("a name"), group(count))]),
            serves: BTreeSet::new(),
            strategy,
            because: None,
            waves: self.waves.clone(),
            own: BTreeMap::new(),
            traffic: BTreeMap::new(),
            limits: self.limits.clone(),
            secrets: SecretsTarget { required, version: None },
            release_command: self.command.clone().filter(|_| component != "web"),
        }
    }

    /// A request of the developer.
    pub fn ask(&self, environment: &str, kind: Kind, release: &Release) -> Ask {
        self.ask_by(&Self::developer(), environment, kind, release)
    }

    /// A request of `person`.
    pub fn ask_by(&self, person: &Person, environment: &str, kind: Kind, release: &Release) -> Ask {
        let production = environment == "production";
        let policy = if production {
            self.policy.clone()
        } else {
            Policy { evidence: None, approvals: None, soak: Millis::ZERO, ..self.policy.clone() }
        };
        let mut ask = Ask {
            environment: env(environment),
            class: if production { Class::Production } else { Class::Staging },
            kind,
            release: release.clone(),
            components: release
                .components
                .iter()
                .map(|(component, digest)| self.component(environment, component.as_str(), digest))
                .collect(),
            policy,
            requested_by: person.clone(),
            signed: None,
            reason: None,
            base_data: BTreeMap::new(),
        };
        ask.signed = self.word(person, &ask.wish());
        ask
    }

    /// The proof that `person` wants this, now. Nobody signs two wishes in one millisecond.
    pub fn word(&self, person: &Person, wish: &Wish<'_>) -> Option<Signed> {
        self.clock.advance(Millis(1));
        let at = self.now();
        Some(Signed { at, proof: Signer::proof(person, &wish.statement(person, at)) })
    }

    /// A runner that lives.
    pub fn engine(&self) -> Engine {
        self.mortal(&Switch::new(Moment::Never))
    }

    /// A runner that lives by `clock`, and dies or stops when its switch says so.
    pub fn engine_by(&self, clock: Arc<dyn Clock>, switch: &Arc<Switch>) -> Engine {
        let ports = Ports { clock, ..self.ports(switch) };
        Engine::new(self.options.clone(), ports).knowing(self.read.clone())
    }

    /// What everybody in this world has read of an environment before it began.
    pub(crate) fn known(&self, environment: &str) -> EnvironmentView {
        let name = env(environment);
        self.read.get(&name).map_or_else(|| EnvironmentView::new(name.clone()), |view| (**view).clone())
    }

    /// Somebody who lives, looks on and speaks, and never drives.
    pub fn bystander(&self) -> &Engine {
        self.bystander.get_or_init(|| self.engine())
    }

    /// A runner that dies when its switch says so.
    pub fn mortal(&self, switch: &Arc<Switch>) -> Engine {
        Engine::new(self.options.clone(), self.ports(switch)).knowing(self.read.clone())
    }

    /// The ports of a runner that dies when its switch says so.
    pub fn ports(&self, switch: &Arc<Switch>) -> Ports {
        let provider = Arc::new(self.provider.mortal(switch.clone()).far(self.roads.clone()));
        let signer = Arc::new(Signer::new(Person::new("ssh:SHA256:runner").expect("a name")));
        Ports {
            journal: Arc::new(MortalJournal {
                inner: self.journal.clone(),
                switch: switch.clone(),
                roads: self.roads.clone(),
            }),
            deployer: provider.clone(),
            registry: provider.clone(),
            secrets: provider.clone(),
            one_offs: provider,
            checks: self.suites.clone(),
            approvals: signer.clone(),
            attestor: signer,
            anchors: self.anchors.clone(),
            notifier: self.desk.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            randomness: Arc::new(Seeded::new(self.seed)),
        }
    }

    /// Asks and drives; for verbs that need nobody.
    pub async fn put(
        &self,
        environment: &str,
        kind: Kind,
        release: &Release,
    ) -> Result<(Handle, Outcome), EngineError> {
        let handle = self.engine().request(self.ask(environment, kind, release)).await?;
        let outcome = handle.drive().await?;
        Ok((handle, outcome))
    }

    /// The lead ends a promotion.
    pub async fn abort(&self, handle: &Handle, reason: &str) -> Result<(), EngineError> {
        let (lead, engine) = (Self::lead(), self.bystander());
        let signed = self.word(&lead, &Wish::Abort { promotion: &handle.id, reason });
        engine.abort(&handle.environment, &handle.id, lead, reason.to_owned(), signed).await
    }

    /// `who` closes production's circuit breaker.
    pub async fn reset_breaker(&self, who: &Person, reason: &str) -> Result<(), EngineError> {
        let production = env("production");
        let signed = self.word(who, &Wish::ResetBreaker { environment: &production, reason });
        self.bystander().reset_breaker(&production, who.clone(), reason.to_owned(), signed).await
    }

    /// `who` locks production, freezes it until `until`, or opens it.
    pub async fn close(&self, who: &Person, closing: Closing, reason: &str) -> Result<(), EngineError> {
        let production = env("production");
        let signed = self.word(who, &closing.wish(&production, reason));
        self.bystander().close(&production, closing, who.clone(), reason.to_owned(), signed).await
    }

    /// `who` breaks the glass of production for `time`.
    pub async fn break_glass(
        &self,
        who: &Person,
        time: Millis,
        reason: &str,
    ) -> Result<BreakGlass, EngineError> {
        let environment = &env("production");
        let until = self.now().plus(time);
        let signed = self.word(who, &Wish::BreakGlass { environment, until, reason });
        self.bystander().break_glass(environment, until, who.clone(), reason.to_owned(), signed).await
    }

    /// The word of `person` over the plan that `handle` has now.
    pub async fn claim(&self, handle: &Handle, person: &Person, decision: Decision) -> Claim {
        let view = self.bystander().view(&handle.environment).await.expect("the journal can be read");
        let plan = view.promotions[&handle.id].state.facts.plan.clone().expect("there is a plan").hash;
        let text = Claim::statement(&handle.id, &plan, decision);
        Claim { promotion: handle.id.clone(), plan, decision, proof: Signer::proof(person, &text) }
    }

    /// An item of a checklist that the lead may check off.
    pub fn item(id: &str) -> ChecklistItem {
        let text = format!("somebody looked at {id}");
        ChecklistItem { id: ItemName::new(id).expect("a name"), text, by: BTreeSet::from([Self::lead()]) }
    }

    /// `who` checks an item of the plan that there is now off, or takes that back.
    pub async fn check(
        &self,
        handle: &Handle,
        who: &Person,
        item: &str,
        is_done: bool,
    ) -> Result<CheckOff, EngineError> {
        let view = self.bystander().view(&handle.environment).await?;
        let plan = view.promotions[&handle.id].state.facts.plan.clone().expect("there is a plan").hash;
        let word = CheckOff {
            promotion: handle.id.clone(),
            plan,
            item: ItemName::new(item).expect("a name"),
            is_done,
            comment: None,
            by: who.clone(),
            at: self.clock.now(),
            signed: None,
        };
        let signed = self.word(who, &word.wish());
        self.bystander().check_off(&handle.environment, CheckOff { signed, ..word }).await
    }

    /// `first` runs in production, `second` is tested on staging.
    pub async fn rehearsed(&self, first: &Release, second: &Release) {
        self.put("production", Kind::Bootstrap, first).await.expect("bootstrap");
        self.put("staging", Kind::Bootstrap, first).await.expect("bootstrap");
        self.put("staging", Kind::Deploy, second).await.expect("deploy");
    }

    /// Asks for a promotion into production and has the lead approve it; it is ready to be driven.
    pub async fn approved(&self, release: &Release) -> Handle {
        let engine = self.engine();
        let handle = engine.request(self.ask("production", Kind::Promote, release)).await.expect("a request");
        handle.drive().await.expect("it comes to wait");
        let claim = self.claim(&handle, &Self::lead(), Decision::Approve).await;
        engine.decide(&handle.environment, claim).await.expect("it counts");
        handle
    }

    /// Fresh runners come by until nothing is left to do, at most `rounds` times.
    pub async fn rescue(&self, rounds: u32) {
        for _ in 0..rounds {
            self.clock.advance(Millis(31_000));
            let _away_is_tried_again = self.engine().tick().await;
        }
    }

    /// What runs.
    pub async fn fleet(&self, environment: &str, component: &str) -> Fleet {
        self.provider
            .observe_fleet(&Self::place(environment, component))
            .await
            .expect("the provider is there")
    }

    /// Now.
    pub fn now(&self) -> At {
        self.clock.now()
    }
}
