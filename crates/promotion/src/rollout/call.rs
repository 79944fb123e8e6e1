//! One provider call as data, and what the pure level is told and answers.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{
    At, ComponentSnapshot, ComponentTarget, EnvironmentName, Fleet, Hash, Millis, PromotionId, Slot, StoreId,
    UnitId, UnitSpec, UnitVersion, label,
};

/// A call on one unit. `Create` is found again by its slot and promotion, the others by the unit's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "kebab-case")]
pub enum UnitCall {
    /// Make a unit that takes no traffic until it is uncordoned.
    Create {
        /// Its natural key, with the promotion.
        slot: Slot,
        /// What it shall be.
        spec: UnitSpec,
        /// Labels to write with it.
        labels: BTreeMap<String, String>,
        /// Whether it takes traffic at once.
        open: bool,
    },
    /// Replace a unit's image and configuration.
    Update {
        /// Which.
        unit: UnitId,
        /// Refused by the provider when the unit has another version by now.
        expect: UnitVersion,
        /// What it shall be.
        spec: UnitSpec,
        /// Labels afterwards; others stay.
        labels: BTreeMap<String, Option<String>>,
        /// Whether it runs afterwards.
        start: bool,
    },
    /// Start a stopped unit.
    Start {
        /// Which.
        unit: UnitId,
    },
    /// Stop a unit.
    Stop {
        /// Which.
        unit: UnitId,
    },
    /// Take a unit out of traffic.
    Cordon {
        /// Which.
        unit: UnitId,
    },
    /// Put a unit into traffic.
    Uncordon {
        /// Which.
        unit: UnitId,
    },
    /// End a unit for good.
    Destroy {
        /// Which.
        unit: UnitId,
    },
    /// Write labels; no new version, no restart.
    Tag {
        /// Which.
        unit: UnitId,
        /// Label to value; none deletes.
        labels: BTreeMap<String, Option<String>>,
    },
    /// Take or refresh the provider's lease on a unit.
    Lease {
        /// Which.
        unit: UnitId,
        /// For how long.
        ttl: Millis,
        /// Who holds it, for whoever is refused.
        description: String,
    },
    /// Give the provider's lease back.
    Unlease {
        /// Which.
        unit: UnitId,
    },
}

impl UnitCall {
    /// The verb alone.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Update { .. } => "update",
            Self::Start { .. } => "start",
            Self::Stop { .. } => "stop",
            Self::Cordon { .. } => "cordon",
            Self::Uncordon { .. } => "uncordon",
            Self::Destroy { .. } => "destroy",
            Self::Tag { .. } => "tag",
            Self::Lease { .. } => "lease",
            Self::Unlease { .. } => "unlease",
        }
    }

    /// The unit it changes; none for a create.
    pub const fn unit(&self) -> Option<&UnitId> {
        match self {
            Self::Create { .. } => None,
            Self::Update { unit, .. }
            | Self::Start { unit }
            | Self::Stop { unit }
            | Self::Cordon { unit }
            | Self::Uncordon { unit }
            | Self::Destroy { unit }
            | Self::Tag { unit, .. }
            | Self::Lease { unit, .. }
            | Self::Unlease { unit } => Some(unit),
        }
    }

    /// The verb and its object, for people.
    pub fn title(&self) -> String {
        match self {
            Self::Create { slot, .. } => format!("create {slot}"),
            _ => format!("{} {}", self.verb(), self.unit().map_or("", UnitId::as_str)),
        }
    }
}

/// What one edge answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeAnswer {
    /// Which edge, in the embedder's words.
    pub edge: String,
    /// The unit that answered, where the answer names it.
    pub unit: Option<UnitId>,
}

/// What was seen just now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// The component's units.
    pub fleet: Fleet,
    /// Answers of the edges; empty when nobody asked or nobody can tell.
    pub edges: Vec<EdgeAnswer>,
    /// All edges there are; empty when it is not known.
    pub all_edges: BTreeSet<String>,
}

/// Who changes the fleet: written on every unit that is made or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The promotion.
    pub promotion: PromotionId,
    /// The environment.
    pub environment: EnvironmentName,
    /// The store that answers for it.
    pub store: StoreId,
    /// The release.
    pub release: Hash,
}

impl Stamp {
    /// The labels of a unit of `target`.
    pub fn labels(&self, target: &ComponentTarget) -> BTreeMap<String, String> {
        [
            (label::PROMOTION, self.promotion.to_string()),
            (label::ENVIRONMENT, self.environment.to_string()),
            (label::COMPONENT, target.place.component.to_string()),
            (label::RELEASE, self.release.short().to_owned()),
            (label::STORE, self.store.to_string()),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To the target.
    Forward,
    /// To the snapshot.
    Back,
}

/// All that does not change while a component is rolled out.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// What it shall become.
    pub target: &'a ComponentTarget,
    /// What it was.
    pub snapshot: &'a ComponentSnapshot,
    /// Who changes it.
    pub stamp: &'a Stamp,
    /// Which way.
    pub direction: Direction,
    /// The promotion that was being undone, where the way back leads away from that: what was made in the place of its
    /// lost units goes again.
    pub undone: Option<&'a PromotionId>,
}

/// What follows now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Calls to make now; they do not depend on each other.
    pub calls: Vec<UnitCall>,
    /// To be kept for the next look.
    pub progress: super::Progress,
    /// How it stands.
    pub verdict: Verdict,
    /// Whether the next look should ask the edges.
    pub ask_edges: bool,
}

/// How a rollout stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Under way; what is waited for, and until when nothing can change by time alone.
    Going {
        /// For people.
        why: String,
        /// The next instant at which time alone changes something.
        wake: Option<At>,
    },
    /// There.
    Done,
    /// It cannot get there.
    Failed(String),
}
