//! Number 1 of a cell's pid namespace: makes the cell's file system, starts the program, reaps, and ends with it. The
//! kernel then ends all others in the namespace.

use std::{
    convert::Infallible,
    fs, io,
    net::{Ipv4Addr, TcpListener},
    os::fd::{AsRawFd as _, OwnedFd},
    path::Path,
};

use nix::{
    sys::{
        prctl,
        signal::Signal,
        socket::{ControlMessage, MsgFlags, sendmsg},
        wait::{WaitStatus, wait},
    },
    unistd::{Gid, Pid, Uid, chdir, read, sethostname, setsid},
};

use super::{
    failure::{Failure, Report, Step as _},
    files, program,
    spec::{Mode, Rooting, Spec},
};
use crate::sys::{
    Fork, close_all_on_exec, drop_bounding_capability, exit_now, fork, install, restore_signals,
};

/// What a program of a real root keeps (capabilities(7)): what servers use, nothing that reaches the host. In a user
/// namespace none of them means anything outside, and all are kept.
const CAPABILITIES: [u32; 12] = [
    0,  // CHOWN
    1,  // DAC_OVERRIDE
    3,  // FOWNER
    4,  // FSETID
    5,  // KILL
    6,  // SETGID
    7,  // SETUID
    8,  // SETPCAP
    10, // NET_BIND_SERVICE
    13, // NET_RAW
    18, // SYS_CHROOT
    31, // SETFCAP
];
/// More than any kernel has.
const CAPABILITY_MAX: u32 = 63;

/// A probe that nobody asks ends by itself.
const PROBE_SECONDS_MAX: u32 = 10;

/// What the init knows from outside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inside<'a> {
    pub(super) spec: &'a Spec,
    pub(super) rootfs: &'a Path,
    pub(super) rooting: Rooting,
    /// The machine's own copy of the image, where there is no overlay.
    pub(super) copy: Option<&'a Path>,
    pub(super) uid: Uid,
    pub(super) gid: Gid,
}

pub(super) fn run(inside: Inside<'_>, control: OwnedFd, report: &mut Report) -> ! {
    match begin(&inside, &control, report) {
        Ok(program) => {
            // Copies in this process would keep the starter waiting.
            report.close();
            drop(control);
            reap(program)
        }
        Err(failure) => {
            report.failed(failure);
            exit_now(127)
        }
    }
}

fn begin(inside: &Inside<'_>, control: &OwnedFd, report: &mut Report) -> Result<Pid, Failure> {
    prctl::set_pdeathsig(Signal::SIGKILL).step("tie the tree to its supervisor")?;
    // Only after this the supervisor's end is sure to be noticed: by the signal, or here by the closed socket.
    if read(control, &mut [0u8]).step("wait for the supervisor")? == 0 {
        exit_now(137);
    }
    if inside.rooting.user_namespace {
        map_ids(inside.uid, inside.gid)?;
    }
    sethostname(&inside.spec.id).step("set the host name")?;
    files::enter(inside)?;
    let _ = prctl::set_name(c"cell-init");
    prctl::set_dumpable(false).step("hide the init from the program")?;
    match fork().step("fork the program")? {
        Fork::Parent(program) => Ok(program),
        Fork::Child => {
            let Err(failure) = become_program(inside, control, report);
            report.failed(failure);
            exit_now(127)
        }
    }
}

/// The user outside is root inside, and there is nobody else (user_namespaces(7)).
fn map_ids(uid: Uid, gid: Gid) -> Result<(), Failure> {
    fs::write("/proc/self/setgroups", "deny").step("give up setgroups")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1")).step("map the user")?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1")).step("map the group")
}

fn become_program(
    inside: &Inside<'_>,
    control: &OwnedFd,
    report: &mut Report,
) -> Result<Infallible, Failure> {
    let spec = inside.spec;
    setsid().step("make a session")?;
    restore_signals().step("reset the signals")?;
    if !inside.rooting.user_namespace {
        for capability in (0..=CAPABILITY_MAX).filter(|number| !CAPABILITIES.contains(number)) {
            drop_bounding_capability(capability).step("drop capabilities")?;
        }
    }
    prctl::set_no_new_privs().step("give up new privileges")?;
    let cwd = if spec.cwd.is_empty() { "/" } else { &spec.cwd };
    fs::create_dir_all(cwd).step(format!("make the working directory `{cwd}`"))?;
    chdir(cwd).step(format!("change into `{cwd}`"))?;
    close_all_on_exec();
    let listener = install().step("install the seccomp filter")?;
    let descriptors = [listener.as_raw_fd()];
    let parts = [io::IoSlice::new(b"!")];
    let message = [ControlMessage::ScmRights(&descriptors)];
    sendmsg::<()>(control.as_raw_fd(), &parts, &message, MsgFlags::empty(), None)
        .step("hand over the filter")?;
    drop(listener);
    match spec.mode {
        Mode::Isolated { probe: Some(port), address, .. } => answer_probe(address, port, report),
        _ => program::execute(&spec.argv, &spec.env),
    }
}

/// The probe's program: an unmodified server in miniature, which looks whether its address was rewritten.
fn answer_probe(address: Ipv4Addr, port: u16, report: &mut Report) -> Result<Infallible, Failure> {
    nix::unistd::alarm::set(PROBE_SECONDS_MAX);
    // As a program is after `execve`.
    prctl::set_dumpable(true).step("show the probe to its supervisor")?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).step("listen under the filter")?;
    let bound = listener.local_addr().step("look at the rewritten address")?;
    if bound.ip() != address {
        let why = io::Error::other(format!("it became {bound} and not {address}"));
        return Err(Failure::new("rewrite an address by seccomp notification", why));
    }
    // No program replaces this process and closes the pipe by that.
    report.close();
    drop(listener.accept());
    exit_now(0)
}

fn reap(program: Pid) -> ! {
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, code)) if pid == program => exit_now(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == program => exit_now(128 + signal as i32),
            Err(nix::errno::Errno::ECHILD) => exit_now(1),
            _ => {}
        }
    }
}
