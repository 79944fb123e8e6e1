//! What somebody asked for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    At, Class, ComponentTarget, EnvironmentName, Hash, Person, Policy, PromotionId, Release, Signed, Wish,
};

/// Which verb made the promotion. The exceptions of P1 are verbs with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case")]
pub enum Kind {
    /// A release into an environment where it is tested: no evidence is asked for.
    Deploy,
    /// An attested release into the next environment.
    Promote,
    /// The first release of an environment without units.
    Bootstrap,
    /// Back to an earlier deployment, asked for by a person.
    Rollback {
        /// The promotion whose work is undone.
        of: PromotionId,
    },
    /// What runs already is taken over as it is.
    Adopt,
    /// What is recorded here is put here again, since something else runs.
    Repair,
}

impl Kind {
    /// The verb's name, as journaled and shown.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Promote => "promote",
            Self::Bootstrap => "bootstrap",
            Self::Rollback { .. } => "rollback",
            Self::Adopt => "adopt",
            Self::Repair => "repair",
        }
    }
}

/// The first record of a promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its id.
    pub id: PromotionId,
    /// The target environment.
    pub environment: EnvironmentName,
    /// The target's class.
    pub class: Class,
    /// Which verb.
    pub kind: Kind,
    /// What shall run there.
    pub release: Release,
    /// In the order in which components change; rolled back in reverse.
    pub components: Vec<ComponentTarget>,
    /// The rules of the project file now; those of the release last promoted decide.
    pub policy: Policy,
    /// Who asked, as whoever checks proofs said; never counts as an approver.
    pub requested_by: Person,
    /// The proof of who asked; none from people who are known without one, and in journals older than such proofs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
    /// Why, for the record.
    pub reason: Option<String>,
    /// What the tests of an environment run on, as it was where it was asked for: file → SHA-256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub base_data: BTreeMap<String, Hash>,
    /// The exception under which it was asked for, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<BreakGlass>,
    /// When.
    pub at: At,
}

/// For a while what people and calendars ask for is lifted: somebody who may approve takes it on themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakGlass {
    /// Who.
    pub by: Person,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: At,
    /// Until when.
    pub until: At,
    /// The proof of who; none from people who are known without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
}

impl std::fmt::Display for BreakGlass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "break-glass of {} until {}: {}", self.by, self.until, self.reason)
    }
}

impl Request {
    /// What was asked for, as it was signed.
    pub fn wish(&self) -> Wish<'_> {
        Wish::Request { environment: &self.environment, kind: &self.kind, release: self.release.id() }
    }
}
