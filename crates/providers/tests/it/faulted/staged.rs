//! A deployer whose first change waits until the faults of that moment are set, however busy the host is.

use async_trait::async_trait;
use promotion::model::{Fleet, Place};
use promotion::ports::{Deployer, Key, Performed, PortError};
use promotion::rollout::UnitCall;
use providers::fly::FlyDeployer;
use serde_json::Value;
use tokio::sync::{Notify, watch};

/// Over the real one.
#[derive(Debug)]
pub(crate) struct Staged {
    inner: FlyDeployer,
    begins: Notify,
    is_set: watch::Sender<bool>,
}

impl Staged {
    pub(crate) fn new(inner: FlyDeployer) -> Self {
        Self { inner, begins: Notify::new(), is_set: watch::Sender::new(false) }
    }

    /// Until something is about to be changed.
    pub(crate) async fn begins(&self) {
        self.begins.notified().await;
    }

    /// The faults are set: it may go on.
    pub(crate) fn go_on(&self) {
        self.is_set.send_replace(true);
    }
}

#[async_trait]
impl Deployer for Staged {
    async fn observe_fleet(&self, place: &Place) -> Result<Fleet, PortError> {
        self.inner.observe_fleet(place).await
    }

    fn kept(&self, place: &Place, present: &Value, wanted: &Value) -> Value {
        self.inner.kept(place, present, wanted)
    }

    async fn perform(&self, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError> {
        if !matches!(call, UnitCall::Lease { .. } | UnitCall::Unlease { .. }) {
            self.begins.notify_one();
            let mut news = self.is_set.subscribe();
            let _it_lives_as_long_as_we_do = news.wait_for(|is_set| *is_set).await;
        }
        self.inner.perform(place, call, key).await
    }
}
