//! Killing a runner: from one moment on, nothing it does reaches the world.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use std::sync::Arc;

use super::roads::Roads;
use crate::journal::{Draft, Entry, OneOffStep, Record};
use crate::model::{EnvironmentName, Millis, StoreId};
use crate::ports::{Grant, Journal, JournalError};

/// When the runner dies: counted over its appends and provider calls together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Never.
    Never,
    /// Right before its n-th append or call takes effect.
    Before(u64),
    /// Right after it took effect, before the answer.
    After(u64),
}

/// One runner's life.
#[derive(Debug)]
pub struct Switch {
    moment: Moment,
    /// After which moment the runner is stopped for a while, and whether it was.
    stop: Option<u64>,
    stopped: AtomicBool,
    count: AtomicU64,
    dead: AtomicBool,
    seen: Mutex<BTreeMap<u64, String>>,
}

impl Switch {
    /// A runner that dies at `moment`.
    pub fn new(moment: Moment) -> Arc<Self> {
        Self::of(moment, None)
    }

    /// A runner that lives, and is stopped for a while right after the n-th moment, if that is an append.
    pub fn stopping(n: u64) -> Arc<Self> {
        Self::of(Moment::Never, Some(n))
    }

    fn of(moment: Moment, stop: Option<u64>) -> Arc<Self> {
        Arc::new(Self {
            moment,
            stop,
            stopped: AtomicBool::new(false),
            count: AtomicU64::new(0),
            dead: AtomicBool::new(false),
            seen: Mutex::default(),
        })
    }

    /// Whether it is dead.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// Whether the moment after which it stops has come.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// How many moments there were, and what they were.
    pub fn seen(&self) -> BTreeMap<u64, String> {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Comes to a moment: false when the runner is dead before it.
    pub fn before(&self, what: &str) -> Option<u64> {
        if self.is_dead() {
            return None;
        }
        let n = self.count.fetch_add(1, Ordering::SeqCst);
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(n, what.to_owned());
        if self.moment == Moment::Before(n) {
            self.dead.store(true, Ordering::SeqCst);
            return None;
        }
        Some(n)
    }

    /// Leaves the moment: false when the runner died after the effect.
    pub fn after(&self, n: u64) -> bool {
        if self.moment == Moment::After(n) {
            self.dead.store(true, Ordering::SeqCst);
        }
        !self.is_dead()
    }
}

/// A journal as a mortal runner sees it.
#[derive(Debug)]
pub(super) struct MortalJournal {
    pub(super) inner: Arc<dyn Journal>,
    pub(super) switch: Arc<Switch>,
    pub(super) roads: Option<Arc<Roads>>,
}

fn dead() -> JournalError {
    JournalError::Store { step: "living", message: "the runner was killed here".to_owned() }
}

fn title(entry: &Entry) -> String {
    match entry {
        Entry::Requested { .. } => "request".to_owned(),
        Entry::Stepped { phase, .. } => format!("step to {phase}"),
        Entry::EffectDone { .. } => "effect done".to_owned(),
        Entry::Meant { calls, .. } if calls.is_empty() => "progress".to_owned(),
        Entry::Meant { .. } => "intents".to_owned(),
        Entry::Came { .. } => "outcomes".to_owned(),
        Entry::Leased { .. } => "leases".to_owned(),
        Entry::OneOff { step: OneOffStep::Meant { .. }, .. } => "release command meant".to_owned(),
        Entry::OneOff { step: OneOffStep::Chosen { .. }, .. } => "release command chosen".to_owned(),
        Entry::OneOff { step: OneOffStep::Ended(_), .. } => "release command ended".to_owned(),
        Entry::BreakerReset { .. } => "breaker reset".to_owned(),
        Entry::GlassBroken { .. } => "break-glass".to_owned(),
        Entry::Closed { closing, .. } => closing.verb().to_owned(),
        Entry::Ejected { .. } => "ejected".to_owned(),
        Entry::ParkedEnded { .. } => "parked ended".to_owned(),
        Entry::Drifted { .. } => "drifted".to_owned(),
        Entry::Reported { .. } => "reported".to_owned(),
        Entry::ToldAgain { .. } => "told again".to_owned(),
        Entry::Moved { .. } => "moved".to_owned(),
        Entry::Arrived { .. } => "arrived".to_owned(),
    }
}

#[async_trait]
impl Journal for MortalJournal {
    async fn store_id(&self) -> Result<StoreId, JournalError> {
        if self.switch.is_dead() { Err(dead()) } else { self.inner.store_id().await }
    }

    async fn environments(&self) -> Result<Vec<EnvironmentName>, JournalError> {
        self.asked(self.inner.environments()).await
    }

    async fn read(&self, environment: &EnvironmentName, after: u64) -> Result<Vec<Record>, JournalError> {
        self.asked(self.inner.read(environment, after)).await
    }

    async fn append(
        &self,
        environment: &EnvironmentName,
        head: u64,
        epoch: Option<u64>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Record>, JournalError> {
        let what: Vec<_> = drafts.iter().map(|draft| title(&draft.entry)).collect();
        let n = self.switch.before(&format!("write {}", what.join(", "))).ok_or_else(dead)?;
        let result = self.asked(self.inner.append(environment, head, epoch, drafts)).await;
        if self.switch.stop == Some(n) {
            // Whoever stops this runner does so here.
            self.switch.stopped.store(true, Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
        if self.switch.after(n) { result } else { Err(dead()) }
    }

    async fn take_lease(
        &self,
        environment: &EnvironmentName,
        holder: &str,
        ttl: Millis,
    ) -> Result<Grant, JournalError> {
        self.asked(self.inner.take_lease(environment, holder, ttl)).await
    }

    async fn renew_lease(
        &self,
        environment: &EnvironmentName,
        epoch: u64,
        ttl: Millis,
    ) -> Result<(), JournalError> {
        self.asked(self.inner.renew_lease(environment, epoch, ttl)).await
    }

    async fn release_lease(&self, environment: &EnvironmentName, epoch: u64) -> Result<(), JournalError> {
        self.asked(self.inner.release_lease(environment, epoch)).await
    }
}

impl MortalJournal {
    /// What the store says to this runner, if it lives.
    async fn asked<T>(
        &self,
        question: impl Future<Output = Result<T, JournalError>> + Send,
    ) -> Result<T, JournalError> {
        if self.switch.is_dead() {
            return Err(dead());
        }
        let Some(roads) = &self.roads else { return question.await };
        if !roads.way().await {
            return Err(JournalError::Store { step: "asking", message: "it took too long".to_owned() });
        }
        let answer = question.await;
        roads.way().await;
        answer
    }
}
