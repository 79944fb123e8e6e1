//! Points of the journal are put outside of it, wherever a promotion ends or waits for people (P8).
//!
//! They stand for the record they name and all before it. Nothing waits for them: where the place is away, the next one,
//! or the next tick, makes up for it.

use super::{Engine, EngineError};
use crate::journal::EnvironmentView;
use crate::model::{AnchorPoint, EnvironmentName, STATEMENT_PAYLOAD};
use crate::ports::{Anchors, PortError};

impl Engine {
    /// Puts the last record of `view` outside the store; why it could not be done. Putting it twice is as good as once.
    pub(super) async fn anchor(&self, view: &EnvironmentView) -> Result<(), String> {
        let Some(anchors) = &self.ports.anchors else { return Ok(()) };
        if view.head == 0 {
            return Ok(());
        }
        let told = |error: PortError| not_anchored(&view.name, view.head, &error.message);
        let store = self.ports.journal.store_id().await;
        let store = store.map_err(|error| not_anchored(&view.name, view.head, &error.to_string()))?;
        let (environment, seq, hash) = (view.name.clone(), view.head, view.hash().clone());
        let point = AnchorPoint { store, environment, seq, hash, at: self.ports.clock.now() };
        let envelope = self.ports.attestor.seal(STATEMENT_PAYLOAD, &point.payload()).await.map_err(told)?;
        anchors.put(&point.store, &point.environment, point.seq, &envelope.text()).await.map_err(told)
    }

    /// Makes up for an anchor that a dead runner did not put, once nobody is at work there.
    pub(super) async fn catch_up(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Option<String>, EngineError> {
        let Some(anchors) = &self.ports.anchors else { return Ok(None) };
        let view = self.view(environment).await?;
        if view.active().is_some() {
            return Ok(None);
        }
        let store = self.ports.journal.store_id().await?;
        Ok(match last(&**anchors, &store, environment).await {
            Ok(last) if last >= Some(view.head) => None,
            Ok(_) => self.anchor(&view).await.err(),
            Err(error) => Some(not_anchored(environment, view.head, &error.message)),
        })
    }
}

async fn last(
    anchors: &dyn Anchors,
    store: &crate::model::StoreId,
    environment: &EnvironmentName,
) -> Result<Option<u64>, PortError> {
    Ok(anchors.list(store, environment).await?.last().copied())
}

fn not_anchored(environment: &EnvironmentName, seq: u64, why: &str) -> String {
    format!("record {seq} of {environment} was not anchored, and the next one makes up for it: {why}")
}
