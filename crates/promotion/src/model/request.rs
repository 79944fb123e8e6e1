//! What somebody asked for.

use serde::{Deserialize, Serialize};

use super::{
    At, Class, ComponentTarget, EnvironmentName, Person, Policy, PromotionId, Release, Signed, Wish,
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
    /// When.
    pub at: At,
}

impl Request {
    /// What was asked for, as it was signed.
    pub fn wish(&self) -> Wish<'_> {
        Wish::Request { environment: &self.environment, kind: &self.kind, release: self.release.id() }
    }
}
