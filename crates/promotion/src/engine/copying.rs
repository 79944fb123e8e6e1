//! Copying: images reach the target's registry by digest, and are read back there.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::{Either, select};

use super::drive::Came;
use super::session::Session;
use super::work::judge;
use super::{EngineError, EngineEvent};
use crate::machine::{Phase, Work};
use crate::model::{ComponentName, ComponentTarget, ImageRecord, Kind, Millis};
use crate::ports::{Copied, ImageFacts, Moved, PortError, PortErrorKind, Watch};

/// How often a copy is told: a twentieth of it at a time.
const PARTS: u64 = 20;
/// How often a copy that takes long looks whether somebody wants it to end.
const LOOK_UP: Millis = Millis::secs(2);

/// What became of one image.
enum Brought {
    Here(ImageRecord),
    Came(Came),
}

impl Session<'_> {
    pub(super) async fn copy(&mut self) -> Result<Came, EngineError> {
        let mut images = BTreeMap::new();
        for target in self.targets() {
            self.keep_lease().await?;
            match self.bring(&target).await? {
                Brought::Here(record) => images.insert(target.place.component, record),
                Brought::Came(came) => return Ok(came),
            };
        }
        Ok(Came::done(Work::Copied { images }))
    }

    async fn bring(&mut self, target: &ComponentTarget) -> Result<Brought, EngineError> {
        let mut copied = Copied::default();
        if (target.source.registry(), target.source.repository())
            != (target.image.registry(), target.image.repository())
        {
            match self.send(target).await? {
                Some(Ok(done)) => copied = done,
                Some(Err(error)) => return Ok(Brought::Came(judge(error))),
                None => return Ok(Brought::Came(Came::Yield)),
            }
            if copied != Copied::default() {
                let Copied { bytes_sent, bytes_mounted } = copied;
                let name = &target.place.component;
                self.note(format!("{name}: sent {bytes_sent} bytes, {bytes_mounted} were linked"));
            }
        }
        let registry = self.engine.ports.registry.clone();
        let facts = match registry.look(&target.place.environment, &target.image).await {
            Ok(facts) if Some(&facts.digest) == target.digest() => facts,
            Ok(facts) => {
                let why = format!("{} reads back as {}", target.image, facts.digest);
                return Ok(Brought::Came(Came::failed(why)));
            }
            Err(error) => match self.parked_facts(target, &error).await {
                Some(facts) => facts,
                None => return Ok(Brought::Came(judge(error))),
            },
        };
        Ok(Brought::Here(ImageRecord {
            image: target.image.clone(),
            platforms: facts.platforms,
            bytes_sent: copied.bytes_sent,
            bytes_mounted: copied.bytes_mounted,
        }))
    }

    /// Copies, keeps the lease meanwhile, and ends when somebody's word or the deadline comes between: none then. What arrived
    /// stays, and is not sent again.
    async fn send(
        &mut self,
        target: &ComponentTarget,
    ) -> Result<Option<Result<Copied, PortError>>, EngineError> {
        let registry = self.engine.ports.registry.clone();
        let watch = self.watch(&target.place.component);
        let copy = registry.ensure_copy(&target.place.environment, &target.source, &target.image, watch);
        let mut copy = pin!(copy);
        let beat = Millis((self.engine.options.lease_ttl.0 / 4).max(1)).min(LOOK_UP);
        let clock = self.engine.ports.clock.clone();
        loop {
            let tick = pin!(clock.sleep(beat));
            match select(copy.as_mut(), tick).await {
                Either::Left((done, _)) => return Ok(Some(done)),
                Either::Right(((), _)) if self.must_yield(Phase::Copying).await? => return Ok(None),
                Either::Right(((), _)) => {}
            }
        }
    }

    /// Tells the stream how far it is, now and then.
    fn watch(&self, component: &ComponentName) -> Watch {
        let (engine, promotion, component) = (self.engine.clone(), self.id.clone(), component.clone());
        let next = AtomicU64::new(0);
        Arc::new(move |Moved { done, total }| {
            let due = next.load(Ordering::SeqCst);
            if done < due && done < total {
                return;
            }
            let after = done.saturating_add((total / PARTS).max(1));
            // Of calls at the same time one tells.
            if next.compare_exchange(due, after, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                let (promotion, component) = (promotion.clone(), component.clone());
                let at = engine.ports.clock.now();
                engine.say(EngineEvent::Copy { promotion, at, component, done, total });
            }
        })
    }

    /// A way back to machines that stand there, parked, only starts them: it does not fail because the registry has
    /// forgotten their image.
    async fn parked_facts(&self, target: &ComponentTarget, error: &PortError) -> Option<ImageFacts> {
        let kind = &self.view().state.facts.request.kind;
        if !matches!(kind, Kind::Rollback { .. }) || error.kind != PortErrorKind::Refused {
            return None;
        }
        let fleet = self.engine.ports.deployer.observe_fleet(&target.place).await.ok()?;
        let digest = target.digest()?;
        let mut parked = fleet.units.iter().filter(|unit| unit.is_parked());
        parked.find(|unit| unit.digest.as_ref() == Some(digest))?;
        self.note(format!(
            "{}: the parked machines are started as they are: {error}",
            target.place.component
        ));
        Some(ImageFacts { digest: digest.clone(), platforms: BTreeMap::new(), labels: BTreeMap::new() })
    }
}
