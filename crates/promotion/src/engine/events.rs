//! The typed stream of what happens, for whoever watches. The journal is the record; this is for eyes.

use serde::Serialize;
use tokio::sync::broadcast;

use crate::machine::Phase;
use crate::model::{At, ComponentName, PromotionId};
use crate::rollout::{Direction, Stage};

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EngineEvent {
    /// A promotion entered a phase.
    Phase {
        /// Which promotion.
        promotion: PromotionId,
        /// Since when.
        at: At,
        /// Which phase.
        phase: Phase,
        /// What led there, where it is worth saying.
        why: Option<String>,
    },
    /// A component's rollout entered a stage.
    Stage {
        /// Which promotion.
        promotion: PromotionId,
        /// Since when.
        at: At,
        /// Which component.
        component: ComponentName,
        /// Which way.
        direction: Direction,
        /// Which stage.
        stage: Stage,
    },
    /// A provider call was made.
    Call {
        /// Which promotion.
        promotion: PromotionId,
        /// When it was answered.
        at: At,
        /// Which component.
        component: ComponentName,
        /// What was called.
        call: String,
        /// What went wrong, if anything.
        problem: Option<String>,
    },
    /// An image is on its way into the target's registry.
    Copy {
        /// Which promotion.
        promotion: PromotionId,
        /// When.
        at: At,
        /// Which component's.
        component: ComponentName,
        /// Bytes that are there.
        done: u64,
        /// Of how many.
        total: u64,
    },
    /// Something is waited for or could not be done yet.
    Note {
        /// Which promotion.
        promotion: PromotionId,
        /// When.
        at: At,
        /// What.
        text: String,
    },
}

/// The stream.
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<EngineEvent>,
}

impl Events {
    pub(super) const fn new(receiver: broadcast::Receiver<EngineEvent>) -> Self {
        Self { receiver }
    }

    /// The next event; none when every engine is gone. Events that came too fast for this reader are skipped.
    pub async fn next(&mut self) -> Option<EngineEvent> {
        loop {
            match self.receiver.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// The next event if there is one now.
    pub fn try_next(&mut self) -> Option<EngineEvent> {
        loop {
            match self.receiver.try_recv() {
                Ok(event) => return Some(event),
                Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => {
                    return None;
                }
            }
        }
    }
}
