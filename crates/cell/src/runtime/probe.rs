//! Tries what the kernel permits by really doing it: a cell without image whose program is a server in miniature.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use super::{
    RuntimeKind, ending,
    launching::{self, Refusal},
};
use crate::{
    clock::Deadline,
    shim::{Mode, Rooting, Shim, Spec},
};

/// How long the server in miniature may take to listen, on a machine that is busy with other things.
const LISTENS_MAX: Duration = Duration::from_secs(8);
/// A directory that is gone when this is.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        static N: AtomicU32 = AtomicU32::new(0);
        let n = N.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("cell-probe-{}-{n}", std::process::id()));
        fs::create_dir_all(path.join("rootfs"))?;
        fs::create_dir_all(path.join("machine"))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Does an isolated cell work in this way?
pub(super) fn isolated(shim: &Shim, rooting: Rooting) -> Result<(), Refusal> {
    let refuse = |step: &str| {
        let step = step.to_owned();
        move |source| Refusal { step, source }
    };
    let scratch = Scratch::new().map_err(refuse("make a directory for the probe"))?;
    let endpoint = free_endpoint().map_err(refuse("find a free port"))?;
    let spec = spec(&scratch.0, endpoint, rooting);
    let cell = launching::start(shim, RuntimeKind::Isolated, "probe", &spec)?;
    let reached = reach(endpoint);
    let ended = ending::end(&cell);
    reached.map_err(refuse("rewrite an address by seccomp notification"))?;
    ended.map_err(refuse("end the probe"))
}

fn spec(scratch: &Path, endpoint: SocketAddrV4, rooting: Rooting) -> Spec {
    Spec {
        id: "probe".to_owned(),
        dir: scratch.join("machine"),
        argv: Vec::new(),
        env: BTreeMap::new(),
        cwd: "/".to_owned(),
        endpoints: BTreeMap::new(),
        mode: Mode::Isolated {
            rootfs: scratch.join("rootfs"),
            address: *endpoint.ip(),
            rooting,
            low_ports: 0,
            probe: Some(endpoint.port()),
        },
    }
}

/// An address of this process alone, and a port that is free there.
fn free_endpoint() -> io::Result<SocketAddrV4> {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, 100 | high & 1, middle, low);
    let port = TcpListener::bind((address, 0))?.local_addr()?.port();
    Ok(SocketAddrV4::new(address, port))
}

fn reach(endpoint: SocketAddrV4) -> io::Result<()> {
    let deadline = Deadline::after(LISTENS_MAX);
    loop {
        match TcpStream::connect(endpoint) {
            Ok(_) => return Ok(()),
            Err(error) if deadline.is_over() => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}
