//! The project file, `understudy.toml`: the one file a team writes.
//!
//! [`Project::parse`] takes text and gives values that cannot be wrong, or every problem at once. It opens no file
//! and reads no variable: where a secret is found is a [`SecretRef`](crate::SecretRef), what it is nobody knows here.

mod binding;
mod checklist;
mod checks;
mod ci;
mod component;
mod drift;
mod environment;
mod explain;
mod freeze;
mod people;
mod policy;
mod policy_read;
mod sarif;
mod scalars;
mod store;
mod suite;
mod view;

use std::collections::{BTreeMap, BTreeSet};

pub use binding::{Binding, FlyBinding, StaticBinding, SupabaseBinding};
pub use checklist::ChecklistItem;
pub use ci::Ci;
pub use component::{Component, ComponentKind, HealthProof};
pub use drift::DriftField;
pub(crate) use environment::RESERVED;
pub use environment::{Access, Class, Environment, FlyAccess, Lifecycle, Limits, RegistryAccess};
pub use explain::Explained;
pub use freeze::{Freeze, FreezeSpan};
pub use people::People;
pub use policy::{
    Approvals, Breaker, MaxUnavailable, PolicyTerms, PromotionPolicy, Queue, Strategy, Tests, Trigger, Waves,
};
pub(crate) use policy_read::max_unavailable;
pub use sarif::{Accepted, FindingLevel, Sarif};
pub use store::{AnchorRef, StoreRef, StoreUrl};
pub use suite::Suite;
pub use view::{EnvironmentConfig, ResourceLimits};

use crate::{
    ComponentName, EnvironmentName, Parsed, Problems, ProjectName, Resolved, SecretRef, SuiteName,
    fly_toml::FlyToml,
    reading::{self, Section, Sink},
};

/// Everything the project file says, with defaults filled in.
///
/// ```
/// use envconfig::project::Project;
/// let text = "
/// [components.api]
/// config = \"fly.toml\"
/// [environments.production]
/// api.app = \"runner\"
/// [environments.staging]
/// api.app = \"runner-staging\"
/// [people]
/// leads = [\"github:583231\"]
/// ";
/// let project = Project::parse("understudy.toml", text)?.value;
/// let policy = project.policy("staging", "production").expect("staging leads to production by default");
/// assert_eq!(policy.approvals.count.value, 1);
/// # Ok::<(), envconfig::Problems>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    name: Option<Resolved<ProjectName>>,
    store: Option<StoreRef>,
    ci: Option<Ci>,
    components: BTreeMap<ComponentName, Component>,
    environments: BTreeMap<EnvironmentName, Environment>,
    paths: BTreeMap<(EnvironmentName, EnvironmentName), PromotionPolicy>,
    suites: BTreeMap<SuiteName, Suite>,
    people: People,
    shared: BTreeSet<SecretRef>,
}

impl Project {
    /// The file name that binaries look for.
    pub const FILE_NAME: &'static str = "understudy.toml";

    /// Reads a project file. `file` is only for messages.
    ///
    /// # Errors
    /// Every problem of the file at once, with line and column; see `docs/errors/` for the codes.
    pub fn parse(file: &str, text: &str) -> Result<Parsed<Self>, Problems> {
        reading::read_file(file, text, reading::Format::Toml, false, read)
    }

    /// The project's name.
    pub fn name(&self) -> Option<&Resolved<ProjectName>> {
        self.name.as_ref()
    }

    /// Where the journal is, if the file says so.
    pub fn store(&self) -> Option<&StoreRef> {
        self.store.as_ref()
    }

    /// What rendered workflows have to know, if the file says so.
    pub fn ci(&self) -> Option<&Ci> {
        self.ci.as_ref()
    }

    /// The key of a binding to the database that `url` is an address in: a journal there could be migrated, restored,
    /// paused or destroyed by what it records.
    pub fn promoted_database(&self, url: &url::Url) -> Option<String> {
        self.environments.values().find_map(|environment| {
            let (component, _) =
                environment.bindings.iter().find(|(_, binding)| checks::is_in(url, binding))?;
            Some(format!("environments.{}.{component}", environment.name))
        })
    }

