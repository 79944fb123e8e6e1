//! From what a person typed to a request.

use clikit::Failure;
use envconfig::project::PromotionPolicy;
use flytypes::ImageRef;
use promotion::engine::Ask;
use promotion::model::Kind;

use super::release::{Found, of_images as find_images, of_promotion};
use super::start::{policy_into, rules_into, targets_for};
use crate::keys::Asker;
use crate::wire::Wired;
use crate::{apart, find};

/// Which release.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// What runs in the environment before.
    Current,
    /// That of an earlier promotion, as typed.
    Promotion(String),
}

/// What `--version` and `--commit` say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Named {
    pub(crate) version: Option<String>,
    pub(crate) commit: Option<String>,
}

/// Images into an environment.
pub(crate) async fn of_images(
    wired: &Wired,
    environment: &str,
    kind: Kind,
    images: &[String],
    named: Named,
    asker: &Asker,
) -> Result<Ask, Failure> {
    let components = wired.targets(environment)?.components();
    let reader = |image: &ImageRef| apart::reader(wired, environment, image);
    let found = find_images(&reader, &components, images, named.version, named.commit).await?;
    put(wired, environment, kind, &found, asker)
}

/// A release that another promotion put somewhere, into an environment.
pub(crate) async fn of_earlier(
    wired: &Wired,
    environment: &str,
    kind: Kind,
    typed: &str,
    asker: &Asker,
) -> Result<Ask, Failure> {
    let (view, id) = find::promotion(&wired.engine, wired.journal.as_ref(), typed).await?;
    put(wired, environment, kind, &of_promotion(&view.promotions[&id]), asker)
}

/// A release into an environment where nobody needs evidence.
pub(crate) fn put(
    wired: &Wired,
    environment: &str,
    kind: Kind,
    found: &Found,
    asker: &Asker,
) -> Result<Ask, Failure> {
    let targets = wired.targets(environment)?;
    let rules = rules_into(&wired.project, environment);
    let ask = Ask {
        environment: find::environment(environment)?,
        class: targets.class(),
        kind,
        components: targets_for(wired, &targets, environment, found, rules)?,
        release: found.release.clone(),
        policy: policy_into(&wired.project, environment)?,
        requested_by: asker.person().clone(),
        signed: None,
        reason: None,
        base_data: wired.base_data(environment)?,
    };
    asker.signed(ask)
}

/// A release of the environment before `to`.
pub(crate) async fn of_environment(
    wired: &Wired,
    to: &str,
    source: &Source,
    kind: Kind,
    asker: &Asker,
) -> Result<Ask, Failure> {
    let (from, _) = path(wired, to)?;
    let found = match source {
        Source::Promotion(typed) => {
            let (view, id) = find::promotion(&wired.engine, wired.journal.as_ref(), typed).await?;
            of_promotion(&view.promotions[&id])
        }
        Source::Current => {
            let view = wired.engine.view(&find::environment(&from)?).await.map_err(find::engine_failure)?;
            let current = view.current().ok_or_else(|| {
                Failure::refused(format!("nothing runs in `{from}` that this store knows of"))
                    .with_hint(format!("promote deploy --env {from} --image REF"))
            })?;
            of_promotion(current)
        }
    };
    put(wired, to, kind, &found, asker)
}

fn path<'w>(wired: &'w Wired, to: &str) -> Result<(String, &'w PromotionPolicy), Failure> {
    let mut paths = wired.project.paths().iter().filter(|((_, into), _)| into.as_str() == to);
    match (paths.next(), paths.next()) {
        (Some(((from, _), rules)), None) => Ok((from.to_string(), rules)),
        (None, _) if wired.project.environment(to).is_none() => {
            Err(Failure::usage(format!("the project file has no environment `{to}`")))
        }
        (None, _) => Err(Failure::usage(format!("no environment leads to `{to}`"))
            .with_hint(format!("[promotion.staging.{to}] in the project file"))),
        (Some(_), Some(_)) => Err(Failure::usage(format!("several environments lead to `{to}`"))
            .with_hint("--release R names the deployment to promote")),
    }
}
