//! Images, built once: by flyctl, or as the project file says.

use super::needs::{secret_of, tokens};
use super::steps::{FLYCTL, action, checkout};
use super::yaml::{Job, Step, expression};
use super::{Hindrance, Source, TREE_LABEL};
use crate::project::{Component, Environment};
use crate::shell_word;

/// What the next job is told.
const VERSION: &str = "version";
const IMAGES: &str = "images";

/// Where flyctl looks: <https://fly.io/docs/security/tokens/>.
const FLYCTL_TOKEN: &str = "FLY_API_TOKEN";

/// Where an own script writes its images to, one `COMPONENT=REF@DIGEST` a line.
const FILE: &str = "UNDERSTUDY_IMAGES";

/// Tests the source without any secret.
pub(super) fn test(source: &Source<'_>) -> Option<Job> {
    let test = source.ci.test.as_ref()?;
    let run = Some(test.value.to_string());
    Some(Job {
        steps: vec![checkout(false), Step { name: "Test", run, ..Step::default() }],
        ..source.job("test", "Test the source".to_owned(), 30, None)
    })
}

/// Builds and pushes, and hands digests over: what is deployed, tested and promoted later is never built again.
pub(super) fn build(source: &Source<'_>, environment: &Environment) -> Result<Job, Hindrance> {
    let own = source.ci.build.as_ref().map(|build| build.value.as_str());
    let script = match own {
        Some(script) => script.to_owned(),
        None => by_flyctl(source, environment)?,
    };
    let run = format!("{}\n{}\n\n{}", head(), script.trim_end(), tail(source, environment));
    let mut steps = vec![checkout(true)];
    if own.is_none() {
        steps.push(Step { name: "Set up flyctl", uses: action(FLYCTL), ..Step::default() });
    }
    let all = tokens(environment)?.env();
    let mut env = if own.is_some() { all } else { Vec::new() };
    if env.iter().all(|(name, _)| name != FLYCTL_TOKEN) {
        env.extend(secret_of(&environment.fly.token.value).map(|token| (FLYCTL_TOKEN.to_owned(), token)));
    }
    steps.push(Step { name: "Build and push", id: Some("build"), env, run: Some(run), ..Step::default() });
    let said = |name: &'static str| (name, expression(&format!("steps.build.outputs.{name}")));
    Ok(Job {
        needs: if source.ci.test.is_some() { vec!["test"] } else { Vec::new() },
        outputs: vec![said(VERSION), said(IMAGES)],
        steps,
        ..source.job("build", "Build once".to_owned(), 60, Some(environment))
    })
}

/// What an own script finds in its environment, too.
fn head() -> String {
    format!(
        "export VERSION REVISION TREE {FILE}\n\
         VERSION=\"$(git describe --tags --always)\"\n\
         REVISION=\"$GITHUB_SHA\"\n\
         TREE=\"$(git rev-parse 'HEAD^{{tree}}')\"\n\
         {FILE}=\"$RUNNER_TEMP/images\"\n\
         : > \"${FILE}\"\n"
    )
}

/// What is not pinned, or missing, does not go on.
fn tail(source: &Source<'_>, environment: &Environment) -> String {
    let names: Vec<&str> = components(source, environment).map(|(name, _)| name).collect();
    format!(
        "for component in {}; do\n  \
           if ! grep -Eq \"^$component=[^@ ]+@sha256:[0-9a-f]{{64}}\\$\" \"${FILE}\"; then\n    \
             echo \"::error title=Build::{FILE} has no line $component=REF@sha256:…\"\n    \
             exit 1\n  \
           fi\n\
         done\n\
         {{\n  \
           echo \"{VERSION}=$VERSION\"\n  \
           echo \"{IMAGES}=$(paste -sd ' ' \"${FILE}\")\"\n\
         }} >> \"$GITHUB_OUTPUT\"\n",
        names.join(" ")
    )
}

/// What has an image in an environment.
fn components<'s>(
    source: &'s Source<'_>,
    environment: &'s Environment,
) -> impl Iterator<Item = (&'s str, &'s Component)> {
    let bound = |name: &str| environment.bindings.keys().any(|bound| bound.as_str() == name);
    let has_image =
        |component: &Component| matches!(component, Component::Fly { .. } | Component::Static { .. });
    let all = source.project.components().iter().map(|(name, component)| (name.as_str(), component));
    all.filter(move |(name, component)| bound(name) && has_image(component))
}

fn by_flyctl(source: &Source<'_>, environment: &Environment) -> Result<String, Hindrance> {
    let host = environment.fly.registry.as_ref().map_or("registry.fly.io".to_owned(), ToString::to_string);
    let mut script = String::from(
        "label=\"run-$GITHUB_RUN_ID-$GITHUB_RUN_ATTEMPT\"\n\
         flyctl auth docker\n",
    );
    for (name, component) in components(source, environment) {
        let app = environment.fly_apps().find(|(bound, _)| bound.as_str() == name);
        let (Component::Fly { config, .. }, Some((_, binding))) = (component, app) else {
            return Err(Hindrance {
                what: format!("flyctl does not build `{name}`"),
                why: "it builds Fly apps, and this component is none".to_owned(),
                hint: format!(
                    "`build` of [ci]: a script that writes a line COMPONENT=REF@DIGEST for each into ${FILE}"
                ),
            });
        };
        let (directory, file) = match config.value.as_str().rsplit_once('/') {
            Some((directory, file)) => (directory, file),
            None => (".", config.value.as_str()),
        };
        let app = &binding.app.value;
        script.push_str(&format!(
            "\n# {name}\n\
             (\n  \
               cd {}\n  \
               flyctl deploy --build-only --push --remote-only --config {} --app {app} \\\n    \
                 --image-label \"$label\" \\\n    \
                 --label \"org.opencontainers.image.revision=$REVISION\" \\\n    \
                 --label \"org.opencontainers.image.version=$VERSION\" \\\n    \
                 --label \"{TREE_LABEL}=$TREE\"\n\
             )\n\
             digest=\"$(skopeo inspect --format '{{{{.Digest}}}}' \"docker://{host}/{app}:$label\")\"\n\
             echo \"{name}={host}/{app}@$digest\" >> \"${FILE}\"\n",
            shell_word(directory),
            shell_word(file),
        ));
    }
    Ok(script)
}
