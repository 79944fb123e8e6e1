//! What people close: a lock stops everything, a freeze stops what is new. Neither is the lease of a runner.

use super::gates::Gate;
use super::session::Session;
use super::{Engine, EngineError};
use crate::journal::{ClosedBy, Draft, Entry, EnvironmentView};
use crate::model::{At, Closing, EnvironmentName, Kind, Person, Policy, Signed, frozen};
use crate::ports::PortError;

impl EnvironmentView {
    /// The rules in force, or those of the last request where none are in force yet.
    pub(super) fn rules_or_last(&self) -> Option<&Policy> {
        let last = || Some(&self.promotions.values().next_back()?.state.facts.request.policy);
        self.rules().or_else(last)
    }
}

impl Engine {
    /// Closes an environment to promotions, or opens it again, once it is proven who wants that ([`Closing::wish`]).
    ///
    /// Everybody who is known may close: who sees a fire shuts the door. It is opened by those who may approve there, and by
    /// whoever had closed it. What is between its lock and its end already goes to its end.
    pub async fn close(
        &self,
        environment: &EnvironmentName,
        closing: Closing,
        by: Person,
        reason: String,
        signed: Option<Signed>,
    ) -> Result<(), EngineError> {
        let by = self.heard(&closing.wish(environment, &reason), &by, signed.as_ref()).await?;
        let at = self.ports.clock.now();
        let entry = Entry::Closed { closing, by: by.clone(), reason, signed: signed.clone() };
        self.append_open(environment, |view| {
            if let (Some(signed), Some(changed)) = (&signed, view.closed_or_opened())
                && signed.at <= changed
            {
                let why = format!(
                    "`{environment}` was closed or opened at {changed}, after this was signed; look, and sign anew"
                );
                return Err(EngineError::Proof(PortError::refused(why)));
            }
            match refusal(view, closing, &by, at) {
                Some(why) => Err(EngineError::Refused { why }),
                None => Ok(Draft { promotion: None, at, entry: entry.clone() }),
            }
        })
        .await
    }
}

/// Why `by` cannot do that.
fn refusal(view: &EnvironmentView, closing: Closing, by: &Person, now: At) -> Option<String> {
    let name = &view.name;
    match closing {
        Closing::Lock => view.lock().map(|lock| format!("`{name}` is locked already, {}", said(lock))),
        Closing::Freeze { until } => (until <= now)
            .then(|| format!("{until} is over, here it is {now}; give an instant at which the freeze ends")),
        Closing::Unlock => {
            let closed: Vec<&ClosedBy> = view.lock().into_iter().chain(view.freezes(now)).collect();
            if closed.is_empty() {
                return Some(format!(
                    "nobody has closed `{name}`; what its policy freezes is opened by time alone"
                ));
            }
            let other = closed.into_iter().find(|closed| closed.by != *by)?;
            let bars = view.rules_or_last().and_then(|rules| rules.bars(by))?;
            Some(format!(
                "`{name}` stays closed, {}: {bars}; one of them opens it, or who closed it",
                said(other)
            ))
        }
    }
}

/// Who closed it, since when, why.
pub(super) fn said(closed: &ClosedBy) -> String {
    format!("by {} since {}: {}", closed.by, closed.since, closed.reason)
}

impl Session<'_> {
    /// A person works there by hand, or wants nobody to: that is never waited for, since nobody knows for how long.
    pub(super) fn human_lock(&self) -> Gate {
        let name = &self.environment.name;
        match self.environment.lock() {
            None => Gate::Open("nobody has locked it".to_owned()),
            Some(lock) => Gate::Closed(format!(
                "`{name}` is locked {}; ask them, then `promote unlock --env {name} --reason R`",
                said(lock)
            )),
        }
    }

    /// Nothing new comes while it is frozen, by a person or by the policy. What puts back, or takes over what runs, brings
    /// nothing new.
    pub(super) fn freeze(&self) -> Gate {
        let state = &self.view().state;
        let (name, now) = (&self.environment.name, self.now());
        let kind = &state.facts.request.kind;
        if matches!(kind, Kind::Rollback { .. } | Kind::Adopt | Kind::Repair) {
            return Gate::Open("not asked: nothing new is put there".to_owned());
        }
        if let Some(lifted) = self.lifted() {
            return lifted;
        }
        let by_person = self.environment.freezes(now).max_by_key(|freeze| freeze.until);
        if let Some(freeze) = by_person {
            let until = freeze.until.map(|until| format!(" until {until}")).unwrap_or_default();
            // What people open is not open yet where a window begins before they do.
            let behind = freeze.until.and_then(|until| frozen(&state.policy().freezes, until).ok().flatten());
            let behind =
                behind.map(|it| format!(", and by its policy until {}", it.until)).unwrap_or_default();
            return Gate::Closed(format!(
                "`{name}` is frozen{until}, {}{behind}; ask again then, or `promote unlock --env {name} --reason R` first",
                said(freeze)
            ));
        }
        match frozen(&state.policy().freezes, now) {
            Ok(None) => Gate::Open("not frozen".to_owned()),
            Ok(Some(frozen)) => Gate::Closed(format!(
                "`{name}` is frozen by its policy, {}; it opens at {}: ask again then",
                frozen.window, frozen.until
            )),
            Err(why) => Gate::Closed(format!(
                "whether `{name}` is frozen cannot be told: {why}; put a zone into the project file that is known"
            )),
        }
    }
}
