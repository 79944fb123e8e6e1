//! What a component is called in an environment.

use serde_json::{Map, Value as Json};
use url::Url;

use super::{component::ComponentKind, scalars};
use crate::{
    AppName, Code, ProjectRef, Resolved, SiteName,
    fly_toml::Overlay,
    reading::{self, Section, Value},
};

/// A component in an environment.
#[derive(Debug, Clone, PartialEq)]
pub enum Binding {
    /// A Fly app.
    Fly(Box<FlyBinding>),
    /// A published static bundle.
    Static(StaticBinding),
    /// A Supabase project.
    Supabase(SupabaseBinding),
}

/// A Fly app of an environment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FlyBinding {
    /// The app.
    pub app: Resolved<AppName>,
    /// What differs from the component's fly.toml.
    pub overlay: Overlay,
    /// Where people reach it; see [`FlyBinding::public_url`].
    pub url: Option<Url>,
    /// Addresses at which each edge can be asked on its own.
    pub edges: Option<Vec<Url>>,
}

/// A static bundle of an environment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StaticBinding {
    /// The site.
    pub site: Resolved<SiteName>,
    /// Where people reach it.
    pub url: Option<Url>,
    /// Addresses at which each edge can be asked on its own.
    pub edges: Option<Vec<Url>>,
    /// What `env.json` says in this environment; the bundle itself is the same everywhere.
    pub env: Map<String, Json>,
}

/// A Supabase project of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SupabaseBinding {
    /// The project's reference.
    pub project: Resolved<ProjectRef>,
}

impl Binding {
    /// The kind of component it fits.
    pub fn kind(&self) -> ComponentKind {
        match self {
            Self::Fly(_) => ComponentKind::Fly,
            Self::Static(_) => ComponentKind::Static,
            Self::Supabase(_) => ComponentKind::Supabase,
        }
    }

    /// What is bound: the app, site or project, with its provenance.
    pub fn target(&self) -> Resolved<String> {
        match self {
            Self::Fly(fly) => fly.app.clone().map(|app| app.to_string()),
            Self::Static(site) => site.site.clone().map(|site| site.to_string()),
            Self::Supabase(supabase) => supabase.project.clone().map(|project| project.to_string()),
        }
    }

    /// The Fly app, if it is one.
    pub fn as_fly(&self) -> Option<&FlyBinding> {
        match self {
            Self::Fly(fly) => Some(fly),
            Self::Static(_) | Self::Supabase(_) => None,
        }
    }

    /// The static bundle, if it is one.
    pub fn as_static(&self) -> Option<&StaticBinding> {
        match self {
            Self::Static(site) => Some(site),
            Self::Fly(_) | Self::Supabase(_) => None,
        }
    }
}

impl FlyBinding {
    /// The address in the file, else `https://<app>.fly.dev`, Fly's own host name of an app.
    pub fn public_url(&self) -> Option<Url> {
        self.url.clone().or_else(|| Url::parse(&format!("https://{}.fly.dev/", self.app.value)).ok())
    }
}

/// The keys that only one kind of binding has.
const TELLTALES: [(&str, ComponentKind); 3] =
    [("app", ComponentKind::Fly), ("site", ComponentKind::Static), ("project", ComponentKind::Supabase)];

/// Reads a binding of a component of `kind`.
pub(super) fn read(value: &Value<'_>, kind: ComponentKind) -> Option<Binding> {
    let section = value.section()?;
    for (key, other) in TELLTALES.into_iter().filter(|(_, other)| *other != kind) {
        if section.rest().iter().any(|(entry, _)| entry.name == key) {
            let what = format!("`{}` has `{key}`, and the component is of kind `{kind}`", section.path);
            let right = TELLTALES.iter().find(|(_, k)| *k == kind).map_or("", |(key, _)| *key);
            let why = format!("`{key}` belongs to components of kind `{other}`, this one has `{right}`");
            section.sink.error(Code::WrongBinding, value.span(), &value.path, what, why, None);
            return None;
        }
    }
    let binding = match kind {
        ComponentKind::Fly => fly(&section).map(|fly| Binding::Fly(Box::new(fly))),
        ComponentKind::Static => site(&section).map(Binding::Static),
        ComponentKind::Supabase => {
            let project = section.require("project", "it names the Supabase project of this environment");
            let project = project.and_then(|project| project.resolved());
            project.map(|project| Binding::Supabase(SupabaseBinding { project }))
        }
    };
    section.finish();
    binding
}

fn fly(section: &Section<'_>) -> Option<FlyBinding> {
    let app = section.require("app", "it names the Fly app of this environment");
    let app = app.and_then(|app| Some(app.found(app.parse_as("a Fly app name")?)));
    let overlay = section.get("overlay").map(|overlay| Overlay::read(&overlay)).unwrap_or_default();
    let url = section.get("url").and_then(|url| scalars::web_url(&url));
    let edges = section.get("edges").map(|edges| scalars::web_urls(&edges));
    Some(FlyBinding { app: app?, overlay, url, edges })
}

fn site(section: &Section<'_>) -> Option<StaticBinding> {
    let site =
        section.require("site", "it names the site of this environment").and_then(|site| site.resolved());
    let url = section.get("url").and_then(|url| scalars::web_url(&url));
    let edges = section.get("edges").map(|edges| scalars::web_urls(&edges));
    let env = section.get("env").and_then(|env| {
        let json = reading::json(&env)?;
        env.section()?;
        Some(json)
    });
    let env = match env {
        Some(Json::Object(env)) => env,
        _ => Map::new(),
    };
    Some(StaticBinding { site: site?, url, edges, env })
}
