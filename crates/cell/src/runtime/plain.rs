//! The plain runtime (anywhere): the host's network and files. The program comes from the unpacked image, with the
//! image's own dynamic loader and libraries where it has them; `HOST` and `PORT` tell it where to listen.

mod resolve;

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use async_trait::async_trait;

use super::{
    Cell, CellStatus, Launch, LaunchError, Runtime, RuntimeKind, ending, launching, silence, status,
};
use crate::shim::{Mode, Shim, Spec};

/// See the module.
#[derive(Debug)]
pub(super) struct Plain {
    pub(super) shim: Shim,
    pub(super) why: String,
    pub(super) low_ports: u16,
}

#[async_trait]
impl Runtime for Plain {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Plain
    }

    fn why(&self) -> &str {
        &self.why
    }

    async fn launch(&self, launch: &Launch) -> Result<Cell, LaunchError> {
        launching::launch(&self.shim, self.kind(), launch, self.spec(launch)?).await
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

impl Plain {
    fn spec(&self, launch: &Launch) -> Result<Spec, LaunchError> {
        let endpoints = self.endpoints(launch)?;
        let mut env = launch.env.clone();
        if let Some(endpoint) = launch.ports.first().and_then(|port| endpoints.get(port)) {
            env.insert("HOST".to_owned(), endpoint.ip().to_string());
            env.insert("PORT".to_owned(), endpoint.port().to_string());
        }
        Ok(Spec {
            id: launch.id.clone(),
            dir: launch.dir.clone(),
            argv: resolve::argv(launch)?,
            env,
            cwd: resolve::cwd(launch),
            endpoints,
            mode: Mode::Plain,
        })
    }

    /// On Linux all of 127/8 is this host, so each machine keeps its ports on an address of its own. Elsewhere only
    /// 127.0.0.1 is sure to be there, so each port becomes a free one.
    fn endpoints(&self, launch: &Launch) -> Result<BTreeMap<u16, SocketAddr>, LaunchError> {
        let mut endpoints = BTreeMap::new();
        // Held until all are taken, so that no two are the same.
        let mut held = Vec::new();
        for port in &launch.ports {
            let endpoint = if cfg!(target_os = "linux") {
                SocketAddr::from((launch.address, Spec::host_port(*port, self.low_ports)))
            } else {
                let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| {
                    let address = free.local_addr()?;
                    held.push(free);
                    Ok(address)
                });
                free.map_err(|source| LaunchError::System {
                    id: launch.id.clone(),
                    step: "find a free port".to_owned(),
                    source,
                })?
            };
            endpoints.insert(*port, endpoint);
        }
        Ok(endpoints)
    }
}
