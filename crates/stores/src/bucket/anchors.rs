//! Anchors in a bucket: `PREFIX/anchor/STORE/ENVIRONMENT/RECORD`, each written if nobody has written it.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use object_store::path::{Path, PathPart};
use percent_encoding::percent_decode_str;
use promotion::model::{EnvironmentName, StoreId};
use promotion::ports::{Anchors, PortError};

use super::error::told;
use super::place::{Place, Put};

/// A prefix in a bucket for anchors: in another one than the store's, with other rights.
#[derive(Debug, Clone)]
pub struct BucketAnchors {
    place: Place,
}

impl BucketAnchors {
    /// Below the prefix of `place`.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self { place }
    }

    fn store(&self, store: &StoreId) -> Path {
        self.place.anchors().join(PathPart::from(store.as_str()))
    }

    fn chain(&self, store: &StoreId, environment: &EnvironmentName) -> Path {
        self.store(store).join(PathPart::from(environment.as_str()))
    }

    /// Padded, so that the order of names is that of numbers.
    fn path(&self, store: &StoreId, environment: &EnvironmentName, seq: u64) -> Path {
        self.chain(store, environment).join(format!("{seq:020}"))
    }
}

fn failed(what: &str, path: &Path, error: &object_store::Error) -> PortError {
    PortError::not_sent(format!("anchors: {path} cannot be {what}: {}", told(error)))
}

#[async_trait]
impl Anchors for BucketAnchors {
    async fn put(
        &self,
        store: &StoreId,
        environment: &EnvironmentName,
        seq: u64,
        text: &str,
    ) -> Result<(), PortError> {
        let path = self.path(store, environment, seq);
        match self.place.create(&path, text.to_owned()).await {
            Put::Done | Put::Taken => Ok(()),
            Put::Unknown(error) => Err(failed("written", &path, &error)),
        }
    }

    async fn environments(&self, store: &StoreId) -> Result<Vec<EnvironmentName>, PortError> {
        let directory = self.store(store);
        let listed = self.place.objects.list_with_delimiter(Some(&directory)).await;
        let listed = listed.map_err(|error| failed("listed", &directory, &error))?.common_prefixes;
        let known = |path: Path| {
            let name = percent_decode_str(path.filename()?).decode_utf8().ok()?;
            EnvironmentName::new(name).ok()
        };
        let mut found: Vec<EnvironmentName> = listed.into_iter().filter_map(known).collect();
        found.sort();
        Ok(found)
    }

    async fn list(&self, store: &StoreId, environment: &EnvironmentName) -> Result<Vec<u64>, PortError> {
        let directory = self.chain(store, environment);
        let listed = self.place.objects.list(Some(&directory)).map_ok(|meta| meta.location);
        let listed: Vec<Path> =
            listed.try_collect().await.map_err(|error| failed("listed", &directory, &error))?;
        let seq = |path: &Path| path.filename().filter(|name| name.len() == 20)?.parse().ok();
        let mut found: Vec<u64> = listed.iter().filter_map(seq).collect();
        found.sort_unstable();
        Ok(found)
    }

    async fn get(
        &self,
        store: &StoreId,
        environment: &EnvironmentName,
        seq: u64,
    ) -> Result<Option<String>, PortError> {
        let path = self.path(store, environment, seq);
        let found = self.place.get(&path).await.map_err(|error| failed("read", &path, &error))?;
        Ok(found.map(|(text, _)| text))
    }
}
