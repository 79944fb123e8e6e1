//! Which steps change something outside of the repository, where, and with which token.

use super::Places;
use super::model::{Job, Step, Text, Workflow, named};
use super::script::Command;

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

/// Words of names that are not production's, whatever has the name.
const OTHERS: &[&str] = &["staging", "stage", "stg", "preview", "previews", "sandbox", "uat"];
/// And those that also say what somebody does: they tell of an app or an environment only.
const OTHERS_OF_PLACES: &[&str] =
    &["review", "dev", "develop", "development", "test", "testing", "qa", "demo", "canary", "pr"];
const PRODUCTION: &[&str] = &["production", "prod", "live", "main", "master"];

/// Where flyctl looks for its token: <https://fly.io/docs/security/tokens/>.
const TOKENS: &[&str] = &["FLY_API_TOKEN", "FLY_ACCESS_TOKEN"];

/// Commands that change what others use: program and verbs.
const CHANGES: &[&[&str]] = &[
    &["terraform", "apply"],
    &["terraform", "destroy"],
    &["argocd", "app", "sync"],
    &["kubectl", "apply"],
    &["kubectl", "set"],
    &["helm", "upgrade"],
    &["supabase", "db", "push"],
    &["supabase", "functions", "deploy"],
    &["wrangler", "deploy"],
    &["wrangler", "pages", "deploy"],
    &["kamal", "deploy"],
];

/// What has these words in its name, if that tells. What is worked out in a run tells nothing.
fn words_say(name: &str, is_place: bool) -> Option<Place> {
    if name.contains("${{") {
        return None;
    }
    let name = name.to_lowercase();
    let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
    if has(OTHERS) || (is_place && has(OTHERS_OF_PLACES)) {
        Some(Place::Other)
    } else {
        has(PRODUCTION).then_some(Place::Production)
    }
}

/// What the name of an app, a file, an environment or a branch says.
fn place_of(name: &str) -> Option<Place> {
    words_say(name, true)
}

/// What the name of a job or step says, which may be a sentence.
fn sentence_of(name: &str) -> Option<Place> {
    words_say(name, false)
}

impl Workflow {
    /// Every `fly deploy` in it.
    pub(super) fn deploys(&self, places: &Places) -> Vec<Deploy<'_>> {
        let mut deploys = Vec::new();
        for job in &self.jobs {
            for step in &job.steps {
                deploys.extend(step.fly_deploys().map(|command| Deploy {
                    job,
                    step,
                    place: self.place(job, step, command, places),
                    takes_image: command.has_flag(&["--image", "-i"]),
                    token: self.token(job, step),
                }));
            }
        }
        deploys
    }

    /// What a deploy changes, by the most telling of its names.
    fn place(&self, job: &Job, step: &Step, command: &Command, places: &Places) -> Place {
        let variable = || [&step.env, &job.env, &self.env].into_iter().find_map(|env| named(env, "FLY_APP"));
        let app = command.flag(&["--app", "-a"]).or_else(|| variable().map(|text| text.value.as_str()));
        if let Some((_, place)) = places.apps.iter().find(|(known, _)| Some(known.as_str()) == app) {
            return *place;
        }
        let named = [
            app,
            command.flag(&["--config", "-c"]),
            job.environment.as_deref(),
            step.directory.as_deref(),
            branch_of(step.condition.as_ref()),
            branch_of(job.condition.as_ref()),
        ];
        let sentences = [step.name.as_deref(), Some(&*job.id), job.name.as_deref(), self.name.as_deref()];
        let said = named.into_iter().flatten().find_map(place_of);
        said.or_else(|| sentences.into_iter().flatten().find_map(sentence_of)).unwrap_or_else(|| {
            let is_elsewhere =
                !self.events.is_empty() && self.events.iter().all(|event| event == "pull_request");
            let branches = self.push.as_ref().map(|push| push.branches.as_slice()).unwrap_or_default();
            let is_other = |branch: &String| place_of(branch) == Some(Place::Other);
            if is_elsewhere || (!branches.is_empty() && branches.iter().all(is_other)) {
                Place::Other
            } else {
                Place::Production
            }
        })
    }

    fn token<'w>(&'w self, job: &'w Job, step: &'w Step) -> Option<(String, &'w Text)> {
        let all = step.env.iter().chain(&job.env).chain(&self.env);
        let (_, text) = all.into_iter().find(|(name, _)| TOKENS.contains(&name.as_str()))?;
        let secret =
            text.expressions().paths.into_iter().find(|path| path[0] == "secrets" && path.len() == 2);
        Some((secret.map(|path| path[1].to_ascii_uppercase()).unwrap_or_default(), text))
    }

    /// Whether a push to a branch that production runs from starts it, a release, or a tag.
    pub(super) fn follows_production(&self, places: &Places) -> bool {
        if self.events.iter().any(|event| event == "release") {
            return true;
        }
        self.push.as_ref().is_some_and(|push| {
            let is_production = |patterns: &[String]| {
                let is_one = |branch: &String| patterns.iter().any(|pattern| matches(pattern, branch));
                places.branches.iter().any(is_one)
            };
            let is_tag = |tag: &String| place_of(tag) != Some(Place::Other);
            match (push.branches.is_empty(), push.tags.is_empty()) {
                (true, true) => !is_production(&push.ignored),
                _ => is_production(&push.branches) || push.tags.iter().any(is_tag),
            }
        })
    }
}

