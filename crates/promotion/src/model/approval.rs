//! A person's word over a plan.

use serde::{Deserialize, Serialize};

use super::{At, Hash, Person, PromotionId};

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Go on.
    Approve,
    /// Do not.
    Reject,
}

/// What somebody sent, before anything is believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// For which promotion.
    pub promotion: PromotionId,
    /// Over which plan.
    pub plan: Hash,
    /// Yes or no.
    pub decision: Decision,
    /// The proof: an armored SSH signature over [`Claim::statement`], or what another provider of approvals reads back.
    pub proof: String,
}

impl Claim {
    /// The text that is signed: one line, so that a person can read what they sign.
    pub fn statement(promotion: &PromotionId, plan: &Hash, decision: Decision) -> String {
        let verb = match decision {
            Decision::Approve => "approve",
            Decision::Reject => "reject",
        };
        format!("understudy {verb} {promotion} plan {plan}\n")
    }
}

/// A claim whose proof was checked. Only an [`Approvals`](crate::ports::Approvals) port says who it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// What was sent.
    pub claim: Claim,
    /// Who it was.
    pub by: Person,
    /// When it was taken in.
    pub at: At,
}
