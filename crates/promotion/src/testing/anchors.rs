//! A place for anchors in memory, which may be away.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use crate::model::{EnvironmentName, StoreId};
use crate::ports::{Anchors, PortError};

type Key = (StoreId, EnvironmentName, u64);

/// Anchors in memory.
#[derive(Debug, Default)]
pub struct Ashore {
    kept: Mutex<BTreeMap<Key, String>>,
    is_away: AtomicBool,
}

impl Ashore {
    /// From now on the place is away, or back.
    pub fn go_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    fn kept(&self) -> Result<std::sync::MutexGuard<'_, BTreeMap<Key, String>>, PortError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(PortError::not_sent("the place for anchors is away"));
        }
        Ok(self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

#[async_trait]
impl Anchors for Ashore {
    async fn put(
        &self,
        store: &StoreId,
        environment: &EnvironmentName,
        seq: u64,
        text: &str,
    ) -> Result<(), PortError> {
        let key = (store.clone(), environment.clone(), seq);
        self.kept()?.entry(key).or_insert_with(|| text.to_owned());
        Ok(())
    }

    async fn environments(&self, store: &StoreId) -> Result<Vec<EnvironmentName>, PortError> {
        let kept = self.kept()?;
        let mut names: Vec<_> =
            kept.keys().filter(|(of, _, _)| of == store).map(|(_, name, _)| name.clone()).collect();
        names.dedup();
        Ok(names)
    }

    async fn list(&self, store: &StoreId, environment: &EnvironmentName) -> Result<Vec<u64>, PortError> {
        let kept = self.kept()?;
        let its = kept.keys().filter(|(of, name, _)| of == store && name == environment);
        Ok(its.map(|(_, _, seq)| *seq).collect())
    }

    async fn get(
        &self,
        store: &StoreId,
        environment: &EnvironmentName,
        seq: u64,
    ) -> Result<Option<String>, PortError> {
        Ok(self.kept()?.get(&(store.clone(), environment.clone(), seq)).cloned())
    }
}
