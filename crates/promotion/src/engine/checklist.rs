//! The checklist: what people look at before a release goes there, each item in a word of its own.

use super::gates::Gate;
use super::session::Session;
use super::{Engine, EngineError};
use crate::machine::{Event, State};
use crate::model::{CheckOff, EnvironmentName, Word};
use crate::ports::{PortError, PortErrorKind};

impl Engine {
    /// Takes in a person's word over an item of a checklist ([`CheckOff::wish`]), once it is proven whose it is; the machine
    /// then decides whether it counts. When it was taken in is the engine's to say.
    pub async fn check_off(
        &self,
        environment: &EnvironmentName,
        word: CheckOff,
    ) -> Result<CheckOff, EngineError> {
        let by = self.heard(&word.wish(), &word.by, word.signed.as_ref()).await?;
        let word = CheckOff { by, at: self.ports.clock.now(), ..word };
        let view = self.view(environment).await?;
        let said = view.promotions.get(&word.promotion).map(|promotion| &promotion.state.facts.checks);
        let is_older = |earlier: &&CheckOff| {
            let at = |word: &CheckOff| word.signed.as_ref().map(|signed| signed.at);
            let is_same = earlier.by == word.by && earlier.item == word.item;
            is_same && word.signed.is_some() && at(earlier) >= at(&word)
        };
        if let Some(earlier) = said.into_iter().flatten().find(is_older) {
            return Err(EngineError::Proof(PortError::refused(format!(
                "{} said something of `{}` at {}, after this was signed; look, and sign anew",
                word.by, word.item, earlier.at
            ))));
        }
        let event = Box::new(word.clone());
        let event = if word.is_done { Event::CheckOff(event) } else { Event::TakeBack(event) };
        self.word(environment, &word.promotion, event).await?;
        Ok(word)
    }
}

/// The open items with who may check them off; nothing where all are done.
pub(super) fn open_items(state: &State) -> Option<String> {
    let open: Vec<String> = state
        .unchecked(None)
        .iter()
        .map(|item| format!("`{}` ({}), by {}", item.id, item.text, item.people()))
        .collect();
    (!open.is_empty()).then(|| open.join("; "))
}

impl Session<'_> {
    /// Every item is checked off over this plan, by somebody who may, and that still holds (P1).
    pub(super) async fn checklist(&self) -> Gate {
        let state = &self.view().state;
        if !state.needs_checklist() {
            return Gate::Open("nothing is on it".to_owned());
        }
        if let Some(open) = open_items(state) {
            return Gate::Closed(format!("open on the checklist of this plan: {open}"));
        }
        let list = &state.policy().checklist;
        for word in list.iter().filter_map(|item| state.checked(&item.id)) {
            let said = Word::new(&word.wish(), &word.by, word.signed.as_ref(), word.at);
            match self.engine.ports.approvals.verify_word(&said).await {
                Ok(person) if person == word.by => {}
                Ok(person) => {
                    return Gate::Closed(format!(
                        "{} checked off `{}`, and the proof now shows {person}",
                        word.by, word.item
                    ));
                }
                Err(error) if error.kind == PortErrorKind::Refused => {
                    return Gate::Closed(format!(
                        "that {} checked off `{}` does not hold: {}",
                        word.by, word.item, error.message
                    ));
                }
                Err(error) => return Gate::Away(error.message),
            }
        }
        Gate::Open(format!("{} items", list.len()))
    }
}
