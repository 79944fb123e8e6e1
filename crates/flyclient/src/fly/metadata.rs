//! Metadata of an app's machines.

use std::collections::BTreeMap;

use flytypes::{AppName, InstanceId, MachineId};

use super::{Client, Error, wire};

/// Metadata of an app's machines. Changes need no lease and make no new version: nothing fences them.
#[derive(Debug, Clone)]
pub struct Metadata {
    client: Client,
    app: AppName,
}

impl Metadata {
    pub(super) fn new(client: Client, app: AppName) -> Self {
        Self { client, app }
    }

    /// All entries.
    pub async fn get(&self, id: &MachineId) -> Result<BTreeMap<String, String>, Error> {
        let entries: Option<_> = self.client.fetch(&wire::get_metadata(&self.app, id)).await?;
        Ok(entries.unwrap_or_default())
    }

    /// Sets one entry. Not repeated when in doubt.
    pub async fn set(&self, id: &MachineId, key: &str, value: &str) -> Result<(), Error> {
        self.client.send(&wire::set_metadata(&self.app, id, key, value)).await.map(drop)
    }

    /// Removes one entry. Not repeated when in doubt.
    pub async fn delete(&self, id: &MachineId, key: &str) -> Result<(), Error> {
        self.client.send(&wire::delete_metadata(&self.app, id, key)).await.map(drop)
    }

    /// Sets and (`None`) removes several at once, if the machine still has `version`; else [`super::ErrorKind::Precondition`].
    pub async fn patch(
        &self,
        id: &MachineId,
        changes: &BTreeMap<String, Option<String>>,
        version: Option<&InstanceId>,
    ) -> Result<(), Error> {
        self.client.send(&wire::patch_metadata(&self.app, id, changes, version)).await.map(drop)
    }
}
