//! Points of the journal are put outside of it, wherever a promotion ends or waits for people (P8).
//!
//! They stand for the record they name and all before it. Nothing waits for them: where the place is away, the next one,
//! or the next tick, makes up for it. A runner that nobody would believe puts none: what is there is never replaced, so that
//! it would stand in the way of one that counts.

use super::{Engine, EngineError, Ticked};
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
        if let Some(why) = self.ports.attestor.unbelieved() {
            return Err(unbelieved(&view.name, view.head, &why));
        }
        let told = |error: PortError| not_anchored(&view.name, view.head, &error.message);
        let store = self.ports.journal.store_id().await;
        let store = store.map_err(|error| not_anchored(&view.name, view.head, &error.to_string()))?;
        let (environment, seq, hash) = (view.name.clone(), view.head, view.hash().clone());
        let point = AnchorPoint { store, environment, seq, hash, at: self.ports.clock.now() };
        let envelope = self.ports.attestor.seal(STATEMENT_PAYLOAD, &point.payload()).await.map_err(told)?;
        anchors.put(&point.store, &point.environment, point.seq, &envelope.text()).await.map_err(told)
    }

    /// Makes up for an anchor that a dead runner did not put, once nobody is at work there. Where this runner is not one to
    /// put it that is no problem, but told.
    pub(super) async fn catch_up(
        &self,
        environment: &EnvironmentName,
        ticked: &mut Ticked,
    ) -> Result<(), EngineError> {
        let Some(anchors) = &self.ports.anchors else { return Ok(()) };
        let view = self.view(environment).await?;
        if view.active().is_some() {
            return Ok(());
        }
        let store = self.ports.journal.store_id().await?;
        match last(&**anchors, &store, environment).await {
            Ok(last) if last >= Some(view.head) => {}
            Ok(_) => match self.ports.attestor.unbelieved() {
                Some(why) => ticked.notes.push(unbelieved(environment, view.head, &why)),
                None => ticked.problems.extend(self.anchor(&view).await.err()),
            },
            Err(error) => ticked.problems.push(not_anchored(environment, view.head, &error.message)),
        }
        Ok(())
    }
}

async fn last(
    anchors: &dyn Anchors,
    store: &crate::model::StoreId,
    environment: &EnvironmentName,
) -> Result<Option<u64>, PortError> {
    Ok(anchors.list(store, environment).await?.last().copied())
}

fn unbelieved(environment: &EnvironmentName, seq: u64, why: &str) -> String {
    format!("record {seq} of {environment} was not anchored by this runner: {why}")
}

fn not_anchored(environment: &EnvironmentName, seq: u64, why: &str) -> String {
    format!("record {seq} of {environment} was not anchored, and the next one makes up for it: {why}")
}
