//! flyctl's leases: 13 seconds, refreshed every four, given back at the end (fly.md 1.7).

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{Failed, http::Api};

/// Seconds.
const TTL: u64 = 13;
/// `(ttl − 1) / 3`.
const REFRESH: Duration = Duration::from_secs((TTL - 1) / 3);
/// Between two tries to take one; flyctl draws from 100 to 500 ms.
const AGAIN: Duration = Duration::from_millis(100);

/// Leases on some machines of an app.
#[derive(Debug)]
pub(super) struct Leases {
    api: Api,
    app: String,
    nonces: BTreeMap<String, String>,
    refreshed: Instant,
}

impl Leases {
    /// None at all.
    pub(super) fn none(api: &Api) -> Self {
        Self { api: api.clone(), app: String::new(), nonces: BTreeMap::new(), refreshed: Instant::now() }
    }

    /// Takes one on each machine, trying for as long as `patience`; one that cannot be had ends it, and those that
    /// were taken are given back.
    pub(super) async fn take(
        api: &Api,
        app: &str,
        machines: &[String],
        patience: Duration,
    ) -> Result<Self, Failed> {
        let mut leases = Self { app: app.to_owned(), ..Self::none(api) };
        let until = Instant::now() + patience;
        for id in machines {
            loop {
                match leases.ask(id, None).await {
                    Ok(nonce) => {
                        leases.nonces.insert(id.clone(), nonce);
                        break;
                    }
                    Err(_) if Instant::now() < until => tokio::time::sleep(AGAIN).await,
                    Err(failed) => {
                        leases.give_back().await?;
                        return Err(failed);
                    }
                }
            }
        }
        Ok(leases)
    }

    /// The lifetime goes in the query, and there is no body (fly.md 1.7).
    async fn ask(&self, id: &str, nonce: Option<&str>) -> Result<String, Failed> {
        let path = format!("/v1/apps/{}/machines/{id}/lease?ttl={TTL}", self.app);
        let told = self.api.call("POST", &path, nonce, None).await?;
        Ok(super::text(&told["data"], "nonce"))
    }

    pub(super) fn nonce(&self, id: &str) -> Option<&str> {
        self.nonces.get(id).map(String::as_str)
    }

    /// Refreshes them all when it is time.
    pub(super) async fn keep(&mut self) -> Result<(), Failed> {
        if self.refreshed.elapsed() < REFRESH {
            return Ok(());
        }
        for (id, nonce) in &self.nonces {
            self.ask(id, Some(nonce)).await?;
        }
        self.refreshed = Instant::now();
        Ok(())
    }

    /// Of a machine that is gone there is nothing to give back.
    pub(super) fn forget(&mut self, id: &str) {
        self.nonces.remove(id);
    }

    pub(super) async fn give_back(&mut self) -> Result<(), Failed> {
        for (id, nonce) in std::mem::take(&mut self.nonces) {
            let path = format!("/v1/apps/{}/machines/{id}/lease", self.app);
            self.api.call("DELETE", &path, Some(&nonce), None).await?;
        }
        Ok(())
    }
}
