//! The supervisor of an isolated cell. It stays in the host's namespaces: there it keeps the records, answers the
//! requests of the filter, and waits for the init of the cell's pid namespace, with which the whole tree ends.

use std::{
    fs, io,
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sched::CloneFlags,
    sys::{
        socket::{AddressFamily, SockFlag, SockType, socketpair},
        wait::{WaitStatus, waitpid},
    },
    unistd::{Pid, getegid, geteuid, write},
};

use super::{
    failure::{Failure, Report, Step as _},
    files,
    init::{self, Inside},
    requests::Requests,
    spec::{Mode, Rooting, Spec},
};
use crate::{
    procfs, record,
    runtime::Cell,
    sys::{Fork, clone_into, pidfd_open, receive_descriptor},
};

pub(super) fn supervise(spec: &Spec, mut report: Report) -> Result<(), (Failure, Report)> {
    match begin(spec, &mut report) {
        Ok(None) => Ok(()),
        Ok(Some(tree)) => {
            drop(report);
            let code = tree.watch();
            drop(record::write_exit(&spec.dir, code));
            if let Some(copy) = tree.copy {
                drop(fs::remove_dir_all(copy));
            }
            Ok(())
        }
        Err(failure) => Err((failure, report)),
    }
}

struct Tree {
    init: Pid,
    init_end: OwnedFd,
    listener: OwnedFd,
    requests: Requests,
    copy: Option<PathBuf>,
}

/// `None`: a process inside failed, and has said so itself.
fn begin(spec: &Spec, report: &mut Report) -> Result<Option<Tree>, Failure> {
    let Mode::Isolated { rootfs, address, rooting, low_ports, .. } = &spec.mode else {
        return Err(Failure::new("read the order", io::Error::other("it is for another runtime")));
    };
    let copy = if rooting.overlay { None } else { Some(copy(rootfs, &spec.dir)?) };
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .step("make a socket")?;
    let (uid, gid) = (geteuid(), getegid());
    let init = match clone_into(namespaces(*rooting)).step("make namespaces")? {
        Fork::Child => {
            drop(ours);
            init::run(
                Inside { spec, rootfs, rooting: *rooting, copy: copy.as_deref(), uid, gid },
                theirs,
                report,
            )
        }
        Fork::Parent(init) => init,
    };
    drop(theirs);
    let init_end = pidfd_open(init.as_raw().unsigned_abs()).step("watch the cell's init")?;
    write(&ours, b"!").step("let the cell's init go on")?;
    let Some(listener) = receive_descriptor(ours.as_fd()).step("receive the filter")? else {
        let _ = waitpid(init, None);
        return Ok(None);
    };
    let own = std::process::id();
    let started_ticks = procfs::stat(own).map_or(0, |stat| stat.started);
    let cell = Cell { pid: own, started_ticks, endpoints: spec.endpoints.clone() };
    record::write_cell(&spec.dir, &cell).step("write the process record")?;
    report.started(&cell);
    Ok(Some(Tree { init, init_end, listener, requests: Requests::new(*address, *low_ports), copy }))
}

fn namespaces(rooting: Rooting) -> CloneFlags {
    let mut flags = CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    flags.set(CloneFlags::CLONE_NEWUSER, rooting.user_namespace);
    flags
}

/// A copy of the image that the machine may change. File systems that can share blocks do.
fn copy(rootfs: &Path, dir: &Path) -> Result<PathBuf, Failure> {
    let to = dir.join("root");
    if to.exists() {
        fs::remove_dir_all(&to).step("remove the last copy of the image")?;
    }
    files::copy_tree(rootfs, &to).step("copy the image")?;
    Ok(to)
}

impl Tree {
    /// Answers requests until the init ended. The kernel lets it end only after all others of its namespace.
    fn watch(&self) -> i32 {
        let mut listening = true;
        loop {
            let mut fds = [
                PollFd::new(self.init_end.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.listener.as_fd(), PollFlags::POLLIN),
            ];
            let n = if listening { 2 } else { 1 };
            if poll(&mut fds[..n], PollTimeout::NONE).is_err() {
                continue;
            }
            let happened = |n: usize| fds[n].revents().unwrap_or(PollFlags::empty());
            if listening && happened(1).contains(PollFlags::POLLIN) {
                self.requests.answer_one(self.listener.as_fd());
            } else if listening && !happened(1).is_empty() {
                // Nobody under the filter is left.
                listening = false;
            }
            if happened(0).contains(PollFlags::POLLIN) {
                return match waitpid(self.init, None) {
                    Ok(WaitStatus::Exited(_, code)) => code,
                    Ok(WaitStatus::Signaled(_, signal, _)) => 128 + signal as i32,
                    _ => 1,
                };
            }
        }
    }
}
