//! The runtime port: how a machine becomes a tree of processes.

mod choose;
mod ending;
mod isolated;
mod launching;
mod plain;
mod probe;
mod silence;

use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use choose::{ChooseError, choose};

use crate::{procfs, record};

/// What to start: an unpacked image and the process in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Launch {
    /// Names the machine in messages and process titles.
    pub id: String,
    /// The machine's own directory: log (`log`), process record, exit record. Exists; belongs to the caller.
    pub dir: PathBuf,
    /// The image's file system, unpacked. Never written by the runtime itself.
    pub rootfs: PathBuf,
    /// Names the image in refusals.
    pub image: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The whole environment; nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// Working directory inside the image; `/` when empty.
    pub cwd: String,
    /// The machine's own loopback address.
    pub address: Ipv4Addr,
    /// The ports the program is expected to listen on (`internal_port`s).
    pub ports: Vec<u16>,
}

/// A started process tree, as it is kept on disk so that a later process can adopt it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The outermost process of the tree.
    pub pid: u32,
    /// Its start time in clock ticks since boot (`/proc/PID/stat` field 22), so that a reused pid is noticed.
    pub started_ticks: u64,
    /// internal port → where it can be reached on this host.
    pub endpoints: BTreeMap<u16, SocketAddr>,
}

/// What became of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CellStatus {
    /// Its first process is alive.
    Running,
    /// It ended with this exit code (128 + signal when a signal ended it).
    Exited {
        /// The exit code.
        code: i32,
    },
    /// It is gone and left no exit record (the machine lost power, or somebody killed the whole tree).
    Lost,
}

/// Which runtime, for people and for `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuntimeKind {
    /// Own root, own pid and mount namespaces, own address for unmodified servers (Linux).
    Isolated,
    /// The host's network and files; the program must honour `PORT` and `HOST`.
    Plain,
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Isolated => "isolated",
            Self::Plain => "plain",
        })
    }
}

/// Why a machine could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// The operating system refused a step.
    #[error("cannot start `{id}`: {step}")]
    System {
        /// The machine.
        id: String,
        /// What was being done.
        step: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The image cannot run on this runtime.
    #[error("image `{image}` cannot run here: {why}")]
    Refused {
        /// The image.
        image: String,
        /// What it would have to honour.
        why: String,
    },
}

/// Starts, watches and ends cells. Cells outlive the process that started them.
#[async_trait]
pub trait Runtime: fmt::Debug + Send + Sync + 'static {
    /// Which runtime this is.
    fn kind(&self) -> RuntimeKind;
    /// Why this one was chosen, in one sentence for people.
    fn why(&self) -> &str;
    /// Starts a cell; returns as soon as its first process runs, not when it listens.
    async fn launch(&self, launch: &Launch) -> Result<Cell, LaunchError>;
    /// Looks at a cell, also one that another process started.
    fn status(&self, launch: &Launch, cell: &Cell) -> CellStatus;
    /// Sends a signal (a number, as in `kill(1)`) to the cell's program.
    fn signal(&self, cell: &Cell, signal: i32) -> std::io::Result<()>;
    /// Ends the whole tree at once; success when nothing of it is left.
    async fn kill(&self, cell: &Cell) -> std::io::Result<()>;
    /// After the program should have come up: does it listen where this runtime needs it? Called by the owner
    /// once the start-up time is over and no endpoint answers; an image that ignores `PORT` or `HOST` on the
    /// plain runtime is refused here by name.
    fn explain_silence(&self, launch: &Launch, cell: &Cell) -> Option<LaunchError>;
}

/// The cell that was last started in a machine's directory, running or not. The cell's own supervisor writes it down
/// before the program runs, so that a launcher that died meanwhile leaves nothing unknown behind.
#[must_use]
pub fn recorded(dir: &Path) -> Option<Cell> {
    record::read_cell(dir)
}

/// The same for both runtimes.
fn status(launch: &Launch, cell: &Cell) -> CellStatus {
    let exited = || record::read_exit(&launch.dir).map(|exit| CellStatus::Exited { code: exit.code });
    // In this order: whoever is seen alive may have ended, with its record written, right after the look.
    if is_running(cell) { CellStatus::Running } else { exited().unwrap_or(CellStatus::Lost) }
}

fn is_running(cell: &Cell) -> bool {
    procfs::stat(cell.pid).is_some_and(|stat| stat.is_alive() && stat.started == cell.started_ticks)
}
