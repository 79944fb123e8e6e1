//! The imperative shell: one event, one `step`, one atomic append, then effects; completions come back as events.

mod anchoring;
mod attesting;
mod break_glass;
mod breaker;
mod checklist;
mod closing;
mod compare;
mod copying;
mod drift;
mod drive;
mod effects;
mod eject;
mod error;
mod events;
mod explaining;
mod gates;
mod images;
mod keeping;
mod lanes;
mod locked;
mod one_off;
mod pace;
mod planning;
mod preview;
mod queue;
mod receipts;
mod reminding;
mod roll;
mod scanning;
mod secrets;
mod session;
mod silent;
mod tick;
mod traffic;
mod verbs;
mod watching;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::broadcast;

pub use attesting::Attested;
pub use eject::{Eject, Ejected, UnitAt};
pub use error::EngineError;
pub use events::{EngineEvent, Events};
pub use explaining::{Explained, Hold};
pub use planning::snapshot_release;
pub use tick::Ticked;
pub use verbs::{Ask, Planned};
pub use watching::DriftSeen;

use crate::journal::Current;
use crate::model::{EnvironmentName, Millis, PromotionId};
use crate::ports::{
    Anchors, Approvals, Attestor, Checks, Clock, Deployer, Ids, Journal, Notifier, OneOffs, Randomness,
    Registry, Secrets,
};

/// The world, as the embedder brings it.
#[derive(Debug, Clone)]
pub struct Ports {
    /// The store.
    pub journal: Arc<dyn Journal>,
    /// The provider.
    pub deployer: Arc<dyn Deployer>,
    /// Images.
    pub registry: Arc<dyn Registry>,
    /// Names of secrets.
    pub secrets: Arc<dyn Secrets>,
    /// Machines for release commands.
    pub one_offs: Arc<dyn OneOffs>,
    /// Tests and edges.
    pub checks: Arc<dyn Checks>,
    /// Who approved.
    pub approvals: Arc<dyn Approvals>,
    /// Evidence.
    pub attestor: Arc<dyn Attestor>,
    /// Where points of the journal are kept outside of it; none where nobody keeps any.
    pub anchors: Option<Arc<dyn Anchors>>,
    /// Whom to tell.
    pub notifier: Arc<dyn Notifier>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// Chance.
    pub randomness: Arc<dyn Randomness>,
}

/// How the engine behaves; the rules of promotions are policy and stand in the request.
#[derive(Debug, Clone)]
pub struct Options {
    /// A runner that died is replaced after this long. Default 30 s.
    pub lease_ttl: Millis,
    /// The time between two looks at a fleet in the long run, four times that for one of more than 20 units; chance adds up
    /// to a quarter. Where only time passes it is looked twice as seldom (five times, for a large fleet), and what that
    /// saves is there for when something moves. Default 250 ms.
    pub poll: Millis,
    /// Looks that may fail in a row before a try counts as errored. Default 10.
    pub looks_failed_max: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { lease_ttl: Millis::secs(30), poll: Millis(250), looks_failed_max: 10 }
    }
}

/// The engine. Cheap to clone; all clones share the stop switch and the event stream.
#[derive(Debug, Clone)]
pub struct Engine {
    options: Options,
    ports: Ports,
    runner: String,
    stop: Arc<AtomicBool>,
    views: verbs::Views,
    events: broadcast::Sender<EngineEvent>,
}

/// Events that wait for a slow reader before the oldest are dropped (and counted).
const EVENTS_MAX: usize = 1024;

impl Engine {
    /// An engine over `ports`. Starts nothing.
    pub fn new(options: Options, ports: Ports) -> Self {
        let runner = ports.ids.runner();
        let ports = Ports { journal: Arc::new(Current::new(ports.journal.clone())), ..ports };
        Self {
            options,
            ports,
            runner,
            stop: Arc::default(),
            views: verbs::Views::default(),
            events: broadcast::Sender::new(EVENTS_MAX),
        }
    }

    /// Everything that happens from now on.
    pub fn events(&self) -> Events {
        Events::new(self.events.subscribe())
    }

    /// Ends every drive at its next safe point; the promotion stays resumable. Idempotent.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn say(&self, event: EngineEvent) {
        let _nobody_listens_is_fine = self.events.send(event);
    }

    /// Takes up a promotion that exists already.
    pub fn handle(&self, environment: EnvironmentName, id: PromotionId) -> Handle {
        Handle { engine: self.clone(), environment, id }
    }
}

/// One promotion in the engine.
#[derive(Debug, Clone)]
pub struct Handle {
    engine: Engine,
    /// Where it goes.
    pub environment: EnvironmentName,
    /// Its id.
    pub id: PromotionId,
}

/// Why a drive returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It reached a final phase.
    Ended(crate::machine::Phase),
    /// It waits for people; nothing is held.
    Waiting {
        /// Until then.
        until: crate::model::At,
    },
    /// Another promotion holds the environment, or another runner drives this one.
    Busy {
        /// Who.
        by: String,
    },
    /// The stop switch; resumable.
    Interrupted,
}

impl Handle {
    /// Everything that happens from now on, of all promotions of this engine.
    pub fn events(&self) -> Events {
        self.engine.events()
    }

    /// Drives the promotion until it ends or waits. Takes up where any runner left off; safe to call from many
    /// processes, one of which goes on. Dropping the future at any await is like dying there: call it again.
    pub async fn drive(&self) -> Result<Outcome, EngineError> {
        self.engine.drive(&self.environment, &self.id).await
    }
}
