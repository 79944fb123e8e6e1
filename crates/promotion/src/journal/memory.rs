//! A journal in memory: for tests, simulations and embedders that need no durability.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;

use super::chain;
use super::record::{Draft, Record};
use super::verbatim::{Holding, Row};
use crate::model::{At, EnvironmentName, Millis, StoreId};
use crate::ports::{Clock, Grant, Import, Journal, JournalError, Verbatim};

/// Records and leases in memory. Leases run by the given clock.
#[derive(Debug)]
pub struct Memory {
    id: StoreId,
    clock: Arc<dyn Clock>,
    chains: Mutex<BTreeMap<EnvironmentName, Chain>>,
}

#[derive(Debug, Default)]
struct Chain {
    records: Vec<Record>,
    epoch: u64,
    lease: Option<(String, At)>,
}

impl Memory {
    /// An empty store.
    pub fn new(id: StoreId, clock: Arc<dyn Clock>) -> Self {
        Self { id, clock, chains: Mutex::default() }
    }

    /// Takes over a chain that was read elsewhere, for a trial that leaves the original alone.
    pub fn load(&self, environment: &EnvironmentName, records: Vec<Record>) {
        let mut chains = self.chains();
        let chain = chains.entry(environment.clone()).or_default();
        chain.epoch = records.iter().filter_map(|record| record.epoch).fold(chain.epoch, u64::max);
        chain.records = records;
    }

    fn chains(&self) -> MutexGuard<'_, BTreeMap<EnvironmentName, Chain>> {
        self.chains.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl Journal for Memory {
    async fn store_id(&self) -> Result<StoreId, JournalError> {
        Ok(self.id.clone())
    }

    async fn environments(&self) -> Result<Vec<EnvironmentName>, JournalError> {
        Ok(self
            .chains()
            .iter()
            .filter(|(_, chain)| !chain.records.is_empty())
            .map(|(name, _)| name.clone())
            .collect())
    }

    async fn read(&self, environment: &EnvironmentName, after: u64) -> Result<Vec<Record>, JournalError> {
        let chains = self.chains();
        let records = chains.get(environment).map(|chain| chain.records.as_slice()).unwrap_or_default();
        Ok(records.iter().filter(|record| record.seq > after).cloned().collect())
    }

    async fn append(
        &self,
        environment: &EnvironmentName,
        head: u64,
        epoch: Option<u64>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Record>, JournalError> {
        let mut chains = self.chains();
        let chain = chains.entry(environment.clone()).or_default();
        if let Some(epoch) = epoch
            && epoch != chain.epoch
            && !cfg!(feature = "sabotage-p2")
        {
            return Err(JournalError::Fenced { epoch });
        }
        let last = chain.records.len() as u64;
        if last != head {
            return Err(JournalError::Conflict { head: last });
        }
        let mut prev =
            chain.records.last().map_or_else(|| Record::root(environment), |last| last.hash.clone());
        let mut sealed = Vec::with_capacity(drafts.len());
        for (n, draft) in drafts.into_iter().enumerate() {
            let record = Record::seal(environment, head + 1 + n as u64, epoch, draft, prev);
            prev = record.hash.clone();
            sealed.push(record);
        }
        chain.records.extend(sealed.iter().cloned());
        Ok(sealed)
    }

    async fn take_lease(
        &self,
        environment: &EnvironmentName,
        holder: &str,
        ttl: Millis,
    ) -> Result<Grant, JournalError> {
        let now = self.clock.now();
        let mut chains = self.chains();
        let chain = chains.entry(environment.clone()).or_default();
        if let Some((other, until)) = &chain.lease
            && other != holder
            && now < *until
            && !cfg!(feature = "sabotage-p2")
        {
            return Err(JournalError::Held { holder: other.clone() });
        }
        chain.epoch += 1;
        chain.lease = Some((holder.to_owned(), now.plus(ttl)));
        Ok(Grant { epoch: chain.epoch })
    }

    async fn renew_lease(
        &self,
        environment: &EnvironmentName,
        epoch: u64,
        ttl: Millis,
    ) -> Result<(), JournalError> {
        let now = self.clock.now();
        let mut chains = self.chains();
        let chain = chains.entry(environment.clone()).or_default();
        match &mut chain.lease {
            Some((_, until)) if chain.epoch == epoch => {
                *until = now.plus(ttl);
                Ok(())
            }
            _ => Err(JournalError::Fenced { epoch }),
        }
    }

    async fn release_lease(&self, environment: &EnvironmentName, epoch: u64) -> Result<(), JournalError> {
        let mut chains = self.chains();
        if let Some(chain) = chains.get_mut(environment)
            && chain.epoch == epoch
        {
            chain.lease = None;
        }
        Ok(())
    }
}

#[async_trait]
impl Verbatim for Memory {
    async fn verbatim(&self) -> Result<Holding, JournalError> {
        let mut rows = Vec::new();
        for (environment, chain) in &*self.chains() {
            for (seq, record) in (1..).zip(&chain.records) {
                let body = serde_json::to_vec(record).map_err(|error| JournalError::Store {
                    step: "reading everything",
                    message: error.to_string(),
                })?;
                rows.push(Row { environment: environment.to_string(), seq, body, hash: None });
            }
        }
        Ok(Holding { rows, faults: Vec::new() })
    }
}

#[async_trait]
impl Import for Memory {
    async fn import(
        &self,
        environment: &EnvironmentName,
        head: u64,
        records: &[Record],
    ) -> Result<(), JournalError> {
        let mut chains = self.chains();
        let chain = chains.entry(environment.clone()).or_default();
        let last = chain.records.len() as u64;
        if last != head {
            return Err(JournalError::Conflict { head: last });
        }
        let prev = chain.records.last().map_or_else(|| Record::root(environment), |last| last.hash.clone());
        chain::verify(environment, head, prev, records)?;
        chain.records.extend(records.iter().cloned());
        Ok(())
    }

    async fn end_lease(&self, environment: &EnvironmentName, epoch: u64) -> Result<(), JournalError> {
        let mut chains = self.chains();
        let chain = chains.entry(environment.clone()).or_default();
        chain.epoch = (chain.epoch + 1).max(epoch);
        chain.lease = None;
        Ok(())
    }
}
