//! `[environments.NAME]`: where releases run.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use super::{
    binding::{self, Binding, FlyBinding},
    component::Component,
    drift::{self, DriftField},
    freeze::{self, Freeze},
    scalars,
};
use crate::{
    BranchName, Code, ComponentName, EnvironmentName, FieldPath, OrgSlug, Period, RegistryHost, Resolved,
    SecretRef,
    reading::{Entry, Section, Span, Value},
    text_value::word_value,
};

word_value! {
    /// How much an environment matters. Ordered: a promotion never leads to a lower class.
    Class, "a class of environments", {
        /// On somebody's own machine.
        Local = "local",
        /// For one branch or pull request.
        Preview = "preview",
        /// The mirror of production.
        Staging = "staging",
        /// What users use.
        Production = "production",
    }
}

word_value! {
    /// How long an environment lives.
    Lifecycle, "a lifecycle", {
        /// Always there.
        Persistent = "persistent",
        /// Made when asked for, taken down when its last lease ends.
        OnDemand = "on-demand",
        /// Made for a branch or pull request, gone with it.
        Preview = "preview",
    }
}

word_value! {
    /// Who can reach an environment.
    Access, "a kind of access", {
        /// Everybody.
        Public = "public",
        /// Listed addresses or people.
        Allowlist = "allowlist",
        /// Nobody from outside: only the private network.
        Private = "private",
    }
}

/// An environment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Environment {
    /// Its name.
    pub name: EnvironmentName,
    /// How much it matters.
    pub class: Resolved<Class>,
    /// The branch whose pushes are deployed here.
    pub branch: Option<Resolved<BranchName>>,
    /// The environment it is a mirror of.
    pub mirrors: Option<Resolved<EnvironmentName>>,
    /// How long it lives.
    pub lifecycle: Resolved<Lifecycle>,
    /// Who can reach it.
    pub access: Resolved<Access>,
    /// When nothing new comes here.
    pub freeze: Resolved<Vec<Freeze>>,
    /// The account on Fly.
    pub fly: FlyAccess,
    /// The rights to its images.
    pub registry: RegistryAccess,
    /// What each component is called here.
    pub bindings: BTreeMap<ComponentName, Binding>,
    /// Fields in which it may differ from what it mirrors.
    pub may_differ: BTreeSet<FieldPath>,
    /// What may differ there from what was put there, without being drift.
    pub drift_ignored: BTreeSet<DriftField>,
    /// Limits of the code runner, for [`super::EnvironmentConfig`].
    pub limits: Limits,
}

/// The account on Fly.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlyAccess {
    /// The organisation.
    pub org: Option<OrgSlug>,
    /// Where the token is found.
    pub token: Resolved<SecretRef>,
    /// Another base of the Machines API than Fly's own, for example a stand-in on this machine.
    pub api: Option<Url>,
    /// Another registry than Fly's own.
    pub registry: Option<RegistryHost>,
}

/// Rights to images, neither of which has to be able to deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegistryAccess {
    /// Where the token is found that reads this environment's images, also for a copy to elsewhere.
    pub pull: Resolved<SecretRef>,
    /// Where the token is found that writes images here.
    pub push: Resolved<SecretRef>,
}

/// Limits of a code runner.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Programs that run at the same time, at least 1.
    pub num_runners: Resolved<u32>,
    /// Time after which one is ended.
    pub timeout: Resolved<Period>,
}

impl Environment {
    /// Whether images of `other` must be copied to be run here: what an organisation may read ends with it (fly.md 5), and so
    /// does a registry. Where an organisation is not named, it is taken for the same.
    pub fn is_apart_from(&self, other: &Self) -> bool {
        let orgs = self.fly.org.as_ref().zip(other.fly.org.as_ref());
        self.fly.registry != other.fly.registry || orgs.is_some_and(|(one, two)| one != two)
    }

    /// The Fly apps of this environment.
    pub fn fly_apps(&self) -> impl Iterator<Item = (&ComponentName, &FlyBinding)> {
        self.bindings.iter().filter_map(|(name, binding)| Some((name, binding.as_fly()?)))
    }
}

/// The keys of an environment that are no components.
pub(crate) const RESERVED: [&str; 11] = [
    "class",
    "branch",
    "mirrors",
    "fly",
    "access",
    "lifecycle",
    "parity",
    "drift",
    "limits",
    "registry",
    "freeze",
];

/// An environment and where its name stands.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) value: Environment,
    pub(super) span: Span,
}

type Components = BTreeMap<ComponentName, Option<Component>>;

pub(super) fn read(root: &Section<'_>, components: &Components) -> Vec<Located> {
    let section = root.require("environments", "a release needs somewhere to run");
    let Some(section) = section.and_then(|value| value.section()) else { return Vec::new() };
    let mut environments = Vec::new();
    for (entry, value) in section.all() {
        match entry.name.parse::<EnvironmentName>() {
            Ok(name) => environments.extend(environment(name, entry, &value, components)),
            Err(error) => {
                let what = error.what_is_wrong();
                value.sink.error(Code::Malformed, &entry.span, &value.path, what, error.why, None);
            }
        }
    }
    if section.all().is_empty() {
        let why = "a release needs somewhere to run";
        section.sink.error(Code::Missing, &section.span, &section.path, "`environments` is empty", why, None);
    }
    environments
}

