//! Secrets of an app.

use flytypes::{AppName, wire::SecretsReply};

use super::{
    Client, Error,
    wire::{self, SecretChanges},
};

/// Secrets of an app: names and digests out, values only in.
#[derive(Debug, Clone)]
pub struct Secrets {
    client: Client,
    app: AppName,
}

impl Secrets {
    pub(super) fn new(client: Client, app: AppName) -> Self {
        Self { client, app }
    }

    /// Names and digests, by name; with `min_version` at least as new as that version.
    pub async fn list(&self, min_version: Option<u64>) -> Result<SecretsReply, Error> {
        let mut reply: SecretsReply = self.client.fetch(&wire::list_secrets(&self.app, min_version)).await?;
        reply.secrets.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(reply)
    }

    /// Sets and removes; the version in the answer goes into `min_secrets_version` of the machines that shall have them: running
    /// ones keep the old until they are updated. Not idempotent: each makes a new version.
    pub async fn set(&self, changes: &SecretChanges) -> Result<SecretsReply, Error> {
        self.client.fetch(&wire::set_secrets(&self.app, changes)).await
    }
}
