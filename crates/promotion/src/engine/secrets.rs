//! Secrets of a promotion: the gate over their names, what the plan says of them, and whether they come back.

use std::collections::BTreeSet;

use super::gates::Gate;
use super::session::Session;
use super::{Engine, EngineError};
use crate::journal::EnvironmentView;
use crate::model::{
    Baseline, ComponentName, ComponentTarget, EnvironmentName, Fleet, Kind, Place, PromotionId, SecretsSeen,
    Strategy,
};
use crate::ports::{PortError, PortErrorKind};

impl Engine {
    /// The components whose machines going back from `of` gives other secrets than they had then, because the provider
    /// cannot give the earlier ones back: a person is asked first (P5). Only looks.
    pub async fn other_secrets(
        &self,
        environment: &EnvironmentName,
        of: &PromotionId,
        components: &[ComponentTarget],
    ) -> Result<BTreeSet<ComponentName>, EngineError> {
        let view = self.view(environment).await?;
        let mut names = BTreeSet::new();
        for target in components {
            let looked = self.seen(&target.place).await;
            let (fleet, _) = looked.map_err(|error| EngineError::Refused { why: error.message })?;
            if gets_other_secrets(&view, of, target, &fleet) {
                names.insert(target.place.component.clone());
            }
        }
        Ok(names)
    }

    /// What is there: the units, and the secrets that they have or shall get.
    async fn seen(&self, place: &Place) -> Result<(Fleet, SecretsSeen), PortError> {
        let fleet = self.ports.deployer.observe_fleet(place).await?;
        self.with_secrets(place, fleet).await
    }

    async fn with_secrets(&self, place: &Place, mut fleet: Fleet) -> Result<(Fleet, SecretsSeen), PortError> {
        let live: Vec<_> = fleet.live().cloned().collect();
        let seen = self.ports.secrets.observe_secrets(place, &live).await?;
        (fleet.secrets_version, fleet.secrets) = (seen.version, seen.state.clone());
        Ok((fleet, seen))
    }
}

impl Session<'_> {
    /// What is there: the units, and the secrets that they have or shall get.
    pub(super) async fn found(&self, target: &ComponentTarget) -> Result<(Fleet, SecretsSeen), PortError> {
        let (ports, place) = (&self.engine.ports, &target.place);
        let mut fleet = ports.deployer.observe_fleet(place).await?;
        // What the last promotion did is seen first: as it was before, nobody wants it put back.
        while self.behind(target, &fleet).is_some() {
            ports.clock.sleep(self.engine.options.poll).await;
            fleet = ports.deployer.observe_fleet(place).await?;
        }
        self.engine.with_secrets(place, fleet).await
    }

    /// Every secret that a component cannot do without is set, by name. What goes back, or stays, is asked nothing: it
    /// ran without.
    pub(super) async fn secrets(&self) -> Gate {
        let request = &self.view().state.facts.request;
        if matches!(request.kind, Kind::Rollback { .. } | Kind::Adopt | Kind::Repair) {
            return Gate::Open("not asked: nothing new is put there".to_owned());
        }
        let mut n_required = 0;
        for component in &request.components {
            let (place, required) = (&component.place, &component.secrets.required);
            if required.is_empty() {
                continue;
            }
            let seen = match self.engine.ports.secrets.observe_secrets(place, &[]).await {
                Ok(seen) => seen,
                Err(error) if error.kind == PortErrorKind::Refused => return Gate::Closed(error.message),
                Err(error) => return Gate::Away(error.message),
            };
            let missing = seen.missing(required);
            if !missing.is_empty() {
                let what = format!("{} of `{}` {} not set", list(&missing), place.name, are(&missing));
                return Gate::Closed(match self.engine.ports.secrets.command(place, &missing) {
                    Some(command) => format!("{what}; set {} with `{command}`", them(&missing)),
                    None => what,
                });
            }
            n_required += required.len();
        }
        Gate::Open(match n_required {
            0 => "none is required".to_owned(),
            _ => format!("all {n_required} that are required are set"),
        })
    }
}

/// Whether a rollback makes units anew, which then get the secrets of now: they are as the snapshot says only while the
/// units themselves are still there.
pub(super) fn gets_other_secrets(
    view: &EnvironmentView,
    of: &PromotionId,
    target: &ComponentTarget,
    fleet: &Fleet,
) -> bool {
    let facts = view.promotions.get(of).map(|undone| &undone.state.facts);
    let before = facts.and_then(|facts| facts.snapshot.as_ref()?.components.get(&target.place.component));
    before.is_some_and(|before| {
        let is_kept = |id| target.strategy == Strategy::BlueGreen && fleet.unit(id).is_some();
        before.secrets.is_some()
            && before.secrets != fleet.secrets
            && before.units.iter().any(|record| !is_kept(&record.unit.id))
    })
}

/// What a reader should know of the secrets before approving.
pub(super) fn warnings(target: &ComponentTarget, seen: &SecretsSeen) -> Vec<String> {
    let name = &target.place.name;
    let mut lines = Vec::new();
    let twice = &variables(target) & &seen.names;
    if !twice.is_empty() {
        let (what, are) = (list(&twice), are(&twice));
        lines.push(format!(
            "{what} of `{name}` {are} both a variable and a secret: a machine gets one of the two"
        ));
    }
    if !seen.staged.is_empty() {
        let (what, were) = (list(&seen.staged), if seen.staged.len() == 1 { "was" } else { "were" });
        lines.push(format!(
            "{what} of `{name}` {were} set after its machines were made: what runs now has the values of before, and \
             only the new machines get the new ones"
        ));
    }
    lines
}

/// Why the way back is not exact, if it is not: units that change where they stand get what is set by then.
pub(super) fn caveat(target: &ComponentTarget, seen: &SecretsSeen) -> Option<String> {
    if seen.staged.is_empty() || target.strategy == Strategy::BlueGreen {
        return None;
    }
    let (name, what) = (&target.place.name, list(&seen.staged));
    Some(format!(
        "allowed, but for secrets: the values that {what} of `{name}` had before cannot be given back in place; by \
         blue-green the old machines keep them"
    ))
}

/// What `component` is found as.
pub(super) fn baseline(fleet: &Fleet) -> Baseline {
    Baseline { secrets: fleet.secrets.clone(), ..Baseline::of(fleet.live(), fleet.secrets_version) }
}

/// The variables in plain sight, as far as the provider's configuration keeps them under `env`.
fn variables(target: &ComponentTarget) -> BTreeSet<String> {
    let env = |shape: &crate::model::GroupTarget| Some(shape.config.get("env")?.as_object()?.clone());
    target.groups.values().filter_map(env).flat_map(|env| env.into_iter().map(|(name, _)| name)).collect()
}

fn list(names: &BTreeSet<String>) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn are(names: &BTreeSet<String>) -> &'static str {
    if names.len() == 1 { "is" } else { "are" }
}

fn them(names: &BTreeSet<String>) -> &'static str {
    if names.len() == 1 { "it" } else { "them" }
}
