//! From the project file to what components shall become.

use std::collections::{BTreeMap, BTreeSet};

use envconfig::fly_toml::FlyToml;
use envconfig::project::{
    Binding, Class as FileClass, Component, Environment, FindingLevel, HealthProof,
    MaxUnavailable as FileMaxUnavailable, Project, PromotionPolicy, Queue, Strategy as FileStrategy, Tests,
};
use envconfig::{Resolved, Source};
use flytypes::ImageRef;
use promotion::model::{
    AcceptedFinding, ApprovalRule, At, BreakerRule, ChecklistItem, Class, ComponentName, ComponentTarget,
    EnvironmentName, EvidenceRule, GroupName, GroupTarget, ItemName, Level, Limits, MaxUnavailable, Millis,
    NameError, OneOff, Person, Place, Policy, Proof, QueueRule, RegionName, ScanRule, SecretsTarget,
    Strategy, SuiteName,
};
use serde_json::Value;

use crate::fly::{expected_checks, unit_config};

/// Why a target cannot be made from a project.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// A name of the project file is none for the engine.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The environment is not in the file.
    #[error("the project file has no environment `{0}`")]
    NoEnvironment(String),
    /// The component is not bound.
    #[error("environment `{environment}` says nothing about component `{component}`")]
    NoBinding {
        /// Where.
        environment: String,
        /// What.
        component: String,
    },
    /// This kind of component cannot be moved yet.
    #[error(
        "component `{component}` is of a kind that cannot be promoted by this version: leave it out with --only"
    )]
    Kind {
        /// Which.
        component: String,
    },
    /// The fly.toml of a component is missing or unreadable.
    #[error("component `{component}` has no readable fly.toml")]
    NoConfig {
        /// Which component.
        component: String,
    },
}

/// Makes targets for one environment.
#[derive(Debug)]
pub struct Targets<'p> {
    project: &'p Project,
    environment: &'p Environment,
    name: EnvironmentName,
    /// fly.toml by component, as read.
    configs: &'p BTreeMap<String, FlyToml>,
}

/// Machines of a new group that has services, as `fly deploy` makes them (fly.md 2.2).
const NEW_WITH_SERVICES: u32 = 2;

impl<'p> Targets<'p> {
    /// For `environment` of `project`, with every component's fly.toml.
    pub fn new(
        project: &'p Project,
        environment: &str,
        configs: &'p BTreeMap<String, FlyToml>,
    ) -> Result<Self, TargetError> {
        let found = project
            .environment(environment)
            .ok_or_else(|| TargetError::NoEnvironment(environment.to_owned()))?;
        Ok(Self { project, environment: found, name: EnvironmentName::new(environment)?, configs })
    }

    /// The environment's class.
    pub fn class(&self) -> Class {
        match self.environment.class.value {
            FileClass::Local => Class::Local,
            FileClass::Preview => Class::Preview,
            FileClass::Staging => Class::Staging,
            FileClass::Production => Class::Production,
        }
    }

    /// Where a component lives.
    pub fn place(&self, component: &str) -> Result<Place, TargetError> {
        let binding = self.binding(component)?;
        let provider = match binding {
            Binding::Fly(_) => "fly",
            Binding::Static(_) => "static",
            Binding::Supabase(_) => return Err(TargetError::Kind { component: component.to_owned() }),
        };
        Ok(Place {
            environment: self.name.clone(),
            component: ComponentName::new(component)?,
            provider: provider.to_owned(),
            name: binding.target().value,
        })
    }

    /// The components in the order in which they change: Fly apps, then static bundles.
    pub fn components(&self) -> Vec<String> {
        let mut names: Vec<(u8, String)> = self
            .project
            .components()
            .iter()
            .filter_map(|(name, component)| match component {
                Component::Fly { .. } => Some((0, name.to_string())),
                Component::Static { .. } => Some((1, name.to_string())),
                Component::Supabase { .. } => None,
            })
            .collect();
        names.sort();
        names.into_iter().map(|(_, name)| name).collect()
    }

