//! `promote start --repair`: what is recorded in an environment is put there again.

use clikit::Failure;
use promotion::engine::Ask;
use promotion::model::Kind;

use crate::find;
use crate::keys::Asker;
use crate::wire::Wired;

/// Everything stands in the journal: the release, its shape and the rules. The project file is not asked.
pub(super) async fn ask(wired: &Wired, to: &str, asker: &Asker) -> Result<Ask, Failure> {
    if wired.project.environment(to).is_none() {
        return Err(Failure::usage(format!("the project file has no environment `{to}`")));
    }
    let environment = find::environment(to)?;
    let view = wired.engine.view(&environment).await.map_err(find::engine_failure)?;
    let (Some(current), Some(_)) = (view.current(), view.drift()) else {
        return Err(Failure::refused(format!("nothing is to be repaired in `{to}`"))
            .with_why("no drift is recorded: as far as anybody looked, what is recorded runs")
            .with_hint("promote tick looks anew, promote status shows what it found"));
    };
    let request = &current.state.facts.request;
    let components = current.recorded().into_iter().map(|recorded| recorded.target).collect();
    asker.signed(Ask {
        environment,
        class: request.class,
        kind: Kind::Repair,
        release: request.release.clone(),
        components,
        policy: view.rules().unwrap_or(&request.policy).clone(),
        requested_by: asker.person().clone(),
        signed: None,
        reason: None,
        base_data: std::collections::BTreeMap::new(),
    })
}
