//! A server that ends with the test, whatever ends that.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Waits for the end of its input, which is the end of the test, and takes the server down.
const GUARD: &str = r#"signal=$1; log=$2; shift 2; "$@" >>"$log" 2>&1 </dev/null & pid=$!; cat >/dev/null; kill -s "$signal" $pid; wait $pid"#;

/// A server under guard.
#[derive(Debug)]
pub(super) struct Server(Child);

impl Server {
    /// Starts `command` in `dir`; `signal` ends it at once. What it says goes to `dir`/`log`.
    pub(super) fn start(dir: &Path, log: &str, signal: &str, command: &[&str]) -> Self {
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, "guard", signal]).arg(dir.join(log)).args(command);
        guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        as_nobody(&mut guard, dir);
        Self(guard.spawn().expect("a shell"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Runs in `dir`, and not as root, which both servers refuse to be.
pub(super) fn as_nobody(command: &mut Command, dir: &Path) {
    command.current_dir(dir);
    if let Some((user, group)) = other() {
        command.uid(user).gid(group);
    }
}

/// Gives `path` to whom the servers run as.
pub(super) fn give(path: &Path) {
    if let Some((user, group)) = other() {
        chown(path, Some(user), Some(group)).expect("root may give files away");
    }
}

/// Whom to run as when we are root: the packages' own user, else nobody.
fn other() -> Option<(u32, u32)> {
    // A new file belongs to whoever we are.
    let probe = tempfile::tempfile().expect("a temporary file");
    if probe.metadata().expect("its owner").uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("users");
    let of = |name: &str| {
        let line = users.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let mut fields = line.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    Some(of("postgres").or_else(|| of("nobody")).expect("a user that is not root"))
}

/// A port on loopback that nobody has right now.
pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    listener.local_addr().expect("its address").port()
}