    /// The parts that are deployed.
    pub fn components(&self) -> &BTreeMap<ComponentName, Component> {
        &self.components
    }

    /// A component by name.
    pub fn component(&self, name: &str) -> Option<&Component> {
        self.components.get(name)
    }

    /// The environments.
    pub fn environments(&self) -> &BTreeMap<EnvironmentName, Environment> {
        &self.environments
    }

    /// An environment by name.
    pub fn environment(&self, name: &str) -> Option<&Environment> {
        self.environments.get(name)
    }

    /// The promotion paths, by (from, to). No path leads in a circle, none leads to a lower class.
    pub fn paths(&self) -> &BTreeMap<(EnvironmentName, EnvironmentName), PromotionPolicy> {
        &self.paths
    }

    /// The policy of one path.
    pub fn policy(&self, from: &str, to: &str) -> Option<&PromotionPolicy> {
        let mut paths = self.paths.iter();
        paths.find(|((f, t), _)| f.as_str() == from && t.as_str() == to).map(|(_, policy)| policy)
    }

    /// The environments from which `to` is promoted, with the policy of each.
    pub fn paths_into<'p>(
        &'p self,
        to: &'p str,
    ) -> impl Iterator<Item = (&'p EnvironmentName, &'p PromotionPolicy)> {
        self.paths
            .iter()
            .filter(move |((_, t), _)| t.as_str() == to)
            .map(|((from, _), policy)| (from, policy))
    }

    /// The test suites, including those that a policy names and the file does not list.
    pub fn suites(&self) -> &BTreeMap<SuiteName, Suite> {
        &self.suites
    }

    /// References to secrets that environments may have in common.
    pub fn shared_secrets(&self) -> &BTreeSet<SecretRef> {
        &self.shared
    }

    /// The groups of people.
    pub fn people(&self) -> &People {
        &self.people
    }

    /// Every value in force with its provenance, for `promote plan --explain-defaults`.
    ///
    /// `configs` has the fly.toml of each component as far as it could be read: what it says counts where the project
    /// file says nothing.
    pub fn explain_defaults(&self, configs: &BTreeMap<String, FlyToml>) -> Vec<Explained> {
        explain::explain(self, configs)
    }
}

/// Sections are read in the order in which they refer to each other, not in the order of the file.
fn read(sink: &Sink<'_>, root: &Section<'_>) -> Option<Project> {
    let name = root.get("project").and_then(|value| value.section()).and_then(|section| {
        let name = section.get("name").and_then(|value| value.resolved());
        section.finish();
        name
    });
    let store = root.get("store").and_then(|value| store::read(&value));
    let ci = ci::read(root);
    let shared = store::shared_secrets(root);
    let people = people::read(root);
    let suites = suite::read(root);
    let components = component::read(root);
    let environments = environment::read(root, &components);
    checks::environments(sink, &environments, &shared);
    checks::store(sink, store.as_ref(), &environments);
    checks::anchor(sink, store.as_ref());
    let known = policy_read::Known { people: &people, suites: &suites, environments: &environments };
    let paths = policy_read::read(root, &known);
    root.finish();
    if !sink.has_errors() {
        // A binding that could not be read would look like one that is missing.
        checks::unproven(sink, &environments, &paths);
        checks::copies(sink, &environments, &paths);
    }
    let suites = suites.with_conventional(&paths);
    Some(Project {
        name,
        store,
        ci,
        components: components.into_iter().filter_map(|(name, c)| Some((name, c?))).collect(),
        environments: environments.into_iter().map(|e| (e.value.name.clone(), e.value)).collect(),
        paths: paths.into_iter().map(|path| ((path.from, path.to), path.policy)).collect(),
        suites,
        people,
        shared,
    })
}
