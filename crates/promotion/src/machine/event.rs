//! What happens to a promotion, with its data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::phase::{Phase, Signal};
use crate::model::{
    Approval, At, Attestation, CheckOff, ComponentName, ImageRecord, Person, Plan, PromotionId, Running,
    Signed, Snapshot, SuiteName,
};

/// Why the work of a phase failed for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The component, where it was one.
    pub component: Option<ComponentName>,
    /// The suite that the release did not pass, where it was one: what it had passed before counts no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<SuiteName>,
    /// What happened and what was expected, for people.
    pub why: String,
}

/// What a phase's work left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "kebab-case")]
pub enum Work {
    /// Planned: every gate is open; which ones were asked.
    Gates {
        /// One line per gate.
        passed: Vec<String>,
    },
    /// Locked: every unit is leased.
    Leased,
    /// Rechecking: nothing changed since the plan.
    Rechecked,
    /// Copying: every image is in the target's registry.
    Copied {
        /// As they were read back.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        images: BTreeMap<ComponentName, ImageRecord>,
    },
    /// Snapshotting: this is how it was.
    Snapshot {
        /// The way back.
        snapshot: Box<Snapshot>,
    },
    /// Deploying: every component's fleet is the target.
    Deployed,
    /// Verifying: read back and tested.
    Verified {
        /// Evidence made by this.
        attestations: Vec<Attestation>,
        /// Every machine as it was last read back.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        running: BTreeMap<ComponentName, Vec<Running>>,
    },
    /// Soaking: it held.
    Soaked,
    /// Rolling back: it is as it was.
    Restored,
}

impl Work {
    /// Whether it is the work of `phase`.
    pub const fn belongs_to(&self, phase: Phase) -> bool {
        match self {
            Self::Gates { .. } => matches!(phase, Phase::Planned),
            Self::Leased => matches!(phase, Phase::Locked),
            Self::Rechecked => matches!(phase, Phase::Rechecking),
            Self::Copied { .. } => matches!(phase, Phase::Copying),
            Self::Snapshot { .. } => matches!(phase, Phase::Snapshotting),
            Self::Deployed => matches!(phase, Phase::Deploying),
            Self::Verified { .. } => matches!(phase, Phase::Verifying),
            Self::Soaked => matches!(phase, Phase::Soaking),
            Self::Restored => matches!(phase, Phase::RollingBack),
        }
    }
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The phase's work is done.
    Done(Work),
    /// A plan was made.
    PlanMade {
        /// It.
        plan: Box<Plan>,
    },
    /// A gate refused.
    GateClosed {
        /// Its name.
        gate: String,
        /// Why, and what would open it.
        why: String,
    },
    /// A person agreed.
    Approve(Box<Approval>),
    /// A person refused.
    Reject(Box<Approval>),
    /// A person checked an item of the checklist off.
    CheckOff(Box<CheckOff>),
    /// A person took that back.
    TakeBack(Box<CheckOff>),
    /// The lock was granted.
    LockTaken {
        /// Who runs it.
        holder: String,
    },
    /// The world changed since the plan: here is the new one.
    Differs {
        /// The new plan.
        plan: Box<Plan>,
        /// What differs.
        why: String,
    },
    /// The work failed for good.
    Failed(Failure),
    /// The work could not be judged.
    Errored {
        /// Why.
        why: String,
    },
    /// Time is over.
    Deadline,
    /// A person wants it ended.
    Cancel {
        /// Who.
        by: Person,
        /// Why.
        reason: String,
        /// The proof of who.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<Signed>,
    },
    /// A newer request replaces it.
    Supersede {
        /// Which.
        by: PromotionId,
    },
}

impl Event {
    /// The table's key.
    pub const fn signal(&self) -> Signal {
        match self {
            Self::Done(_) => Signal::Done,
            Self::PlanMade { .. } => Signal::PlanMade,
            Self::GateClosed { .. } => Signal::GateClosed,
            Self::Approve(_) => Signal::Approve,
            Self::Reject(_) => Signal::Reject,
            Self::CheckOff(_) => Signal::CheckOff,
            Self::TakeBack(_) => Signal::TakeBack,
            Self::LockTaken { .. } => Signal::LockTaken,
            Self::Differs { .. } => Signal::Differs,
            Self::Failed(_) => Signal::Failed,
            Self::Errored { .. } => Signal::Errored,
            Self::Deadline => Signal::Deadline,
            Self::Cancel { .. } => Signal::Cancel,
            Self::Supersede { .. } => Signal::Supersede,
        }
    }
}

/// An event with its instant: time enters the machine only here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamped {
    /// When.
    pub at: At,
    /// What.
    pub event: Event,
}
