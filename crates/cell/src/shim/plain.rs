//! The supervisor of a plain cell: the program is its child, and on Linux all that the program leaves behind becomes
//! its child too (`PR_SET_CHILD_SUBREAPER`), so that at the end nothing is missed. Elsewhere the tree is the process
//! group, and what leaves the group is not found again.

use std::{convert::Infallible, path::Path, thread, time::Duration};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill, killpg},
        wait::{WaitStatus, wait},
    },
    unistd::{Pid, chdir, getpgrp},
};

use super::{
    failure::{Failure, Report, Step as _},
    program,
    spec::Spec,
};
use crate::{
    clock::Deadline,
    procfs, record,
    runtime::Cell,
    sys::{Fork, exit_now, fork, restore_signals},
};

/// How long killed processes may take to vanish (one in an uninterruptible wait can take long).
const SWEEP_MAX: Duration = Duration::from_secs(5);

pub(super) fn supervise(spec: &Spec, mut report: Report) -> Result<(), (Failure, Report)> {
    match begin(spec, &mut report) {
        Ok(program) => {
            drop(report);
            let code = watch(program);
            if cfg!(target_os = "linux") {
                sweep(program);
                drop(record::write_exit(&spec.dir, code));
            } else {
                // There the supervisor is of the same group, and ends with it.
                drop(record::write_exit(&spec.dir, code));
                let _ = killpg(getpgrp(), Signal::SIGKILL);
            }
            Ok(())
        }
        Err(failure) => Err((failure, report)),
    }
}

fn begin(spec: &Spec, report: &mut Report) -> Result<Pid, Failure> {
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_child_subreaper(true).step("become the reaper of the tree")?;
    let own = std::process::id();
    let started_ticks = procfs::stat(own).map_or(0, |stat| stat.started);
    let cell = Cell { pid: own, started_ticks, endpoints: spec.endpoints.clone() };
    record::write_cell(&spec.dir, &cell).step("write the process record")?;
    match fork().step("fork the program")? {
        Fork::Child => {
            let Err(failure) = become_program(spec, own);
            report.failed(failure);
            exit_now(127)
        }
        Fork::Parent(program) => {
            report.started(&cell);
            Ok(program)
        }
    }
}

fn become_program(spec: &Spec, supervisor: u32) -> Result<Infallible, Failure> {
    #[cfg(target_os = "linux")]
    {
        nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0)).step("make a process group")?;
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).step("tie the program to its supervisor")?;
        if nix::unistd::getppid().as_raw().unsigned_abs() != supervisor {
            exit_now(137);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = supervisor;
    restore_signals().step("reset the signals")?;
    chdir(Path::new(&spec.cwd)).step(format!("change into `{}`", spec.cwd))?;
    program::execute(&spec.argv, &spec.env)
}

/// Reaps all that ends until the program has, and tells its exit code.
fn watch(program: Pid) -> i32 {
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, code)) if pid == program => return code,
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == program => return 128 + signal as i32,
            Err(Errno::ECHILD) => return 1,
            _ => {}
        }
    }
}

/// Ends all that the program left, also what made a session of its own.
fn sweep(program: Pid) {
    let _ = killpg(program, Signal::SIGKILL);
    let deadline = Deadline::after(SWEEP_MAX);
    loop {
        let left = procfs::descendants(std::process::id());
        for pid in left.iter().filter_map(|stat| i32::try_from(stat.pid).ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        while matches!(nix::sys::wait::waitpid(None, Some(nix::sys::wait::WaitPidFlag::WNOHANG)),
            Ok(status) if status != WaitStatus::StillAlive)
        {}
        if left.is_empty() || deadline.is_over() {
            return;
        }
        thread::sleep(Duration::from_millis(2));
    }
}
