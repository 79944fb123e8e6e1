//! What the tests share: images of this crate's own small server, addresses, requests, waiting.

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, Instant},
};

use cell::{
    image::Tree,
    runtime::{Launch, Runtime, RuntimeKind, choose, recorded},
    shim::Shim,
};
use tempfile::TempDir;

/// Far more than anything here takes, also on a machine that builds other things meanwhile.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Where the shim is, for a copy of these tests that runs as another user.
pub(crate) const SHIM_VARIABLE: &str = "CELL_TEST_SHIM";

pub(crate) fn shim_path() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "the tests' own channel to their copy under another user")]
    let given = std::env::var_os(SHIM_VARIABLE);
    given.map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_cell-shim")), PathBuf::from)
}

pub(crate) fn shim() -> Shim {
    Shim { exe: shim_path(), args: vec![cell::shim::ARGUMENT.to_owned()] }
}

pub(crate) fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "tests of real processes wait for real time")]
    Instant::now()
}

/// The runtime, or `None` after saying why it cannot be tried here.
pub(crate) fn runtime(kind: RuntimeKind) -> Option<Box<dyn Runtime>> {
    match choose(Some(kind), shim()) {
        Ok(runtime) => Some(runtime),
        Err(error) => {
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            println!("not run: {error} ({source})");
            assert_eq!(kind, RuntimeKind::Isolated, "the plain runtime works anywhere");
            None
        }
    }
}

/// An address that no other test of this process has, and hardly one of another process.
pub(crate) fn address() -> Ipv4Addr {
    static N: AtomicU8 = AtomicU8::new(102);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, N.fetch_add(1, Ordering::Relaxed), high, low)
}

/// A directory with an unpacked image of the small server and a place for machines.
pub(crate) struct World {
    pub(crate) dir: TempDir,
}

impl World {
    pub(crate) fn new(with: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut tree = Tree::new();
        tree.add_program(&shim_path(), "/usr/local/bin/server").unwrap();
        for program in with {
            tree.add_program(Path::new(program), program).unwrap();
        }
        tree.add_bytes("/etc/motd", b"of the image".to_vec(), false);
        tree.write_to(&dir.path().join("rootfs")).unwrap();
        Self { dir }
    }

    pub(crate) fn rootfs(&self) -> PathBuf {
        self.dir.path().join("rootfs")
    }

    /// A machine that runs this, with `internal_port` 8080 on an address of its own.
    pub(crate) fn machine(&self, id: &str, argv: &[&str]) -> Launch {
        let dir = self.dir.path().join(id);
        std::fs::create_dir_all(&dir).unwrap();
        Launch {
            id: id.to_owned(),
            dir,
            rootfs: self.rootfs(),
            image: "test/server".to_owned(),
            argv: argv.iter().map(|arg| (*arg).to_owned()).collect(),
            env: BTreeMap::from([("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())]),
            cwd: "/".to_owned(),
            address: address(),
            ports: vec![8080],
        }
    }

    /// A server in the way that this runtime needs it.
    pub(crate) fn server(&self, kind: RuntimeKind, id: &str) -> Launch {
        match kind {
            RuntimeKind::Isolated => self.machine(id, &["server", "serve", "0.0.0.0:8080", id]),
            RuntimeKind::Plain => self.machine(id, &["server", "serve-env", id]),
        }
    }
}

impl Drop for World {
    /// A failed test leaves no machines behind: each ends with its supervisor.
    fn drop(&mut self) {
        let machines = std::fs::read_dir(self.dir.path()).into_iter().flatten().flatten();
        for cell in machines.filter_map(|machine| recorded(&machine.path())) {
            let words = std::fs::read(format!("/proc/{}/cmdline", cell.pid)).unwrap_or_default();
            if String::from_utf8_lossy(&words).contains(cell::shim::ARGUMENT) {
                drop(Command::new("kill").args(["-9", &cell.pid.to_string()]).status());
            }
        }
    }
}

pub(crate) fn log(launch: &Launch) -> String {
    std::fs::read_to_string(launch.dir.join("log")).unwrap_or_default()
}

/// Waits for a condition that must come true.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A GET and the body of its answer.
pub(crate) fn get(endpoint: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&endpoint, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // At once: the small server reads once.
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    body.ok_or_else(|| io::Error::other(format!("no HTTP: {answer:?}")))
}

pub(crate) fn answers(launch: &Launch, endpoint: SocketAddr) -> String {
    eventually(&format!("{} answers on {endpoint}; its log: {}", launch.id, log(launch)), || {
        get(endpoint, "/").ok()
    })
}
