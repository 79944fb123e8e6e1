//! Forking, and the state that a new program inherits.
#![expect(unsafe_code, reason = "fork, clone, _exit, prctl and signal dispositions have no safe wrappers")]

use std::io;

use nix::{
    sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, sigprocmask},
    unistd::{ForkResult, Pid},
};

use crate::procfs;

/// On which side of a fork this is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fork {
    /// The parent; here is the child's number.
    Parent(Pid),
    /// The child.
    Child,
}

/// A child that goes on with any code is only sound while there is one thread: others may hold locks.
fn one_thread() -> io::Result<()> {
    match procfs::own_threads() {
        1 => Ok(()),
        n => Err(io::Error::other(format!(
            "{n} threads run already: cell::shim::intercept must come first in main, before any thread"
        ))),
    }
}

/// Splits this process in two.
pub(crate) fn fork() -> io::Result<Fork> {
    one_thread()?;
    // SAFETY: this process has one thread (checked above), so no lock is held by a thread that the child lacks.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Fork::Parent(child)),
        ForkResult::Child => Ok(Fork::Child),
    }
}

/// Ends this process without running what its parent would run at its own end.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes any number and does not come back.
    unsafe { libc::_exit(code) }
}

/// The dispositions and the mask that a program expects: Rust ignores SIGPIPE, a shell what it puts into the background,
/// and a launcher may block signals.
pub(crate) fn restore_signals() -> io::Result<()> {
    for signal in Signal::iterator().filter(|signal| !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP)) {
        // SAFETY: the default disposition runs no code of ours.
        unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }?;
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    Ok(())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;

    use nix::{errno::Errno, sched::CloneFlags, unistd::Pid};

    use super::{Fork, one_thread};

    /// As [`super::fork`], with the child in new namespaces. The first one in a new pid namespace is its number 1.
    pub(crate) fn clone_into(namespaces: CloneFlags) -> io::Result<Fork> {
        one_thread()?;
        let flags = libc::c_long::from(namespaces.bits() | libc::SIGCHLD);
        let none: libc::c_long = 0;
        // SAFETY: without CLONE_VM and without a stack of its own the child goes on with a copy of everything, as
        // after fork; there is one thread (checked above). Zeroes are right in either architecture's argument order.
        let pid = unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) };
        match Errno::result(pid)? {
            0 => Ok(Fork::Child),
            pid => Ok(Fork::Parent(Pid::from_raw(i32::try_from(pid).map_err(io::Error::other)?))),
        }
    }

    /// Marks every descriptor from 3 on as not to be inherited by the next program. Kernels before 5.11 cannot; there
    /// only what was opened without `O_CLOEXEC` by others passes through.
    pub(crate) fn close_all_on_exec() {
        // SAFETY: the call changes flags of descriptors and touches no memory.
        unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    }

    /// Takes a capability away for good: no program started from here on can have it.
    pub(crate) fn drop_bounding_capability(capability: u32) -> io::Result<()> {
        let capability = libc::c_ulong::from(capability);
        // SAFETY: the call takes two numbers and touches no memory.
        let done = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        match Errno::result(done) {
            // Numbers beyond the kernel's last capability.
            Ok(_) | Err(Errno::EINVAL) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(target_os = "linux")]
pub(crate) use linux::{clone_into, close_all_on_exec, drop_bounding_capability};
