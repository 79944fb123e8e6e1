//! Signals to a cell's program, and the end of its whole tree.

use std::{io, thread, time::Duration};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use super::{Cell, RuntimeKind, is_running};
use crate::{clock::Deadline, procfs};

/// After this long the supervisor, which should have ended by itself, is killed too.
const SUPERVISOR_MAX: Duration = Duration::from_secs(5);
/// How long the end may take altogether.
const END_MAX: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Sends a signal to the program itself: the eldest below the supervisor (plain) or below the init (isolated).
pub(super) fn signal(kind: RuntimeKind, cell: &Cell, signal: i32) -> io::Result<()> {
    let gone = || io::Error::new(io::ErrorKind::NotFound, "the program has ended");
    let signal = Signal::try_from(signal)?;
    if !is_running(cell) {
        return Err(gone());
    }
    if !cfg!(target_os = "linux") {
        return killpg(pid(cell.pid)?, signal).map_err(io::Error::from);
    }
    let below = procfs::eldest_child(cell.pid).ok_or_else(gone)?;
    let program = match kind {
        RuntimeKind::Plain => below,
        RuntimeKind::Isolated => procfs::eldest_child(below.pid).ok_or_else(gone)?,
    };
    kill(pid(program.pid)?, signal).map_err(io::Error::from)
}

/// Kills all below the supervisor until nothing is left. The supervisor then writes the exit record and ends.
pub(super) fn end(cell: &Cell) -> io::Result<()> {
    let (patience, deadline) = (Deadline::after(SUPERVISOR_MAX), Deadline::after(END_MAX));
    while is_running(cell) {
        if !cfg!(target_os = "linux") {
            // Without /proc the tree is the supervisor's process group.
            let _ = killpg(pid(cell.pid)?, Signal::SIGKILL);
        }
        for victim in procfs::descendants(cell.pid) {
            let _ = kill(pid(victim.pid)?, Signal::SIGKILL);
        }
        if patience.is_over() {
            let _ = kill(pid(cell.pid)?, Signal::SIGKILL);
        }
        if deadline.is_over() {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("process {} does not end", cell.pid),
            ));
        }
        thread::sleep(LOOK_AGAIN);
    }
    end_orphans(cell, deadline)
}

/// A supervisor that was killed from outside could not end its tree. Of a plain cell's tree the session is left to
/// know it by: no new process gets the session's number while one of it lives.
fn end_orphans(cell: &Cell, deadline: Deadline) -> io::Result<()> {
    if procfs::stat(cell.pid).is_some_and(|stat| stat.started != cell.started_ticks) {
        return Ok(());
    }
    loop {
        let left: Vec<_> = procfs::of_session(cell.pid)
            .into_iter()
            .filter(|stat| stat.pid != cell.pid && stat.started >= cell.started_ticks)
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        for victim in &left {
            let _ = kill(pid(victim.pid)?, Signal::SIGKILL);
        }
        if deadline.is_over() {
            let why = format!("{} processes of it do not end", left.len());
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        thread::sleep(LOOK_AGAIN);
    }
}

fn pid(number: u32) -> io::Result<Pid> {
    i32::try_from(number).map(Pid::from_raw).map_err(io::Error::other)
}
