//! Which steps change something outside of the repository, where, and with which token.

use super::Places;
use super::model::{Job, Step, Text, Workflow};

/// Where something goes, as far as names tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Production,
    /// Staging, previews, development.
    Other,
}

/// A `fly deploy`.
#[derive(Debug)]
pub(super) struct Deploy<'w> {
    pub(super) job: &'w Job,
    pub(super) step: &'w Step,
    pub(super) place: Place,
    /// It takes an image that is there, instead of building one.
    pub(super) takes_image: bool,
    /// The secret that the token comes from, and where that is said. Without one there is no token.
    pub(super) token: Option<(String, &'w Text)>,
}

/// What the words of a name say about a place that is not production.
const OTHERS: &[&str] = &[
    "staging",
    "stage",
    "stg",
    "preview",
    "previews",
    "review",
    "dev",
    "develop",
    "development",
    "test",
    "testing",
    "qa",
    "uat",
    "sandbox",
    "canary",
    "pr",
];
const PRODUCTION: &[&str] = &["production", "prod", "live", "main", "master"];

/// Where flyctl looks for its token: <https://fly.io/docs/security/tokens/>.
const TOKENS: &[&str] = &["FLY_API_TOKEN", "FLY_ACCESS_TOKEN"];

/// Commands that change what others use: program and verbs.
const CHANGES: &[&[&str]] = &[
    &["fly", "deploy"],
    &["flyctl", "deploy"],
    &["terraform", "apply"],
    &["terraform", "destroy"],
    &["argocd", "app", "sync"],
    &["kubectl", "apply"],
    &["helm", "upgrade"],
    &["supabase", "db", "push"],
    &["supabase", "functions", "deploy"],
    &["wrangler", "deploy"],
    &["kamal", "deploy"],
];

/// What the words of `name` say.
pub(super) fn place_of(name: &str) -> Option<Place> {
    let name = name.to_lowercase();
    let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let says = |list: &[&str]| words.iter().any(|word| list.contains(word));
    if says(OTHERS) { Some(Place::Other) } else { says(PRODUCTION).then_some(Place::Production) }
}

impl Workflow {
    /// Every `fly deploy` in it.
    pub(super) fn deploys(&self, places: &Places) -> Vec<Deploy<'_>> {
        let steps = self.jobs.iter().flat_map(|job| job.steps.iter().map(move |step| (job, step)));
        let deploys = steps.flat_map(|(job, step)| {
            let commands = step.commands().into_iter().chain(step.arguments());
            commands
                .filter_map(|command| fly_deploy(&command))
                .map(move |flags| (job, step, flags))
                .collect::<Vec<_>>()
        });
        deploys
            .map(|(job, step, flags)| Deploy {
                job,
                step,
                place: self.place(job, step, &flags, places),
                takes_image: flags.image,
                token: self.token(job, step),
            })
            .collect()
    }

    /// What a deploy changes, by the most telling of its names.
    fn place(&self, job: &Job, step: &Step, flags: &Flags, places: &Places) -> Place {
        let is_app = |known: &&(String, Place)| flags.app.as_ref() == Some(&known.0);
        if let Some((_, place)) = places.apps.iter().find(is_app) {
            return *place;
        }
        let names = [
            flags.app.as_deref(),
            flags.config.as_deref(),
            job.environment.as_deref(),
            step.name.as_deref(),
            Some(job.id.as_str()),
            job.name.as_deref(),
            self.name.as_deref(),
        ];
        let branches = self.push.iter().flat_map(|push| &push.branches).map(|branch| place_of(branch));
        let said = names.into_iter().flatten().find_map(place_of);
        said.unwrap_or_else(|| match branches.collect::<Option<Vec<_>>>() {
            Some(classes) if !classes.is_empty() && !classes.contains(&Place::Production) => Place::Other,
            _ => Place::Production,
        })
    }

    fn token<'w>(&'w self, job: &'w Job, step: &'w Step) -> Option<(String, &'w Text)> {
        let all = step.env.iter().chain(&job.env).chain(&self.env);
        let (_, text) = all.into_iter().find(|(name, _)| TOKENS.contains(&name.as_str()))?;
        let secret =
            text.expressions().paths.into_iter().find(|path| path[0] == "secrets" && path.len() == 2);
        Some((secret.map(|path| path[1].to_ascii_uppercase()).unwrap_or_default(), text))
    }

    /// Whether a push to the branch that production runs from, or a tag, starts it.
    pub(super) fn follows_production(&self, places: &Places) -> bool {
        self.push.as_ref().is_some_and(|push| {
            let is_any = push.branches.is_empty() && push.tags.is_empty();
            is_any
                || !push.tags.is_empty()
                || push.branches.iter().any(|branch| places.branches.contains(branch))
        })
    }
}

