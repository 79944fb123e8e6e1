//! Leases of an app's machines.

use std::time::Duration;

use flytypes::{
    AppName, MachineId,
    wire::{Lease, LeaseEnvelope},
};

use super::{
    Client, Error, ErrorKind,
    error::Context,
    wire::{self, Call, NewLease},
};
use crate::Delivery;

/// Leases of an app's machines: who holds one changes the machine alone.
#[derive(Debug, Clone)]
pub struct Leases {
    client: Client,
    app: AppName,
}

impl Leases {
    pub(super) fn new(client: Client, app: AppName) -> Self {
        Self { client, app }
    }

    /// Takes the lease; the nonce is in the answer. Held by another: [`ErrorKind::Conflict`], whose detail names holder and end.
    /// After [`Delivery::Unknown`] there may be a lease whose nonce nobody knows; it ends by itself.
    pub async fn acquire(&self, id: &MachineId, lease: &NewLease) -> Result<Lease, Error> {
        self.held(wire::acquire_lease(&self.app, id, lease)).await
    }

    /// Moves the end of a lease. A lease that ended or was taken over is [`ErrorKind::Conflict`] or [`ErrorKind::NotFound`]: it is
    /// lost.
    pub async fn refresh(&self, id: &MachineId, ttl: Duration, nonce: &str) -> Result<Lease, Error> {
        self.held(wire::refresh_lease(&self.app, id, ttl, nonce)).await
    }

    /// The lease of a machine, if it has one. That the machine itself is missing looks the same to the API.
    pub async fn get(&self, id: &MachineId) -> Result<Option<Lease>, Error> {
        match self.client.fetch::<LeaseEnvelope<Lease>>(&wire::get_lease(&self.app, id)).await {
            Ok(envelope) => Ok(envelope.data),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives it back. One that is gone already is [`ErrorKind::NotFound`].
    pub async fn release(&self, id: &MachineId, nonce: &str) -> Result<(), Error> {
        self.client.send(&wire::release_lease(&self.app, id, nonce)).await.map(drop)
    }

    async fn held(&self, call: Call) -> Result<Lease, Error> {
        let envelope: LeaseEnvelope<Lease> = self.client.fetch(&call).await?;
        match envelope.data {
            Some(lease) if lease.nonce.is_some() => Ok(lease),
            _ => Err(Error::new(Context::of(
                &call,
                ErrorKind::Undecodable { path: "data.nonce".to_owned() },
                Delivery::Applied,
            ))),
        }
    }
}
