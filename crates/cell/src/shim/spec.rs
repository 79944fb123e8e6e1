//! What a launcher tells a shim (JSON on its standard input) and what it answers (one line of JSON).

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use crate::runtime::Cell;

/// The whole order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) id: String,
    pub(crate) dir: PathBuf,
    pub(crate) argv: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) cwd: String,
    pub(crate) endpoints: BTreeMap<u16, SocketAddr>,
    pub(crate) mode: Mode,
}

/// Which kind of cell.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// The host's files and network: `argv[0]` and `cwd` are paths of the host.
    Plain,
    /// Own namespaces.
    Isolated {
        /// The unpacked image.
        rootfs: PathBuf,
        /// The machine's address, which takes the place of "any" and "this host".
        address: Ipv4Addr,
        /// What works here.
        rooting: Rooting,
        /// Ports below this one are not ours to bind; they are moved up by [`Spec::LOW_PORTS_UP`].
        low_ports: u16,
        /// No program: listen on this port, answer once, and end.
        probe: Option<u16>,
    },
}

/// The two ways in which kernels differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rooting {
    /// Inside a user namespace of its own (needed when unprivileged).
    pub(crate) user_namespace: bool,
    /// The image under a writable layer in memory; else a copy of the image in the machine's directory.
    pub(crate) overlay: bool,
}

/// What the launcher reads.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// The program runs.
    Started(Cell),
    /// It does not; the number is the system's (`errno`), if it was the system that refused.
    Failed {
        /// What was being done.
        step: String,
        /// The system's error number.
        errno: Option<i32>,
        /// What else is known.
        text: String,
    },
}

impl Spec {
    /// Where privileged ports go: 80 becomes 20080.
    pub(crate) const LOW_PORTS_UP: u16 = 20_000;

    /// The port on the machine's address that stands for a port of the program.
    pub(crate) fn host_port(port: u16, low_ports: u16) -> u16 {
        if port != 0 && port < low_ports { port.saturating_add(Self::LOW_PORTS_UP) } else { port }
    }
}