impl Step {
    /// What an action of Fly's is told to do.
    fn arguments(&self) -> Option<String> {
        let args = self.with.iter().find(|(name, _)| name == "args").map(|(_, text)| text.value.as_str())?;
        self.is_action("superfly/flyctl-actions").then(|| format!("flyctl {args}"))
    }

    /// Whether it changes something that others use.
    pub(super) fn changes(&self) -> bool {
        let changes = |command: String| {
            let words = words(&command);
            CHANGES.iter().any(|change| runs(&words, change).is_some())
        };
        self.commands().into_iter().chain(self.arguments()).any(changes)
    }

    /// Whether it builds an image.
    pub(super) fn builds(&self) -> bool {
        let builds = |command: &String| {
            let words = words(command);
            runs(&words, &["docker", "build"]).is_some()
                || runs(&words, &["docker", "buildx", "build"]).is_some()
        };
        self.is_action("docker/build-push-action") || self.commands().iter().any(builds)
    }

    /// Whether it makes flyctl available.
    pub(super) fn installs_flyctl(&self) -> bool {
        let is_action = |uses: &Text| uses.value.to_ascii_lowercase().starts_with("superfly/flyctl-actions");
        let installs = |line: &String| line.contains("fly.io/install") || line.contains("install flyctl");
        self.uses.as_ref().is_some_and(is_action) || self.commands().iter().any(installs)
    }
}

/// What a `fly deploy` says about where it goes.
#[derive(Debug, Default)]
struct Flags {
    app: Option<String>,
    config: Option<String>,
    image: bool,
}

fn words(command: &str) -> Vec<&str> {
    command
        .split(|c: char| c.is_whitespace() || ";|&()".contains(c))
        .filter(|word| !word.is_empty())
        .collect()
}

/// The words behind a program and its verbs, where they are called; flags may stand between them.
fn runs<'w, 'c>(words: &'w [&'c str], called: &[&str]) -> Option<&'w [&'c str]> {
    let start = words.iter().position(|word| word.rsplit('/').next() == called.first().copied())?;
    let mut verbs = called.iter().skip(1);
    let mut verb = verbs.next();
    for (n, word) in words.iter().enumerate().skip(start + 1) {
        match verb {
            Some(wanted) if word == wanted => verb = verbs.next(),
            Some(_) if word.starts_with('-') => {}
            Some(_) => return None,
            None => return Some(&words[n..]),
        }
    }
    verb.is_none().then(|| &words[words.len()..])
}

fn fly_deploy(command: &str) -> Option<Flags> {
    let words = words(command);
    let rest = runs(&words, &["flyctl", "deploy"]).or_else(|| runs(&words, &["fly", "deploy"]))?;
    let mut flags = Flags::default();
    for (n, word) in rest.iter().enumerate() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (*word, rest.get(n + 1).copied()),
        };
        let value = value.map(|value| value.trim_matches(['"', '\'']).to_owned());
        match flag {
            "--app" | "-a" => flags.app = value,
            "--config" | "-c" => flags.config = value,
            "--image" | "-i" => flags.image = true,
            _ => {}
        }
    }
    Some(flags)
}

#[cfg(test)]
mod tests {
    use super::{Place, fly_deploy, place_of};

    #[test]
    fn a_deploy_is_known_by_its_words() {
        let flags =
            fly_deploy("cd api && flyctl deploy --remote-only -c fly.staging.toml --app=\"runner-staging\"")
                .unwrap();
        assert_eq!(flags.app.as_deref(), Some("runner-staging"));
        assert_eq!(flags.config.as_deref(), Some("fly.staging.toml"));
        assert!(!flags.image);
        assert!(fly_deploy("/root/.fly/bin/fly deploy -i registry.fly.io/runner@sha256:00").unwrap().image);
        assert!(fly_deploy("fly status && npm run deploy").is_none());
        assert!(fly_deploy("flyctl apps list").is_none());
    }

    #[test]
    fn words_of_a_name_tell_what_it_is_for() {
        assert_eq!(place_of("blue-banded-bee-staging"), Some(Place::Other));
        assert_eq!(place_of("fly.production.toml"), Some(Place::Production));
        assert_eq!(
            place_of("Deploy to Production from staging"),
            Some(Place::Other),
            "whoever is not sure is careful"
        );
        assert_eq!(place_of("runner"), None);
        assert_eq!(place_of("prodigy"), None, "whole words only");
    }
}
