//! The isolated runtime (Linux): the image as `/`, own pid, mount, IPC and host-name namespaces, the host's network
//! with an address of its own for unmodified servers.
//!
//! Each machine writes into a layer of its own, which ends with it; the unpacked image is shared and never changed.
//! The port range below `ip_unprivileged_port_start` is not an unprivileged user's to bind: there, port 80 of a machine
//! is port 20080 of its address, as [`Cell::endpoints`] says.

use std::{collections::BTreeMap, io, net::SocketAddr};

use async_trait::async_trait;

use super::{
    Cell, CellStatus, Launch, LaunchError, Runtime, RuntimeKind, ending, launching, silence, status,
};
use crate::shim::{Mode, Rooting, Shim, Spec};

/// See the module.
#[derive(Debug)]
pub(super) struct Isolated {
    pub(super) shim: Shim,
    pub(super) why: String,
    pub(super) rooting: Rooting,
    pub(super) low_ports: u16,
}

#[async_trait]
impl Runtime for Isolated {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Isolated
    }

    fn why(&self) -> &str {
        &self.why
    }

    async fn launch(&self, launch: &Launch) -> Result<Cell, LaunchError> {
        launching::launch(&self.shim, self.kind(), launch, self.spec(launch)).await
    }

    fn status(&self, launch: &Launch, cell: &Cell) -> CellStatus {
        status(launch, cell)
    }

    fn signal(&self, cell: &Cell, signal: i32) -> io::Result<()> {
        ending::signal(self.kind(), cell, signal)
    }

    async fn kill(&self, cell: &Cell) -> io::Result<()> {
        let cell = cell.clone();
        tokio::task::spawn_blocking(move || ending::end(&cell)).await.map_err(io::Error::other)?
    }

    fn explain_silence(&self, launch: &Launch, cell: &Cell) -> Option<LaunchError> {
        silence::explain(self.kind(), launch, cell)
    }
}

impl Isolated {
    fn spec(&self, launch: &Launch) -> Spec {
        let endpoint = |port| SocketAddr::from((launch.address, Spec::host_port(port, self.low_ports)));
        let endpoints: BTreeMap<u16, SocketAddr> =
            launch.ports.iter().map(|port| (*port, endpoint(*port))).collect();
        Spec {
            id: launch.id.clone(),
            dir: launch.dir.clone(),
            argv: launch.argv.clone(),
            env: launch.env.clone(),
            cwd: launch.cwd.clone(),
            endpoints,
            mode: Mode::Isolated {
                rootfs: launch.rootfs.clone(),
                address: launch.address,
                rooting: self.rooting,
                low_ports: self.low_ports,
                probe: None,
            },
        }
    }
}
