//! What people closed in an environment, as its journal says.

use crate::model::{At, Closing, Person};

/// A lock or a freeze of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedBy {
    /// Who.
    pub by: Person,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: At,
    /// Until when; none for what lasts until somebody opens it.
    pub until: Option<At>,
}

/// All of an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ClosedByPeople {
    pub(super) lock: Option<ClosedBy>,
    pub(super) freezes: Vec<ClosedBy>,
    /// When somebody last closed or opened it: a word from before counts no more.
    pub(super) changed: Option<At>,
}

impl ClosedByPeople {
    pub(super) fn said(&mut self, at: At, closing: Closing, by: &Person, reason: &str) {
        self.changed = Some(at);
        let closed =
            ClosedBy { by: by.clone(), reason: reason.to_owned(), since: at, until: closing.until() };
        match closing {
            Closing::Lock => self.lock = Some(closed),
            Closing::Freeze { .. } => self.freezes.push(closed),
            Closing::Unlock => {
                self.lock = None;
                self.freezes.clear();
            }
        }
    }
}
