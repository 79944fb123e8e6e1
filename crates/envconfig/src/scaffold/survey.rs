//! What is in a repository.

use std::collections::{BTreeMap, BTreeSet};

use super::{Beside, FoundApp, FoundStaging, Repository, Survey, differs};
use crate::{
    ComponentName, Parsed, Problem, ProjectPath,
    fly_toml::FlyToml,
    project::{Component, Project},
};

/// Ports at which Fly's edge answers for `https://APP.fly.dev`.
const WEB_PORTS: [u16; 2] = [80, 443];

/// Variables that say in which environment something runs. Not those that say how it was built, such as `NODE_ENV`: a mirror
/// of production is built like production.
const SAYS_WHERE: [&str; 6] =
    ["APP_ENV", "ENVIRONMENT", "ENV", "DEPLOY_ENV", "SENTRY_ENVIRONMENT", "DEPLOYMENT_ENVIRONMENT"];

/// For what a `fly.WORD.toml` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    Production,
    Staging,
    /// Previews, development, reviews: none of ours yet.
    Other,
    /// No word, or one that names a component.
    Unsaid,
}

fn purpose(word: &str) -> Purpose {
    match word {
        "production" | "prod" | "live" => Purpose::Production,
        "staging" | "stage" | "stg" => Purpose::Staging,
        "preview" | "review" | "review_apps" | "pr" | "dev" | "development" | "local" | "test" | "demo"
        | "sandbox" => Purpose::Other,
        _ => Purpose::Unsaid,
    }
}

/// A fly.toml, and what its name says: `apps/api/fly.staging.toml` is of `apps/api`, for staging.
struct File<'a> {
    path: &'a str,
    dir: &'a str,
    /// Between `fly.` and `.toml`, without a purpose.
    part: Option<&'a str>,
    purpose: Purpose,
    fly: FlyToml,
}

