//! Which port belongs to what, kept over restarts so that a URL stays good.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::serve::BY_HOST;
use crate::{disk, error::StartError, ids};

/// Ports are drawn from here: below the range from which systems give ephemeral ports, so that no outgoing
/// connection takes one while the server is down.
const RANGE: std::ops::Range<u16> = 20_000..32_000;
/// Draws before giving up.
const DRAWS: usize = 200;
/// How long a port of an earlier listener is waited for, at most so many times.
const HANDED_DOWN: Duration = Duration::from_millis(20);
const HANDED_DOWN_TRIES: u32 = 25;

/// `API`, `REGISTRY`, `S3` and per region and app a port.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ports {
    #[serde(skip)]
    path: PathBuf,
    /// `region/app` → port; `/API`, `/registry` and `/S3` for the three servers.
    ports: BTreeMap<String, u16>,
}

impl Ports {
    /// Those of an earlier run, or none.
    pub(crate) fn load(path: &Path) -> Result<Self, StartError> {
        let mut ports = disk::load::<Self>(path)?.unwrap_or_default();
        ports.path = path.to_owned();
        Ok(ports)
    }

    /// Listens on the port of `region` and `app`.
    pub(crate) fn bind(&mut self, region: &str, app: &str) -> Result<(TcpListener, SocketAddr), StartError> {
        self.bind_at(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0), region, app)
    }

    /// Listens at `wanted`; port 0 is the port of the last run, or a new one.
    pub(crate) fn bind_at(
        &mut self,
        wanted: SocketAddr,
        region: &str,
        app: &str,
    ) -> Result<(TcpListener, SocketAddr), StartError> {
        let key = format!("{region}/{app}");
        let fixed = if wanted.port() == 0 { self.ports.get(&key).copied() } else { Some(wanted.port()) };
        let failed =
            |address: SocketAddr, source| StartError::Listen { address, what: what(region, app), source };
        let listener = match fixed {
            Some(port) => {
                let address = SocketAddr::new(wanted.ip(), port);
                listen_again(address).map_err(|e| failed(address, e))?
            }
            None => draw(wanted.ip()).map_err(|e| failed(wanted, e))?,
        };
        let address = listener.local_addr().map_err(|e| failed(wanted, e))?;
        if self.ports.insert(key, address.port()) != Some(address.port()) {
            disk::save(&self.path, self).map_err(|source| StartError::State {
                path: self.path.clone(),
                step: String::from("writing"),
                source,
            })?;
        }
        Ok((listener, address))
    }
}

/// For messages.
fn what(region: &str, app: &str) -> String {
    match (region, app) {
        ("", server) => server.to_owned(),
        (region, BY_HOST) => format!("edge of {region}"),
        (region, app) => format!("port of `{app}` on the edge of {region}"),
    }
}

fn draw(ip: IpAddr) -> io::Result<TcpListener> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..DRAWS {
        // That some ports come a little more often is nobody's loss.
        let n = u16::try_from(ids::chance() % u128::from(RANGE.end - RANGE.start)).unwrap_or_default();
        match listen(SocketAddr::new(ip, RANGE.start + n)) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Listens where somebody of ours has just stopped. A process that is being started has copies of all our sockets until it
/// becomes another program, and so a port may be in use for a moment after its listener is gone.
fn listen_again(address: SocketAddr) -> io::Result<TcpListener> {
    let mut tries = 0;
    loop {
        match listen(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries < HANDED_DOWN_TRIES => {
                tries += 1;
                std::thread::sleep(HANDED_DOWN);
            }
            listening => return listening,
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever is told that a name is free may take it at once, on the same address: also while a process that is being
    /// started has a copy of the old listener.
    #[test]
    fn a_port_that_is_held_for_a_moment_more_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let mut ports = Ports::load(&dir.path().join("ports.json")).unwrap();
        let (held, at) = ports.bind("fra", "web").unwrap();
        let holder = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(60));
            drop(held);
        });
        let (_listener, again) = ports.bind("fra", "web").unwrap();
        assert_eq!(again, at);
        holder.join().unwrap();
    }

    #[test]
    fn a_port_that_stays_taken_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let mut ports = Ports::load(&dir.path().join("ports.json")).unwrap();
        let (_held, at) = ports.bind("fra", "web").unwrap();
        let refused = ports.bind("fra", "web").unwrap_err().to_string();
        assert!(refused.contains(&at.to_string()) && refused.contains("`web`"), "{refused}");
    }
}
