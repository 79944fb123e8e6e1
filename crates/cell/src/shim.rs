//! The small process between a cell and the rest of the machine.
//!
//! A launcher starts its own executable again with [`ARGUMENT`]: that process (the *starter*) forks the cell's
//! *supervisor*, waits until the program runs, tells the launcher, and ends. The supervisor belongs to nobody: it
//! outlives the launcher, watches the program, writes the exit record, and takes the tree with it when it ends.
//!
//! ```text
//! launcher ── starter ── supervisor ── (isolated: init, number 1 of its pid namespace) ── program ── …
//! ```

mod failure;
mod plain;
mod program;
mod spec;
mod start;
mod stdio;

#[cfg(target_os = "linux")]
mod bind;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod init;
#[cfg(target_os = "linux")]
mod isolated;
#[cfg(target_os = "linux")]
mod requests;

use std::{ffi::OsString, io, path::PathBuf};

pub(crate) use spec::{Answer, Mode, Rooting, Spec};

/// The first argument that makes a binary a shim.
pub const ARGUMENT: &str = "__cell";

/// How to start a shim: an executable that calls [`intercept`], and the arguments that lead there.
#[derive(Debug, Clone)]
pub struct Shim {
    /// The executable.
    pub exe: PathBuf,
    /// Its arguments; more are put behind them.
    pub args: Vec<String>,
}

impl Shim {
    /// This very executable, which calls [`intercept`].
    ///
    /// # Errors
    /// The system does not tell which executable runs.
    pub fn current() -> io::Result<Self> {
        let exe = if cfg!(target_os = "linux") {
            // Also right after the file was replaced by a newer build.
            PathBuf::from("/proc/self/exe")
        } else {
            std::env::current_exe()?
        };
        Ok(Self { exe, args: vec![ARGUMENT.to_owned()] })
    }
}

/// Becomes the shim, and does not come back, when this process was started as one; else does nothing.
///
/// Call it first thing in `main`, before any thread is started (a runtime, a logger): the shim forks.
pub fn intercept() {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == ARGUMENT) {
        main(args)
    }
}

/// The shim itself. What to do comes on standard input; the arguments are for people who list processes.
pub fn main(_args: impl Iterator<Item = OsString>) -> ! {
    start::run()
}
