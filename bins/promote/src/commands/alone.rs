//! One promotion at a time: what is in the way of the next one, and how that ends.

use clikit::{Failure, Progress};
use promotion::model::EnvironmentName;

use super::Run;
use crate::find;
use crate::wire::Wired;

/// Refuses while another promotion holds the environment, before people are asked about this one.
pub(crate) async fn nobody_holds(wired: &Wired, environment: &EnvironmentName) -> Result<(), Failure> {
    let view = wired.engine.view(environment).await.map_err(find::engine_failure)?;
    let Some(other) = view.active() else { return Ok(()) };
    let (id, phase) = (other.id(), other.state.phase);
    Err(Failure::refused(format!("{id} holds the environment `{environment}`: it is {phase}"))
        .with_why(format!(
            "one promotion goes at a time: wait until it is over (where its runner died, `promote tick` goes on with \
             it; `promote show {id}` tells how far it is), or end it, which puts back what it changed"
        ))
        .with_hint(format!("promote abort {id} --reason R")))
}

/// Names others that wait for people there.
pub(crate) async fn name_waiting(
    run: &Run<'_>,
    wired: &Wired,
    environment: &EnvironmentName,
) -> Result<(), Failure> {
    let view = wired.engine.view(environment).await.map_err(find::engine_failure)?;
    let progress = Progress::stderr(run.context);
    for other in view.promotions.values().filter(|other| !other.state.phase.is_final()) {
        let id = other.id();
        progress.line(format!(
            "{id} is {} in `{environment}` as well; what goes second is planned and approved again: {}",
            other.state.phase,
            run.paste(format!("promote show {id}"))
        ));
    }
    Ok(())
}