    fn binding(&self, component: &str) -> Result<&'p Binding, TargetError> {
        self.environment
            .bindings
            .iter()
            .find(|(name, _)| name.as_str() == component)
            .map(|(_, binding)| binding)
            .ok_or_else(|| TargetError::NoBinding {
                environment: self.environment.name.to_string(),
                component: component.to_owned(),
            })
    }

    /// What `component` shall become with `image`, tested as `source`.
    pub fn target(
        &self,
        component: &str,
        image: ImageRef,
        source: ImageRef,
        rules: Option<&PromotionPolicy>,
    ) -> Result<ComponentTarget, TargetError> {
        let place = self.place(component)?;
        let mut limits = rules.map_or_else(Limits::default, limits);
        match self.binding(component)? {
            Binding::Fly(binding) => {
                let mut toml = self
                    .configs
                    .get(component)
                    .cloned()
                    .ok_or_else(|| TargetError::NoConfig { component: component.to_owned() })?;
                toml.apply_overlay(&binding.overlay);
                // What the project file says itself goes before what fly.toml says, and that before what nobody says.
                let said = rules.map(|rules| &rules.max_unavailable).filter(|said| !said.is_default());
                if let Some(own) = toml.own_max_unavailable().filter(|_| said.is_none()) {
                    limits.max_unavailable = max_unavailable(own.value);
                }
                let said = rules.map(|rules| &rules.wait_timeout).filter(|said| !said.is_default());
                if let Some(own) = toml.own_wait_timeout().filter(|_| said.is_none()) {
                    limits.wait = Millis(own.value.as_nanos() / 1_000_000);
                }
                let asked = rules.and_then(|rules| rules.strategy.as_ref());
                let (strategy, because) = strategy(toml.strategy(asked));
                let groups = self.groups(component, &toml)?;
                let secrets = self.secrets(component);
                let waves = rules.map_or_else(|| Ok(Vec::new()), waves)?;
                let release_command = release_command(&toml)?;
                Ok(ComponentTarget {
                    place,
                    image,
                    source,
                    groups,
                    serves: serving(&toml)?,
                    strategy,
                    because,
                    waves,
                    own: BTreeMap::new(),
                    traffic: BTreeMap::new(),
                    limits,
                    secrets,
                    release_command,
                })
            }
            Binding::Static(binding) => {
                let group = GroupTarget {
                    config: Value::Object(binding.env.clone()).into(),
                    counts: BTreeMap::from([(RegionName::new("everywhere")?, 1)]),
                    proof: Proof::Served,
                };
                let groups = BTreeMap::from([(GroupName::new("site")?, group)]);
                Ok(ComponentTarget {
                    place,
                    image,
                    source,
                    groups,
                    // It switches by itself, between two requests.
                    serves: BTreeSet::new(),
                    strategy: Strategy::Immediate,
                    because: None,
                    waves: Vec::new(),
                    own: BTreeMap::new(),
                    traffic: BTreeMap::new(),
                    limits,
                    secrets: SecretsTarget::default(),
                    release_command: None,
                })
            }
            Binding::Supabase(_) => Err(TargetError::Kind { component: component.to_owned() }),
        }
    }

    /// Which secrets must be set; what version there is shows when it is planned.
    fn secrets(&self, component: &str) -> SecretsTarget {
        let required = match self.project.component(component) {
            Some(Component::Fly { required_secrets, .. }) => &required_secrets.value[..],
            Some(Component::Static { .. } | Component::Supabase { .. }) | None => &[],
        };
        SecretsTarget { required: required.iter().map(ToString::to_string).collect(), version: None }
    }

    fn groups(
        &self,
        component: &str,
        toml: &FlyToml,
    ) -> Result<BTreeMap<GroupName, GroupTarget>, TargetError> {
        let healthy = self.project.component(component).and_then(|component| match component {
            Component::Fly { healthy, .. } => healthy.as_ref().map(|proof| proof.value),
            Component::Static { .. } | Component::Supabase { .. } => None,
        });
        let region = region(toml);
        let mut groups = BTreeMap::new();
        for (name, config) in toml.flatten() {
            let checks = expected_checks(&config);
            let proof = match healthy {
                Some(HealthProof::StartedFor(time)) if checks.is_empty() => {
                    Proof::StartedFor(Millis(time.as_millis()))
                }
                _ => Proof::Checks(checks),
            };
            let count = if config.services.is_empty() { 1 } else { NEW_WITH_SERVICES };
            let group = GroupTarget {
                config: unit_config(&config).into(),
                counts: BTreeMap::from([(RegionName::new(region)?, count)]),
                proof,
            };
            groups.insert(GroupName::new(name.as_str())?, group);
        }
        Ok(groups)
    }
}

/// The groups that have services.
fn serving(toml: &FlyToml) -> Result<BTreeSet<GroupName>, TargetError> {
    let groups = toml.flatten().into_iter().filter(|(_, config)| !config.services.is_empty());
    groups.map(|(name, _)| Ok(GroupName::new(name.as_str())?)).collect()
}

/// Where machines are made that nobody placed.
fn region(toml: &FlyToml) -> &str {
    toml.primary_region.as_ref().map_or("iad", |region| region.as_str())
}

/// The command that runs before any machine is touched, in the default group's size where nobody names one.
fn release_command(toml: &FlyToml) -> Result<Option<OneOff>, TargetError> {
    let Some(command) = toml.release_command() else { return Ok(None) };
    Ok(Some(OneOff {
        command: command.words,
        config: unit_config(&command.config),
        region: RegionName::new(region(toml))?,
        like: GroupName::new(toml.default_group().as_str())?,
        timeout: command.timeout.map(|time| Millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))),
    }))
}

/// How a component is changed, and why, where that is not by a second fleet.
fn strategy(chosen: Resolved<FileStrategy>) -> (Strategy, Option<String>) {
    let because = match chosen.source {
        Source::Default { why } => why,
        Source::File { .. } => "the project file says so".to_owned(),
        Source::Flag { name } | Source::Variable { name } => format!("`{name}` says so"),
    };
    let strategy = match chosen.value {
        FileStrategy::BlueGreen => return (Strategy::BlueGreen, None),
        FileStrategy::Rolling => Strategy::Rolling,
        FileStrategy::Canary => Strategy::Canary,
        FileStrategy::Immediate => Strategy::Immediate,
    };
    (strategy, Some(because))
}