/// The branch that a condition asks for: `github.ref == 'refs/heads/NAME'`, `github.ref_name == 'NAME'`.
fn branch_of(condition: Option<&Text>) -> Option<&str> {
    let (_, asked) = condition?.value.split_once("github.ref")?;
    let (_, rest) = asked.split_once("==")?;
    let quoted = rest.trim_start().strip_prefix('\'')?;
    let name = quoted.split_once('\'').map_or(quoted, |(name, _)| name);
    Some(name.strip_prefix("refs/heads/").unwrap_or(name))
}

/// Whether a pattern of GitHub's holds for a branch: `*` is anything but `/`, `**` anything.
fn matches(pattern: &str, branch: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == branch };
    let Some(rest) = branch.strip_prefix(before) else { return false };
    let (after, is_deep) = match after.strip_prefix('*') {
        Some(after) => (after, true),
        None => (after, false),
    };
    let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.take_while(|at| is_deep || !rest[..*at].contains('/')).any(|at| matches(after, &rest[at..]))
}

impl Step {
    /// The `fly deploy`s of its script that change machines.
    fn fly_deploys(&self) -> impl Iterator<Item = &Command> {
        let is_deploy = |command: &&Command| {
            let called =
                ["fly", "flyctl"].iter().any(|program| command.behind(&[program, "deploy"]).is_some());
            called && !command.has_flag(&["--build-only", "--help"])
        };
        self.commands.iter().filter(is_deploy)
    }

    /// Whether it changes something that others use.
    pub(super) fn changes(&self) -> bool {
        let changes = |command: &Command| {
            let is_tried = command.has_flag(&["--dry-run", "--help"]);
            !is_tried && CHANGES.iter().any(|change| command.behind(change).is_some())
        };
        let is_action = self.is_action("superfly/fly-pr-review-apps");
        is_action || self.fly_deploys().next().is_some() || self.commands.iter().any(changes)
    }

    /// Whether it builds an image.
    pub(super) fn builds(&self) -> bool {
        const BUILDS: &[&[&str]] =
            &[&["docker", "build"], &["docker", "buildx", "build"], &["docker", "buildx", "bake"]];
        let builds = |command: &Command| {
            let is_fly =
                ["fly", "flyctl"].contains(&command.program()) && command.has_flag(&["--build-only"]);
            is_fly || BUILDS.iter().any(|build| command.behind(build).is_some())
        };
        self.is_action("docker/build-push-action") || self.commands.iter().any(builds)
    }

    /// Whether it makes programs or variables available to the steps behind it, as far as anybody can tell from here.
    pub(super) fn may_provide(&self) -> bool {
        const KNOWN: &[&str] =
            &["setup-flyctl", "flyctl-actions", "mise", "asdf", "nix", "devbox", "load-secrets", "vault"];
        let provides =
            |action: &str| action.starts_with("./") || KNOWN.iter().any(|known| action.contains(known));
        let installs = |command: &Command| {
            let words = command.arguments();
            words.iter().any(|word| {
                word.contains("fly.io/install") || word.contains("flyctl") || word.contains("FLY_API_TOKEN")
            })
        };
        self.action().is_some_and(provides) || self.commands.iter().any(installs)
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, matches, place_of, sentence_of};

    #[test]
    fn words_of_a_name_tell_what_it_is_for() {
        assert_eq!(place_of("blue-banded-bee-staging"), Some(Place::Other));
        assert_eq!(place_of("runner-dev"), Some(Place::Other));
        assert_eq!(place_of("fly.production.toml"), Some(Place::Production));
        assert_eq!(sentence_of("Deploy to Production from staging"), Some(Place::Other));
        assert_eq!(sentence_of("Test and deploy"), None, "what somebody does is no place");
        assert_eq!(place_of("runner"), None);
        assert_eq!(place_of("prodigy"), None, "whole words only");
        assert_eq!(place_of("${{ inputs.staging }}"), None, "nobody knows before the run");
    }

    /// GitHub, "Filter pattern cheat sheet".
    #[test]
    fn patterns_are_read_as_github_reads_them() {
        for (pattern, branch, is_match) in [
            ("main", "main", true),
            ("main", "mainly", false),
            ("*", "main", true),
            ("*", "feature/a", false),
            ("**", "feature/a", true),
            ("release/**", "release/1/2", true),
            ("release/*", "release/1/2", false),
            ("v*-final", "v1.2-final", true),
        ] {
            assert_eq!(matches(pattern, branch), is_match, "{pattern} {branch}");
        }
    }
}
