//! A look at every place before anything is asked for: a wrong token, a missing app or an API that does not answer is
//! told to the person who typed, and leaves nothing behind.

use clikit::Failure;
use promotion::engine::Ask;
use promotion::model::Place;
use promotion::ports::{Deployer as _, PortError, PortErrorKind};

use crate::wire::Wired;

/// Looks at what `ask` would change.
///
/// # Errors
/// 2 when the provider refuses the look (token, app), 8 when it does not answer.
pub async fn look(wired: &Wired, ask: &Ask) -> Result<(), Failure> {
    let suites = ask.policy.evidence.iter().flat_map(|rule| &rule.suites).chain(&ask.policy.verify);
    if let Some(problems) = suites.filter_map(|suite| wired.unreadable.get(suite)).next() {
        return Err(
            Failure::usage(problems.clone()).with_hint("nothing was changed; itest list FILE reads it, too")
        );
    }
    for target in &ask.components {
        let place = &target.place;
        let Err(error) = wired.deployer.observe_fleet(place).await else { continue };
        return Err(failure(place, error));
    }
    Ok(())
}

/// Why nothing can be done anywhere: no environment's provider can be reached. One that answers is worth a try.
pub async fn away(wired: &Wired) -> Option<Failure> {
    let mut last = None;
    for name in wired.project.environments().keys() {
        let targets = wired.targets(name.as_str()).ok()?;
        let place = targets.components().first().and_then(|component| targets.place(component).ok())?;
        match wired.deployer.observe_fleet(&place).await {
            Err(error) if error.kind == PortErrorKind::NotSent => last = Some(failure(&place, error)),
            Err(_) | Ok(_) => return None,
        }
    }
    last
}

/// A place that could not be looked at, for people.
pub fn failure(place: &Place, error: PortError) -> Failure {
    let what = format!("`{}` in {} cannot be looked at", place.name, place.environment);
    match error.kind {
        PortErrorKind::Refused | PortErrorKind::Fenced => Failure::usage(what)
            .with_why(error.message)
            .with_hint(format!("check app and token of [environments.{}]", place.environment)),
        PortErrorKind::NotSent | PortErrorKind::Ambiguous => Failure::unavailable(what)
            .with_why(error.message)
            .with_hint("try again when the provider answers; nothing was changed"),
    }
}