impl Survey {
    /// Looks through `repository`; `beside` reads a file that one of its files names, by the path of that file and the name
    /// in it, or says why it cannot. What names no purpose is production's; what is staging's becomes an overlay of it.
    ///
    /// # Errors
    /// What is wrong with a fly.toml, with line and column: one that cannot be read cannot be promoted.
    pub fn of(repository: &Repository, beside: &Beside<'_>) -> Result<Self, Vec<Problem>> {
        let (mut files, mut problems) = (Vec::new(), Vec::new());
        for (path, text) in &repository.texts {
            let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
            let Some(word) = name.strip_prefix("fly").and_then(|rest| rest.strip_suffix(".toml")) else {
                continue;
            };
            let words: Vec<&str> = word.split('.').filter(|word| !word.is_empty()).collect();
            let said = words.iter().map(|word| purpose(word)).find(|it| *it != Purpose::Unsaid);
            let part = words.into_iter().find(|word| purpose(word) == Purpose::Unsaid);
            match FlyToml::parse_beside(path, text, &|named| beside(path, named)) {
                Ok(Parsed { value: fly, .. }) => {
                    files.push(File { path, dir, part, purpose: said.unwrap_or(Purpose::Unsaid), fly });
                }
                Err(found) => problems.extend(found.list),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self::sorted(&files, &repository.migrations))
    }

    /// What a project file that is there already calls by another name gets that one.
    #[must_use]
    pub fn named_as_in(self, project: &Project) -> Self {
        let known = |app: &FoundApp| {
            let is_it = |component: &Component| matches!(component, Component::Fly { config, .. } if config.value == app.config);
            project.components().iter().find(|(_, component)| is_it(component)).map(|(name, _)| name.clone())
        };
        let named = |(name, app): (ComponentName, FoundApp)| (known(&app).unwrap_or(name), app);
        Self { apps: self.apps.into_iter().map(named).collect(), ..self }
    }

    fn sorted(files: &[File<'_>], migrations: &[String]) -> Self {
        let mut survey = Self { apps: BTreeMap::new(), notes: Vec::new() };
        let places: BTreeSet<(&str, Option<&str>)> = files.iter().map(|file| (file.dir, file.part)).collect();
        for (dir, part) in places {
            let here = || files.iter().filter(|file| (file.dir, file.part) == (dir, part));
            let of = |purpose| here().find(|file| file.purpose == purpose);
            let production = of(Purpose::Production).or_else(|| of(Purpose::Unsaid));
            let staging = of(Purpose::Staging);
            for file in here().filter(|file| file.purpose == Purpose::Other) {
                survey
                    .notes
                    .push(format!("`{}` is neither production's nor staging's, and is left out", file.path));
            }
            let Some(production) = production else {
                let found = staging.map(|file| {
                    format!("`{}` is staging's, and there is no fly.toml of production beside it", file.path)
                });
                survey.notes.extend(found);
                continue;
            };
            // Beside one that is said to be production's, the plain one is for something else.
            if let Some(plain) = of(Purpose::Unsaid).filter(|plain| plain.path != production.path) {
                survey
                    .notes
                    .push(format!("`{}` stands beside `{}`, and is left out", plain.path, production.path));
            }
            survey.add(production, staging);
        }
        if !survey.apps.is_empty() && !survey.is_asked() {
            let why = "nothing here answers requests from outside, so no suite is begun";
            survey.notes.push(format!(
                "{why}; production takes no release that passed none: `[suites.NAME] file = …`"
            ));
        }
        let left = "databases are not deployed by us yet, so the project file does not name them";
        survey.notes.extend(migrations.iter().map(|dir| format!("`{dir}` has migrations; {left}")));
        survey
    }

    fn add(&mut self, production: &File<'_>, staging: Option<&File<'_>>) {
        let Ok(config) = production.path.parse::<ProjectPath>() else {
            self.notes.push(format!("`{}` is a path that no project file can name", production.path));
            return;
        };
        let staging = staging.map(|file| differs::from(&production.fly, &file.fly, file.path));
        let app = found(config, &production.fly, staging);
        let name = self.name_for(production, app.serves);
        if let Some(staging) = &app.staging {
            self.notes.push(format!(
                "what `{}` says is the overlay of `{name}`: `stagectl render fly --env staging` writes it from there on",
                staging.config
            ));
            self.notes.extend((!staging.beyond.is_empty()).then(|| told_beyond(staging)));
        }
        self.apps.insert(name, app);
    }

    /// By its part, else by its directory, else by what it does; no two alike.
    fn name_for(&self, file: &File<'_>, serves: bool) -> ComponentName {
        let usual = if serves { "web" } else { "worker" };
        let last = file.dir.rsplit('/').next().filter(|dir| !dir.is_empty());
        let of = |text: &str| text.parse::<ComponentName>().ok();
        let plain = file.part.or(last).and_then(|word| of(&spelled(word))).or_else(|| of(usual));
        let long = of(&spelled(&format!("{}-{}", file.dir.replace('/', "-"), file.part.unwrap_or(usual))));
        let numbered = (2_u32..).map(|n| of(&format!("{usual}-{n}")));
        let mut all = [plain, long].into_iter().chain(numbered).flatten();
        all.find(|name| !self.apps.contains_key(name)).expect("numbers do not end")
    }
}

/// In the letters of a name.
fn spelled(text: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    text.chars().map(letter).collect::<String>().trim_matches('-').to_owned()
}

fn told_beyond(staging: &FoundStaging) -> String {
    let fields = staging.beyond.join("`, `");
    format!(
        "`{}` also differs in `{fields}`, which no overlay can say: there staging will be as production is",
        staging.config
    )
}

fn found(config: ProjectPath, fly: &FlyToml, staging: Option<FoundStaging>) -> FoundApp {
    let machines = fly.flatten();
    let services = || machines.values().flat_map(|machine| &machine.services);
    let is_web = |service: &&flytypes::machine::Service| {
        service.ports.iter().any(|port| port.port.is_some_and(|port| WEB_PORTS.contains(&port)))
    };
    let mut paths: Vec<String> = Vec::new();
    for check in services().filter(is_web).flat_map(|service| &service.checks) {
        let is_get = check.method.as_deref().is_none_or(|method| method.eq_ignore_ascii_case("get"));
        let path = check.path.clone().unwrap_or_else(|| "/".to_owned());
        if check.check_type == "http" && is_get && !paths.contains(&path) {
            paths.push(path);
        }
    }
    FoundApp {
        config,
        app: fly.app.clone(),
        serves: services().any(|service| is_web(&service)),
        unchecked: fly.unchecked(),
        paths,
        env: fly
            .env
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), elsewhere(fly, name, value)?)))
            .collect(),
        staging,
    }
}

/// What a variable says in staging: another environment's name, another app's address.
fn elsewhere(fly: &FlyToml, name: &str, value: &str) -> Option<String> {
    let is_production = matches!(value.to_ascii_lowercase().as_str(), "production" | "prod" | "live");
    if SAYS_WHERE.contains(&name) && is_production {
        return Some("staging".to_owned());
    }
    let host = format!("{}.fly.dev", fly.app.as_ref()?);
    let before = value.find(&host)?;
    // `my-runner.fly.dev` is another app than `runner`.
    let is_whole = !value[..before].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
    is_whole.then(|| value.replace(&host, "{app}.fly.dev"))
}
