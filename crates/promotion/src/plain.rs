//! Plain ports for embedders that bring a provider and a notifier and need no more: the wall clock, ids and chance of
//! this process, and people, evidence and suites that are not there and say so. None of them pretends: what cannot be
//! proven is refused, so a policy that asks for it blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use flytypes::{Digest, ImageRef};
use nix::time::ClockId;

use crate::engine::Ports;
use crate::model::{
    At, Attestation, Claim, EnvironmentName, Millis, OneOffRun, OneOffSpec, OneOffState, Person, Place,
    PromotionId, Release, SecretsSeen, Statement, SuiteName, Unit, UnitId, Word,
};
use crate::ports::{
    Approvals, Attestor, Checks, Clock, Copied, Deployer, Ids, ImageFacts, Journal, Notifier, OneOffs,
    PortError, Randomness, Registry, Secrets, SuiteReport, Survey, Watch,
};
use crate::rollout::EdgeAnswer;

impl Ports {
    /// A journal, a provider and a notifier of the embedder's, everything else plain.
    pub fn plain(
        journal: Arc<dyn Journal>,
        deployer: Arc<dyn Deployer>,
        notifier: Arc<dyn Notifier>,
    ) -> Self {
        Self {
            journal,
            deployer,
            registry: Arc::new(Pinned),
            secrets: Arc::new(NoSecrets),
            one_offs: Arc::new(NoMachines),
            checks: Arc::new(NoSuites),
            approvals: Arc::new(Nobody),
            attestor: Arc::new(Unsigned),
            anchors: None,
            notifier,
            clock: Arc::new(SystemClock),
            ids: Arc::new(Process::default()),
            randomness: Arc::new(Chance),
        }
    }
}

/// The system's clock; sleeps by the timer of the tokio runtime that drives the engine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

