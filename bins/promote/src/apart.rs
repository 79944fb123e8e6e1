//! Which organisation an image is in, and whether it must be copied to be run in an environment.

use clikit::Failure;
use envconfig::project::{Environment, Project};
use envconfig::{Resolved, SecretRef};
use flyclient::registry::Registry;
use flytypes::ImageRef;
use promotion::engine::Ask;

use crate::wire::Wired;

/// The environment whose app or site has the repository of this image.
fn home<'p>(project: &'p Project, image: &ImageRef) -> Option<&'p Environment> {
    let app = image.repository().split('/').next()?;
    let mut environments = project.environments().values();
    environments.find(|environment| environment.bindings.values().any(|it| it.target().value == app))
}

/// Whether `image` must be copied to be run in `environment`, whose registry is at `host`: it is in another registry, or in an
/// organisation that this one may not read (fly.md 5). An image that belongs to no app of ours is run from where it is.
pub(crate) fn is_apart(project: &Project, environment: &str, host: &str, image: &ImageRef) -> bool {
    let target = project.environment(environment);
    image.registry() != host
        || target.zip(home(project, image)).is_some_and(|(target, home)| target.is_apart_from(home))
}

/// What a reader of the plan should know of the tokens that its copies are made with.
pub(crate) fn strong_tokens(wired: &Wired, ask: &Ask) -> Vec<String> {
    let mut said = Vec::new();
    let mut say = |environment: &Environment, right: &Resolved<SecretRef>, verb: &str, key: &str| {
        let name = &environment.name;
        let text = format!(
            "images are {verb} in `{name}` with the token that deploys there; `registry.{key}` of [environments.{name}] names one that only does that"
        );
        if right.is_default() && !said.contains(&text) {
            said.push(text);
        }
    };
    for component in &ask.components {
        let (source, image) = (&component.source, &component.image);
        if (source.registry(), source.repository()) == (image.registry(), image.repository()) {
            continue;
        }
        if let Some(home) = home(&wired.project, source) {
            say(home, &home.registry.pull, "read", "pull");
        }
        if let Some(target) = wired.project.environment(ask.environment.as_str()) {
            say(target, &target.registry.push, "written", "push");
        }
    }
    said
}

/// The client that reads `image`: that of the environment whose it is, else that of `environment`.
pub(crate) fn reader<'w>(
    wired: &'w Wired,
    environment: &str,
    image: &ImageRef,
) -> Result<&'w Registry, Failure> {
    let home = home(&wired.project, image).map(|home| home.name.as_str());
    let home = home.and_then(|home| wired.registries.get(home)).filter(|it| it.host() == image.registry());
    home.map_or_else(|| wired.registry(environment), Ok)
}
