//! The launcher's half of a start: an order to a shim, and its answer.

use std::{
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use super::{Cell, Launch, LaunchError, RuntimeKind, is_running, recorded};
use crate::{
    record,
    shim::{Answer, Shim, Spec},
};

/// Why a shim did not start a cell.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) step: String,
    pub(super) source: io::Error,
}

impl Refusal {
    fn new(step: impl Into<String>, source: io::Error) -> Self {
        Self { step: step.into(), source }
    }

    pub(super) fn into_error(self, id: &str) -> LaunchError {
        LaunchError::System { id: id.to_owned(), step: self.step, source: self.source }
    }
}

/// Starts a shim for this order, off the async threads.
pub(super) async fn launch(
    shim: &Shim,
    kind: RuntimeKind,
    launch: &Launch,
    spec: Spec,
) -> Result<Cell, LaunchError> {
    let (shim, image) = (shim.clone(), launch.image.clone());
    let started = tokio::task::spawn_blocking(move || start(&shim, kind, &image, &spec)).await;
    let refusal = match started {
        Ok(Ok(cell)) => return Ok(cell),
        Ok(Err(refusal)) => refusal,
        Err(error) => Refusal::new("wait for the shim", io::Error::other(error)),
    };
    Err(refusal.into_error(&launch.id))
}

/// Starts a shim and waits until the program runs.
pub(super) fn start(shim: &Shim, kind: RuntimeKind, image: &str, spec: &Spec) -> Result<Cell, Refusal> {
    if let Some(cell) = recorded(&spec.dir).filter(is_running) {
        let why = format!("process {} of an earlier start still runs in {}", cell.pid, spec.dir.display());
        return Err(Refusal::new("start it twice", io::Error::new(io::ErrorKind::AlreadyExists, why)));
    }
    record::clear(&spec.dir).map_err(|error| Refusal::new("clear the machine's directory", error))?;
    let order = serde_json::to_vec(spec).map_err(|error| Refusal::new("write the order", error.into()))?;
    let mut starter = Command::new(&shim.exe)
        .arg0("cell")
        .args(&shim.args)
        .args([kind.to_string().as_str(), spec.id.as_str(), image])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| Refusal::new(format!("start the shim `{}`", shim.exe.display()), error))?;
    // A starter that ended already is told by its missing answer.
    drop(starter.stdin.take().map(|mut stdin| stdin.write_all(&order)));
    let output = starter.wait_with_output().map_err(|error| Refusal::new("wait for the shim", error))?;
    match serde_json::from_slice(&output.stdout) {
        Ok(Answer::Started(cell)) => Ok(cell),
        Ok(Answer::Failed { step, errno, text }) => Err(Refusal::new(
            step,
            errno.map_or_else(|| io::Error::other(text), io::Error::from_raw_os_error),
        )),
        Err(_) => {
            let why = format!(
                "`{}` answers as no shim does: its main must call cell::shim::intercept first",
                shim.exe.display()
            );
            Err(Refusal::new("start the shim", io::Error::other(why)))
        }
    }
}

/// The first port that this user may bind: 0 for root, else as the kernel says (ip-sysctl, `ip_unprivileged_port_start`).
pub(super) fn low_ports() -> u16 {
    const DEFAULT: u16 = 1024;
    if nix::unistd::geteuid().is_root() {
        return 0;
    }
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    text.trim().parse().unwrap_or(DEFAULT)
}
