//! The machines of one app.

use flytypes::{
    AppName, InstanceId, MachineId,
    wire::{Machine, MachineEvent, MachineState, StartReply, WaitOutcome},
};

use super::{
    Client, Error,
    client::Reply,
    decode,
    wire::{self, CreateMachine, ListMachines, StopMachine, UpdateMachine, WaitMachine},
};

/// The machines of one app. `lease` is the nonce of a lease, where the machine has one.
#[derive(Debug, Clone)]
pub struct Machines {
    client: Client,
    app: AppName,
}

/// What came of a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// It is there.
    Reached {
        /// The state, where the API says it.
        state: Option<MachineState>,
        /// The version that reached it, where the API says it.
        version: Option<InstanceId>,
    },
    /// Not in this time: look at your own deadline and wait again.
    NotYet {
        /// The API's words, with the state now.
        detail: String,
    },
}

impl Machines {
    pub(super) fn new(client: Client, app: AppName) -> Self {
        Self { client, app }
    }

    /// Makes a machine. Not idempotent: after [`crate::Delivery::Unknown`] list by a metadata entry of yours first.
    pub async fn create(&self, spec: &CreateMachine) -> Result<Machine, Error> {
        self.client.fetch(&wire::create_machine(&self.app, spec)).await
    }

    /// All machines that match, by id; follows the pages.
    pub async fn list(&self, query: &ListMachines) -> Result<Vec<Machine>, Error> {
        let call = wire::list_machines(&self.app, query);
        let read = |client: &Client, call: &_, reply: &Reply| {
            let page: Option<Vec<Machine>> = client.read(call, reply)?;
            Ok((page.unwrap_or_default(), reply.next_cursor.clone()))
        };
        let mut machines = self.client.pages(&call, read).await?;
        machines.sort_by(|a, b| a.id.cmp(&b.id));
        machines.dedup_by(|a, b| a.id == b.id);
        Ok(machines)
    }

    /// One machine; destroyed ones stay readable for a while.
    pub async fn get(&self, id: &MachineId) -> Result<Machine, Error> {
        self.client.fetch(&wire::get_machine(&self.app, id, false)).await
    }

    /// One machine with who holds its lease.
    pub async fn get_with_lease(&self, id: &MachineId) -> Result<Machine, Error> {
        self.client.fetch(&wire::get_machine(&self.app, id, true)).await
    }

    /// Replaces the configuration. Answers when the new version is recorded, while the machine may still be changing: wait with the
    /// version that is returned. Not idempotent.
    pub async fn update(
        &self,
        id: &MachineId,
        spec: &UpdateMachine,
        lease: Option<&str>,
    ) -> Result<Machine, Error> {
        self.client.fetch(&wire::update_machine(&self.app, id, spec, lease)).await
    }

    /// Starts it; while it is being replaced the answer is [`super::ErrorKind::Precondition`]. Not repeated when in doubt.
    pub async fn start(&self, id: &MachineId, lease: Option<&str>) -> Result<StartReply, Error> {
        self.client.fetch(&wire::start_machine(&self.app, id, lease)).await
    }

    /// Stops it; answers before it has stopped. Not repeated when in doubt.
    pub async fn stop(&self, id: &MachineId, how: &StopMachine, lease: Option<&str>) -> Result<(), Error> {
        self.client.send(&wire::stop_machine(&self.app, id, how, lease)).await.map(drop)
    }

    /// The edge sends it no new requests; edges learn of it after a while. Not repeated when in doubt.
    pub async fn cordon(&self, id: &MachineId, lease: Option<&str>) -> Result<(), Error> {
        self.client.send(&wire::cordon_machine(&self.app, id, lease)).await.map(drop)
    }

    /// The edge sends it requests again; edges learn of it after a while. Not repeated when in doubt.
    pub async fn uncordon(&self, id: &MachineId, lease: Option<&str>) -> Result<(), Error> {
        self.client.send(&wire::uncordon_machine(&self.app, id, lease)).await.map(drop)
    }

    /// Waits at most a minute. "Not yet" is a value; a machine that is gone is [`super::ErrorKind::NotFound`].
    pub async fn wait(&self, id: &MachineId, wait: &WaitMachine) -> Result<Wait, Error> {
        let call = wire::wait_machine(&self.app, id, wait);
        let reply = self.client.send(&call).await?;
        if reply.status.as_u16() == 408 {
            let detail = decode::said(&reply.body).0.unwrap_or_default();
            return Ok(Wait::NotYet { detail });
        }
        let outcome: WaitOutcome = self.client.read(&call, &reply)?;
        Ok(if outcome.ok {
            Wait::Reached { state: outcome.state, version: outcome.version }
        } else {
            Wait::NotYet { detail: "the answer was not ok".to_owned() }
        })
    }

    /// Destroys it; a running one needs `force`. One that is gone is [`super::ErrorKind::NotFound`], which is what was wanted.
    pub async fn destroy(&self, id: &MachineId, force: bool, lease: Option<&str>) -> Result<(), Error> {
        self.client.send(&wire::destroy_machine(&self.app, id, force, lease)).await.map(drop)
    }

    /// What happened to it, newest first; `limit` 1 to 50.
    pub async fn events(&self, id: &MachineId, limit: u8) -> Result<Vec<MachineEvent>, Error> {
        let events: Option<_> = self.client.fetch(&wire::machine_events(&self.app, id, limit)).await?;
        Ok(events.unwrap_or_default())
    }
}
