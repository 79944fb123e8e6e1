//! What people look at before a release goes there: items that they check off, each over one plan.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{At, Hash, ItemName, Person, PromotionId, Signed, Wish};

/// One item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChecklistItem {
    /// Its name, as it is signed.
    pub id: ItemName,
    /// What is to be looked at.
    pub text: String,
    /// Who may check it off. Whoever asked may, where they are named: it says what was looked at, and approves nothing.
    pub by: BTreeSet<Person>,
}

impl ChecklistItem {
    /// Who may check it off, for people.
    pub fn people(&self) -> String {
        let people: Vec<&str> = self.by.iter().map(Person::as_str).collect();
        if people.is_empty() { "nobody".to_owned() } else { people.join(", ") }
    }
}

/// A person's word over an item. Only an [`Approvals`](crate::ports::Approvals) port says who it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckOff {
    /// For which promotion.
    pub promotion: PromotionId,
    /// Over which plan.
    pub plan: Hash,
    /// Which item.
    pub item: ItemName,
    /// Checked off; else an earlier word is taken back.
    pub is_done: bool,
    /// What was seen, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Who it was.
    pub by: Person,
    /// When it was taken in.
    pub at: At,
    /// The proof of who; none from people who are known without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
}

impl CheckOff {
    /// It as it was signed.
    pub fn wish(&self) -> Wish<'_> {
        Wish::CheckOff {
            promotion: &self.promotion,
            plan: &self.plan,
            item: &self.item,
            is_done: self.is_done,
            comment: self.comment.as_deref(),
        }
    }
}