/// Counts on while the machine sleeps: `clock_gettime(2)` says so of this one on Linux, Apple's of the other.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SINCE_BOOT: ClockId = ClockId::CLOCK_BOOTTIME;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const SINCE_BOOT: ClockId = ClockId::CLOCK_MONOTONIC;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the port's edge to the system's clock")]
    fn now(&self) -> At {
        let now = std::time::SystemTime::now();
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        At(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Millis {
        // Refused only where there is no such clock, which these systems have.
        let since = SINCE_BOOT.now().map(Duration::from).unwrap_or_default();
        Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    async fn sleep(&self, time: Millis) {
        tokio::time::sleep(time.duration()).await;
    }
}

/// Chance from the system, by way of the keys of the standard library's hashers.
#[derive(Debug, Clone, Copy)]
pub struct Chance;

impl Randomness for Chance {
    fn below(&self, bound: u64) -> u64 {
        RandomState::new().build_hasher().finish() % bound.max(1)
    }
}

/// Ids from time, a counter and chance.
#[derive(Debug, Default)]
pub struct Process {
    made: AtomicU64,
}

impl Process {
    fn id(&self, prefix: &str) -> String {
        let n = self.made.fetch_add(1, Ordering::SeqCst);
        format!("{prefix}-{:013}-{n:06}-{:08x}", SystemClock.now().0, Chance.below(1 << 32))
    }
}

impl Ids for Process {
    fn promotion(&self) -> PromotionId {
        PromotionId::new(self.id("p")).expect("digits and hyphens are a name")
    }

    fn runner(&self) -> String {
        self.id("runner")
    }
}

/// References that are pinned are what they say; nothing is copied.
#[derive(Debug, Clone, Copy)]
pub struct Pinned;

#[async_trait]
impl Registry for Pinned {
    async fn resolve(&self, _: &EnvironmentName, image: &ImageRef) -> Result<Digest, PortError> {
        image
            .digest()
            .cloned()
            .ok_or_else(|| PortError::refused(format!("`{image}` is not pinned to a digest")))
    }

    async fn look(&self, environment: &EnvironmentName, image: &ImageRef) -> Result<ImageFacts, PortError> {
        let digest = self.resolve(environment, image).await?;
        Ok(ImageFacts { digest, platforms: BTreeMap::new(), labels: BTreeMap::new() })
    }

    async fn survey(
        &self,
        environment: &EnvironmentName,
        from: &ImageRef,
        to: &ImageRef,
    ) -> Result<Survey, PortError> {
        if from != to {
            return Err(not_copied(from, to));
        }
        let facts = self.look(environment, from).await?;
        Ok(Survey { facts, bytes_total: 0, bytes_missing: 0, can_mount: false })
    }

    async fn ensure_copy(
        &self,
        _: &EnvironmentName,
        from: &ImageRef,
        to: &ImageRef,
        _: Watch,
    ) -> Result<Copied, PortError> {
        Err(not_copied(from, to))
    }

    async fn ensure_tag(&self, _: &EnvironmentName, image: &ImageRef, _: &str) -> Result<(), PortError> {
        // There is nobody here who cleans up.
        image.digest().map(drop).ok_or_else(|| PortError::refused(format!("`{image}` is not pinned")))
    }
}

fn not_copied(from: &ImageRef, to: &ImageRef) -> PortError {
    PortError::refused(format!("`{from}` is not copied to `{to}`: there is no registry"))
}

/// Places without secrets of their own.
#[derive(Debug, Clone, Copy)]
pub struct NoSecrets;

#[async_trait]
impl Secrets for NoSecrets {
    async fn observe_secrets(&self, _: &Place, _: &[Unit]) -> Result<SecretsSeen, PortError> {
        Ok(SecretsSeen::default())
    }

    fn command(&self, _: &Place, _: &BTreeSet<String>) -> Option<String> {
        None
    }
}

/// No machines for commands.
#[derive(Debug, Clone, Copy)]
pub struct NoMachines;

impl NoMachines {
    fn refused<T>() -> Result<T, PortError> {
        Err(PortError::refused("nothing can run a release command: no machines for it are connected"))
    }
}

#[async_trait]
impl OneOffs for NoMachines {
    async fn observe_runs(&self, _: &Place) -> Result<Vec<OneOffRun>, PortError> {
        Ok(Vec::new())
    }

    async fn prepare(&self, _: &Place, _: &OneOffSpec) -> Result<UnitId, PortError> {
        Self::refused()
    }

    async fn start(&self, _: &Place, _: &UnitId) -> Result<(), PortError> {
        Self::refused()
    }

    async fn observe_run(&self, _: &Place, _: &UnitId) -> Result<OneOffState, PortError> {
        Self::refused()
    }

    async fn observe_log(&self, _: &Place, _: &UnitId) -> Result<Vec<String>, PortError> {
        Self::refused()
    }

    async fn remove(&self, _: &Place, _: &UnitId) -> Result<(), PortError> {
        Self::refused()
    }
}

/// No suites and no edges to ask.
#[derive(Debug, Clone, Copy)]
pub struct NoSuites;

#[async_trait]
impl Checks for NoSuites {
    async fn run(
        &self,
        _: &EnvironmentName,
        _: &Release,
        suite: &SuiteName,
    ) -> Result<SuiteReport, PortError> {
        Err(PortError::refused(format!("there is no suite `{suite}`: no checks are connected")))
    }

    fn edges(&self, _: &Place) -> BTreeSet<String> {
        BTreeSet::new()
    }

    async fn ask_edges(&self, _: &Place) -> Vec<EdgeAnswer> {
        Vec::new()
    }
}

/// Nobody's approval can be proven. Who asks is whom the embedder names, for nobody else speaks in its process; a name
/// that others prove, such as `ssh:SHA256:…`, is not taken on trust.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

#[async_trait]
impl Approvals for Nobody {
    async fn verify(&self, _: &Claim) -> Result<Person, PortError> {
        Err(PortError::refused("no proof can be checked: no approvals are connected"))
    }

    async fn verify_word(&self, word: &Word) -> Result<Person, PortError> {
        let is_plain = !word.by.as_str().contains(':') || word.by.as_str().starts_with("local:");
        if word.proof.is_none() && is_plain {
            return Ok(word.by.clone());
        }
        Err(PortError::refused(format!(
            "{} would have to prove that, and no proof can be checked: no approvals are connected",
            word.by
        )))
    }
}

/// No evidence is made and none is believed.
#[derive(Debug, Clone, Copy)]
pub struct Unsigned;

#[async_trait]
impl Attestor for Unsigned {
    async fn sign(&self, _: &Statement) -> Result<Attestation, PortError> {
        Err(PortError::refused("nothing can be signed: no attestor is connected"))
    }

    async fn verify(&self, _: &Attestation) -> Result<(), PortError> {
        Err(PortError::refused("no signature can be checked: no attestor is connected"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Chance, Nobody, Process, SystemClock};
    use crate::conformance;
    use crate::model::{Person, Word};
    use crate::ports::{Approvals as _, PortErrorKind};

    /// The embedder alone says who asks, and a name that a key or an account proves elsewhere needs its proof here too.
    #[tokio::test]
    async fn a_name_that_others_prove_is_not_taken_on_trust() {
        let said = async |name: &str, proof: Option<&str>| {
            let (by, text) = (Person::new(name).unwrap(), "understudy request\n".to_owned());
            Nobody.verify_word(&Word { by, text, proof: proof.map(str::to_owned) }).await
        };
        for name in ["me", "local:mira"] {
            assert_eq!(said(name, None).await.unwrap().as_str(), name);
            assert_eq!(said(name, Some("a proof")).await.unwrap_err().kind, PortErrorKind::Refused);
        }
        for name in ["ssh:SHA256:mira", "github:1"] {
            assert_eq!(said(name, None).await.unwrap_err().kind, PortErrorKind::Refused);
        }
    }

    #[tokio::test]
    async fn plain_time_ids_and_chance_conform() {
        conformance::clock(&SystemClock).await;
        conformance::ids(&Process::default());
        conformance::randomness(&Chance);
    }
}
