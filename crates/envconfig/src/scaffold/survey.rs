//! What is in a repository.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Beside, FoundApp, FoundStaging, Repository, Survey,
    credential::is_one_environments,
    differs,
    files::{File, Purpose},
};
use crate::{
    ComponentName, Problem, ProjectPath, VariableName,
    fly_toml::FlyToml,
    project::{Component, Project, RESERVED},
};

/// Ports at which Fly's edge answers for `https://APP.fly.dev`.
const WEB_PORTS: [u16; 2] = [80, 443];

/// Reads a fly.toml of the repository.
type Read<'a> = dyn Fn(&str) -> Result<FlyToml, Vec<Problem>> + 'a;

impl Survey {
    /// Looks through `repository`; `beside` reads a file that one of its files names, by the path of that file and the name
    /// in it, or says why it cannot.
    ///
    /// Production's files are those of [`Repository::configs`], else each plain `fly.toml` and each that says so by its name or
    /// by its directory. A name that says something else, such as `fly.worker.toml`, may be another app or another
    /// environment: it is left out, and noted. Staging's file beside one of production's becomes an overlay of it.
    ///
    /// # Errors
    /// What is wrong with a fly.toml that is taken, with line and column: one that cannot be read cannot be promoted.
    pub fn of(repository: &Repository, beside: &Beside<'_>) -> Result<Self, Vec<Problem>> {
        let paths = repository.texts.keys().map(String::as_str);
        let said = |path| repository.configs.contains(path).then(|| File::named(path));
        let files: Vec<File<'_>> = paths.filter_map(|path| File::of(path).or_else(|| said(path))).collect();
        let read = |path: &str| {
            let text = repository.texts.get(path).map(String::as_str).unwrap_or_default();
            let parsed = FlyToml::parse_beside(path, text, &|named| beside(path, named));
            parsed.map(|parsed| parsed.value).map_err(|problems| problems.list)
        };
        let mut survey = Self { apps: BTreeMap::new(), notes: Vec::new() };
        let mut problems = Vec::new();
        for file in survey.productions(&files, &repository.configs) {
            let staging =
                files.iter().find(|other| other.is_beside(file) && other.purpose == Purpose::Staging);
            problems.extend(survey.add(file, staging, &read).err().into_iter().flatten());
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        survey.note_rest(&repository.migrations);
        Ok(survey)
    }

    /// Production's files; what is left out is noted.
    fn productions<'f>(&mut self, files: &'f [File<'f>], said: &BTreeSet<String>) -> Vec<&'f File<'f>> {
        if !said.is_empty() {
            return files.iter().filter(|file| said.contains(file.path)).collect();
        }
        let is_said = |file: &File<'_>| {
            files.iter().any(|other| other.is_beside(file) && other.purpose == Purpose::Production)
        };
        let mut taken = Vec::new();
        for file in files {
            let path = file.path;
            let note = match (file.purpose, &file.part) {
                (Purpose::Production, _) => {
                    taken.push(file);
                    continue;
                }
                (Purpose::Unsaid, None) if !is_said(file) => {
                    taken.push(file);
                    continue;
                }
                (Purpose::Unsaid, None) => {
                    format!("`{path}` stands beside one that says it is production's, and is left out")
                }
                (Purpose::Unsaid, Some(_)) => format!(
                    "`{path}` may be another app or another environment, and is left out; --config names the files of \
                     production, each"
                ),
                (Purpose::Other, _) => {
                    format!("`{path}` is neither production's nor staging's, and is left out")
                }
                (Purpose::Staging, _) => {
                    let has_one = files.iter().any(|other| {
                        other.is_beside(file)
                            && matches!(other.purpose, Purpose::Production | Purpose::Unsaid)
                    });
                    if has_one {
                        continue;
                    }
                    format!("`{path}` is staging's, and there is no fly.toml of production beside it")
                }
            };
            self.notes.push(note);
        }
        taken
    }

    fn add(
        &mut self,
        file: &File<'_>,
        staging: Option<&File<'_>>,
        read: &Read<'_>,
    ) -> Result<(), Vec<Problem>> {
        let Ok(config) = file.path.parse::<ProjectPath>() else {
            self.notes.push(format!("`{}` is a path that no project file can name", file.path));
            return Ok(());
        };
        let fly = read(file.path)?;
        let staging = match staging {
            Some(staging) => Some(differs::from(&fly, &read(staging.path)?, staging.path)),
            None => None,
        };
        let app = found(config, &fly, staging);
        let name = self.name_for(file, app.serves);
        self.note(&name, &app);
        self.note_unnameable(&app);
        self.apps.insert(name, app);
        Ok(())
    }