fn environment(
    name: EnvironmentName,
    entry: &Entry,
    value: &Value<'_>,
    known: &Components,
) -> Option<Located> {
    let section = value.section()?;
    let class = section.get("class").and_then(|v| v.resolved()).unwrap_or_else(|| default_class(&name));
    let lifecycle = section.get("lifecycle").and_then(|v| v.resolved());
    let lifecycle = lifecycle.unwrap_or_else(|| default_lifecycle(class.value));
    let access = section.get("access").and_then(|v| v.resolved());
    let access = access.unwrap_or_else(|| {
        Resolved::default_of(Access::Public, "Fly serves every app with a service to everybody")
    });
    let fly = fly_access(&name, section.get("fly"));
    let environment = Environment {
        registry: registry_access(&fly, section.get("registry")),
        fly,
        branch: section.get("branch").and_then(|v| v.resolved()),
        mirrors: section.get("mirrors").and_then(|v| v.resolved()),
        may_differ: section.get("parity").map(|v| may_differ(&v)).unwrap_or_default(),
        drift_ignored: section.get("drift").map(|v| drift::ignored(&v)).unwrap_or_default(),
        limits: limits(section.get("limits")),
        freeze: freeze::read(section.get("freeze")),
        bindings: bindings(&section, known),
        name,
        class,
        lifecycle,
        access,
    };
    section.finish();
    Some(Located { value: environment, span: entry.span.clone() })
}

fn default_class(name: &EnvironmentName) -> Resolved<Class> {
    let (class, why) = match name.as_str() {
        "production" => (Class::Production, "it is called `production`"),
        "staging" => (Class::Staging, "it is called `staging`"),
        "local" => (Class::Local, "it is called `local`"),
        _ => (Class::Preview, "its name is none of `production`, `staging`, `local`"),
    };
    Resolved::default_of(class, why)
}

fn default_lifecycle(class: Class) -> Resolved<Lifecycle> {
    let lifecycle = match class {
        Class::Production | Class::Staging => Lifecycle::Persistent,
        Class::Preview => Lifecycle::Preview,
        Class::Local => Lifecycle::OnDemand,
    };
    Resolved::default_of(lifecycle, format!("its class is `{class}`"))
}

fn fly_access(name: &EnvironmentName, value: Option<Value<'_>>) -> FlyAccess {
    let section = value.and_then(|value| value.section());
    let get = |key: &str| section.as_ref().and_then(|section| section.get(key));
    let token = get("token").and_then(|v| scalars::secret(&v)).unwrap_or_else(|| default_token(name));
    let access = FlyAccess {
        org: get("org").and_then(|v| v.parse()),
        token,
        api: get("api").and_then(|v| scalars::web_url(&v)),
        registry: get("registry").and_then(|v| v.parse()),
    };
    if let Some(section) = &section {
        section.finish();
    }
    access
}

fn registry_access(fly: &FlyAccess, value: Option<Value<'_>>) -> RegistryAccess {
    let section = value.and_then(|value| value.section());
    let get = |key: &str| section.as_ref().and_then(|section| section.get(key));
    let or_deploy = |key: &str, what: &str| {
        get(key).and_then(|v| scalars::secret(&v)).unwrap_or_else(|| {
            let why = format!(
                "the token that deploys {what} images, too; one that only does that can do less harm"
            );
            Resolved::default_of(fly.token.value.clone(), why)
        })
    };
    let access = RegistryAccess { pull: or_deploy("pull", "reads"), push: or_deploy("push", "writes") };
    if let Some(section) = &section {
        section.finish();
    }
    access
}

/// `env:FLY_TOKEN_<NAME>`: one token per environment, so that staging's cannot touch production.
fn default_token(name: &EnvironmentName) -> Resolved<SecretRef> {
    let variable = format!("FLY_TOKEN_{}", name.as_str().to_uppercase().replace('-', "_"));
    let variable = variable.parse().expect("because an environment's name has only letters, digits and `-`");
    let why = "each environment has a token of its own, so that one cannot touch the other";
    Resolved::default_of(SecretRef::Variable(variable), why)
}

fn may_differ(value: &Value<'_>) -> BTreeSet<FieldPath> {
    let Some(section) = value.section() else { return BTreeSet::new() };
    let fields = section.get("may-differ").and_then(|fields| fields.list_of()).unwrap_or_default();
    section.finish();
    fields.into_iter().collect()
}

fn limits(value: Option<Value<'_>>) -> Limits {
    let section = value.and_then(|value| value.section());
    let get = |key: &str| section.as_ref().and_then(|section| section.get(key));
    let runners = get("num-runners").and_then(|v| Some(v.found(v.count(1)?)));
    let timeout = get("timeout").and_then(|v| scalars::period(&v));
    if let Some(section) = &section {
        section.finish();
    }
    Limits {
        num_runners: runners
            .unwrap_or_else(|| Resolved::default_of(1, "one program at a time is always safe")),
        timeout: timeout.unwrap_or_else(|| {
            Resolved::default_of(
                Period::from_secs(30),
                "shorter than what proxies commonly allow a request, 60 s",
            )
        }),
    }
}

fn bindings(section: &Section<'_>, known: &Components) -> BTreeMap<ComponentName, Binding> {
    let mut bindings = BTreeMap::new();
    for (name, component) in known {
        let Some(value) = section.get(name.as_str()) else { continue };
        let binding = component.as_ref().and_then(|component| binding::read(&value, component.kind()));
        bindings.extend(binding.map(|binding| (name.clone(), binding)));
    }
    // What is left is either a misspelt key or the binding of a component that does not exist.
    for (entry, value) in section.rest() {
        if ["app", "site", "project"].iter().any(|key| value.node.has_key(key)) {
            section.sink.hide_all(&entry.node);
            let what = format!("there is no component `{}`", entry.name.escape_debug());
            let known: Vec<&str> = known.keys().map(ComponentName::as_str).collect();
            let hint = crate::reading::suggest(&entry.name, &known);
            let why = "`[components]` does not list it";
            section.sink.error(Code::NoComponent, &entry.span, &value.path, what, why, hint);
            section.get(&entry.name);
        }
    }
    bindings
}