fn waves(rules: &PromotionPolicy) -> Result<Vec<BTreeSet<RegionName>>, TargetError> {
    let wave = |wave: &Vec<flytypes::Region>| {
        wave.iter().map(|region| Ok(RegionName::new(region.as_str())?)).collect::<Result<_, TargetError>>()
    };
    rules.waves.value.0.iter().map(wave).collect()
}

fn max_unavailable(amount: FileMaxUnavailable) -> MaxUnavailable {
    match (amount.as_machines(), amount.as_permille()) {
        (Some(n), _) => MaxUnavailable::Units(n),
        (None, Some(permille)) => MaxUnavailable::Part { permille: permille.into() },
        (None, None) => MaxUnavailable::DEFAULT,
    }
}

fn limits(rules: &PromotionPolicy) -> Limits {
    Limits {
        settle: Millis(rules.settle.value.as_millis()),
        drain: Millis(rules.drain.value.as_millis()),
        wait: Millis(rules.wait_timeout.value.as_millis()),
        bake: Millis(rules.bake.value.as_millis()),
        park_for: Millis(rules.park_for.value.as_millis()),
        max_unavailable: max_unavailable(rules.max_unavailable.value),
        ..Limits::default()
    }
}

/// The engine's rules for promotions from `from` (none: where evidence is made) by a policy of the project file.
pub fn policy(project: &Project, from: Option<&str>, rules: &PromotionPolicy) -> Result<Policy, TargetError> {
    let suites: BTreeSet<SuiteName> =
        rules.suites.value.iter().map(|suite| SuiteName::new(suite.as_str())).collect::<Result<_, _>>()?;
    let people: BTreeSet<Person> = project
        .people()
        .in_groups(rules.approvals.from.value.iter())
        .into_iter()
        .map(|person| Person::new(person.to_string()))
        .collect::<Result<_, _>>()?;
    let evidence = match from {
        Some(from) => Some(EvidenceRule {
            from: EnvironmentName::new(from)?,
            suites: suites.clone(),
            max_age: Millis(rules.attestation_max_age.value.as_millis()),
            base_data: rules.base_data.value.iter().map(ToString::to_string).collect(),
        }),
        None => None,
    };
    let approvals = from.map(|_| ApprovalRule {
        count: rules.approvals.count.value,
        from: people,
        expires: Millis(rules.approvals.expires.value.as_millis()),
    });
    let checklist = match from {
        Some(_) => rules.checklist.value.iter().map(checklist_item).collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    let scan = match (from, &rules.sarif) {
        (Some(from), Some(sarif)) => Some(scan_rule(EnvironmentName::new(from)?, &sarif.value)),
        _ => None,
    };
    Ok(Policy {
        checklist,
        scan,
        evidence,
        approvals,
        breaker: BreakerRule {
            failures: rules.breaker.failures.value,
            window: Millis(rules.breaker.window.value.as_millis()),
        },
        // What runs apart is no part of the rehearsal's deploy; what is put into production is tested there all the same.
        verify: match rules.tests.value {
            Tests::Apart if from.is_none() => BTreeSet::new(),
            Tests::Apart | Tests::WithDeploy => suites,
        },
        soak: Millis(if from.is_some() { rules.soak.value.as_millis() } else { 0 }),
        deadline: Policy::default().deadline,
        drift_ignored: BTreeSet::new(),
        freezes: Vec::new(),
        // Where evidence is made it is first come, first served.
        queue: match rules.queue.value {
            _ if from.is_none() => QueueRule::FirstCome,
            Queue::FirstCome => QueueRule::FirstCome,
            Queue::NewestWins => QueueRule::NewestWins,
            Queue::Refuse => QueueRule::Refuse,
        },
    })
}

fn checklist_item(item: &envconfig::project::ChecklistItem) -> Result<ChecklistItem, NameError> {
    Ok(ChecklistItem {
        id: ItemName::new(item.id.as_str())?,
        text: item.text.clone(),
        by: item.by.iter().map(|person| Person::new(person.to_string())).collect::<Result<_, _>>()?,
    })
}

fn scan_rule(from: EnvironmentName, sarif: &envconfig::project::Sarif) -> ScanRule {
    let accepted = sarif.accepted.iter().map(|it| AcceptedFinding {
        rule: it.rule.clone(),
        file: it.file.clone(),
        owner: it.owner.clone(),
        reason: it.reason.clone(),
        until: At(it.until.as_millisecond()),
    });
    ScanRule {
        from,
        max_age: Millis(sarif.max_age.as_millis()),
        fail_on: match sarif.fail_on {
            FindingLevel::Note => Level::Note,
            FindingLevel::Warning => Level::Warning,
            FindingLevel::Error => Level::Error,
        },
        severity: sarif.severity,
        accepted: accepted.collect(),
    }
}