    fn note(&mut self, name: &ComponentName, app: &FoundApp) {
        if let Some(FoundStaging { config, beyond, secrets, .. }) = &app.staging {
            self.notes.push(format!(
                "what `{config}` says is the overlay of `{name}`; `stagectl render fly --env staging` would write another \
                 `{config}`, from there"
            ));
            if !beyond.is_empty() {
                self.notes.push(format!(
                    "`{config}` also differs in `{}`, which no overlay can say: there staging will be as production is",
                    beyond.join("`, `")
                ));
            }
            if !secrets.is_empty() {
                self.notes.push(format!(
                    "{} of `{config}` look like secrets and are not copied: `fly secrets set` them for staging's app",
                    listed(secrets)
                ));
            }
        } else if !app.own.is_empty() {
            self.notes.push(format!(
                "{} of `{}` may be production's alone and stay out of staging: `fly secrets set` what staging shall have instead",
                listed(&app.own),
                app.config
            ));
        }
    }

    /// Production's variables that would reach staging all the same.
    fn note_unnameable(&mut self, app: &FoundApp) {
        let is_unnameable = |name: &&String| name.parse::<VariableName>().is_err();
        let names: BTreeSet<&String> = app.own.iter().filter(is_unnameable).collect();
        if !names.is_empty() {
            self.notes.push(format!(
                "{} of `{}` would reach staging: no overlay can name it, so take it out of that file and `fly secrets set` it",
                listed(&names),
                app.config
            ));
        }
    }

    fn note_rest(&mut self, migrations: &[String]) {
        if self.is_asked() {
            self.notes.push(
                "the first suite asks nobody who they are, so it passes whatever answers: let the app answer \
                 /.well-known/environment, and delete that from the suite"
                    .to_owned(),
            );
        } else if !self.apps.is_empty() {
            let why = "nothing here answers requests from outside, so no suite is begun";
            self.notes.push(format!(
                "{why}; production takes no release that passed none: `[suites.NAME] file = …`"
            ));
        }
        let left = "databases are not deployed by us yet, so the project file does not name them";
        self.notes.extend(migrations.iter().map(|dir| format!("`{dir}` has migrations; {left}")));
    }

    /// What a project file that is there already calls by another name gets that one.
    #[must_use]
    pub fn named_as_in(self, project: &Project) -> Self {
        let plain = |path: &ProjectPath| path.as_str().trim_start_matches("./").to_owned();
        let known = |app: &FoundApp| {
            let is_it = |component: &Component| match component {
                Component::Fly { config, .. } => plain(&config.value) == plain(&app.config),
                Component::Static { .. } | Component::Supabase { .. } => false,
            };
            project.components().iter().find(|(_, component)| is_it(component)).map(|(name, _)| name.clone())
        };
        let mut apps = BTreeMap::new();
        let mut others = Vec::new();
        for (name, app) in self.apps {
            match known(&app) {
                Some(known) => drop(apps.insert(known, app)),
                None => others.push((name, app)),
            }
        }
        for (name, app) in others {
            let is_free =
                |name: &ComponentName| !apps.contains_key(name) && project.component(name.as_str()).is_none();
            let name = numbered(name.as_ref()).find(is_free).expect("numbers do not end");
            apps.insert(name, app);
        }
        Self { apps, ..self }
    }

    /// By its part, else by its directory, else by what it does; no two alike, and none that means something else in a
    /// project file.
    fn name_for(&self, file: &File<'_>, serves: bool) -> ComponentName {
        let usual = if serves { "web" } else { "worker" };
        let last = file.dir.rsplit('/').next().filter(|dir| !dir.is_empty());
        let plain = spelled(file.part.as_deref().or(last).unwrap_or(usual));
        let long =
            spelled(&format!("{}-{}", file.dir.replace('/', "-"), file.part.as_deref().unwrap_or(usual)));
        let firsts = [plain, long].into_iter().filter_map(|text| text.parse::<ComponentName>().ok());
        let is_free =
            |name: &ComponentName| !self.apps.contains_key(name) && !RESERVED.contains(&name.as_str());
        firsts.chain(numbered(usual)).find(is_free).expect("numbers do not end")
    }
}

/// `web`, `web-2`, `web-3` and so on.
fn numbered(name: &str) -> impl Iterator<Item = ComponentName> {
    let further = (2_u32..).map({
        let name = name.to_owned();
        move |n| format!("{name}-{n}")
    });
    std::iter::once(name.to_owned()).chain(further).filter_map(|text| text.parse().ok())
}

fn listed<T: std::fmt::Display>(names: &BTreeSet<T>) -> String {
    format!("`{}`", names.iter().map(ToString::to_string).collect::<Vec<_>>().join("`, `"))
}

/// In the letters of a name.
fn spelled(text: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    text.chars().map(letter).collect::<String>().trim_matches('-').to_owned()
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
        // What a suite would take for a placeholder, or for no path at all.
        let is_plain = path.starts_with('/') && !path.contains("{{") && !path.contains(char::is_whitespace);
        if check.check_type == "http" && is_get && is_plain && !paths.contains(&path) {
            paths.push(path);
        }
    }
    FoundApp {
        config,
        app: fly.app.clone(),
        serves: services().any(|service| is_web(&service)),
        unchecked: fly.unchecked(),
        paths,
        own: differs::named(fly, is_one_environments),
        env: fly.env.clone(),
        staging,
    }
}
