//! `[components.NAME]`: the parts that are deployed.

use std::collections::BTreeMap;

use super::{environment::RESERVED, scalars};
use crate::{
    Code, ComponentName, Period, ProjectPath, Resolved, VariableName,
    reading::{Section, Value},
    text_value::word_value,
};

word_value! {
    /// What kind of thing a component is.
    ComponentKind, "a kind of component", {
        /// A Fly app.
        Fly = "fly",
        /// A directory of files, pushed as an OCI artefact.
        Static = "static",
        /// A Supabase project: the database and its migrations.
        Supabase = "supabase",
    }
}

/// A component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Component {
    /// A Fly app.
    Fly {
        /// Production's fly.toml, relative to the project file.
        config: Resolved<ProjectPath>,
        /// How a process group without checks proves that it is healthy.
        healthy: Option<Resolved<HealthProof>>,
        /// The secrets without which no release is put anywhere, by name.
        required_secrets: Resolved<Vec<VariableName>>,
    },
    /// A static bundle.
    Static {
        /// The built files, relative to the project file.
        dir: Resolved<ProjectPath>,
    },
    /// A database.
    Supabase {
        /// The directory of migrations, relative to the project file.
        migrations: Resolved<ProjectPath>,
    },
}

/// What stands for health where there is no check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HealthProof {
    /// The machine has been `started`, without a restart, for this long.
    StartedFor(Period),
}

impl Component {
    /// What kind of thing it is.
    pub fn kind(&self) -> ComponentKind {
        match self {
            Self::Fly { .. } => ComponentKind::Fly,
            Self::Static { .. } => ComponentKind::Static,
            Self::Supabase { .. } => ComponentKind::Supabase,
        }
    }
}

/// Every component by name; `None` where it could not be read, so that bindings to it are not dangling.
pub(super) fn read(root: &Section<'_>) -> BTreeMap<ComponentName, Option<Component>> {
    let mut components = BTreeMap::new();
    let section = root.require("components", "a project has at least one part that is deployed");
    let Some(section) = section.and_then(|value| value.section()) else { return components };
    for (entry, value) in section.all() {
        let component = component(&value);
        match entry.name.parse::<ComponentName>() {
            Ok(name) if RESERVED.contains(&name.as_str()) => {
                let what = format!("a component cannot be called `{name}`");
                let why = format!("in an environment `{name}` already means something else");
                value.sink.error(Code::ReservedName, &entry.span, &value.path, what, why, None);
            }
            Ok(name) => {
                components.insert(name, component);
            }
            Err(error) => {
                let what = error.what_is_wrong();
                value.sink.error(Code::Malformed, &entry.span, &value.path, what, error.why, None);
            }
        }
    }
    if components.is_empty() && section.all().is_empty() {
        let why = "a project has at least one part that is deployed";
        section.sink.error(Code::Missing, &section.span, &section.path, "`components` is empty", why, None);
    }
    components
}

/// The key that only one kind has, and that tells the kind when nobody says it.
const TELLTALES: [(&str, ComponentKind); 3] =
    [("config", ComponentKind::Fly), ("dir", ComponentKind::Static), ("migrations", ComponentKind::Supabase)];

fn component(value: &Value<'_>) -> Option<Component> {
    let section = value.section()?;
    let told: Option<ComponentKind> = match section.get("kind") {
        Some(kind) => Some(kind.parse()?),
        None => None,
    };
    let present: Vec<_> = TELLTALES.iter().filter(|(key, _)| section.get(key).is_some()).collect();
    let kind = match (told, present.as_slice()) {
        (Some(kind), present) => {
            let foreign = present.iter().find(|(_, other)| *other != kind);
            if let Some((key, other)) = foreign {
                let what = format!("`{}` is of kind `{kind}` and has `{key}`", section.path);
                unclear(&section, what, format!("`{key}` belongs to the kind `{other}`"));
                return None;
            }
            kind
        }
        (None, [(_, kind)]) => *kind,
        (None, []) => {
            let what = format!("nobody can tell what `{}` is", section.path);
            unclear(&section, what, "it has neither `kind` nor `config`, `dir` or `migrations`".to_owned());
            return None;
        }
        (None, [(a, _), (b, _), ..]) => {
            let what = format!("nobody can tell what `{}` is", section.path);
            unclear(&section, what, format!("it has both `{a}` and `{b}`"));
            return None;
        }
    };
    let component = match kind {
        ComponentKind::Fly => {
            let healthy = section.get("healthy").and_then(|healthy| health_proof(&healthy));
            let required_secrets = match section.get("secrets") {
                Some(secrets) => required_secrets(&secrets),
                None => Some(Resolved::default_of(Vec::new(), "no secret is asked for")),
            };
            let config = section.require("config", "it names production's fly.toml");
            let config = config.and_then(|path| path.resolved());
            config.zip(required_secrets).map(|(config, required_secrets)| Component::Fly {
                config,
                healthy,
                required_secrets,
            })
        }
        ComponentKind::Static => {
            let dir = section.require("dir", "it names the directory of the built files");
            dir.and_then(|path| path.resolved()).map(|dir| Component::Static { dir })
        }
        ComponentKind::Supabase => {
            let migrations = section.require("migrations", "it names the directory of the migrations");
            migrations.and_then(|path| path.resolved()).map(|migrations| Component::Supabase { migrations })
        }
    };
    section.finish();
    component
}

fn unclear(section: &Section<'_>, what: String, why: String) {
    let hint =
        "say `kind = \"fly\"` with `config`, `\"static\"` with `dir`, or `\"supabase\"` with `migrations`";
    section.sink.error(Code::KindUnclear, &section.span, &section.path, what, why, Some(hint.to_owned()));
}

fn health_proof(value: &Value<'_>) -> Option<Resolved<HealthProof>> {
    let section = value.section()?;
    let started = section.require("started-for", "it says how long a machine must have been started");
    section.finish();
    Some(scalars::period(&started?)?.map(HealthProof::StartedFor))
}

/// `secrets = { required = […] }`: names alone, each once. What is no name may be a value by mistake and is never quoted.
fn required_secrets(value: &Value<'_>) -> Option<Resolved<Vec<VariableName>>> {
    let section = value.section()?;
    let required = section.require("required", "it lists the names of the secrets that must be set");
    section.finish();
    let required = required?;
    let mut names: Vec<VariableName> = Vec::new();
    for item in required.list()? {
        let Some(name) = item.text().and_then(|text| text.parse::<VariableName>().ok()) else {
            item.sink.hide_all(item.node);
            let what = format!("`{}` is not a secret's name", item.path);
            let why = "only names belong here, such as `DATABASE_URL`; values are set with `fly secrets set`";
            item.error(Code::Malformed, what, why, None);
            continue;
        };
        if names.contains(&name) {
            let what = format!("the secret `{name}` is listed twice");
            item.error(Code::Malformed, what, "once is enough", None);
        } else {
            names.push(name);
        }
    }
    Some(required.found(names))
}
