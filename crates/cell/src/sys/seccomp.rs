//! A seccomp filter that hands `bind` and `connect` to a supervisor (seccomp_unotify(2), Linux 5.5).
#![expect(unsafe_code, reason = "seccomp and its ioctls are bare system calls on C structures")]

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
};

use nix::{
    cmsg_space,
    errno::Errno,
    sys::socket::{ControlMessageOwned, MsgFlags, recvmsg},
};

/// `AUDIT_ARCH_X86_64`: `EM_X86_64`, 64 bits, little endian.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xC000_003E;
/// `AUDIT_ARCH_AARCH64`: `EM_AARCH64`, 64 bits, little endian.
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xC000_00B7;
/// No other architecture was tried: the filter then ends every program, and the probe says so.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCHITECTURE: u32 = 0;

/// `__X32_SYSCALL_BIT`: calls of x86-64's 32-bit variant carry other numbers.
const X32: u32 = 0x4000_0000;

/// Offsets in `struct seccomp_data`.
const DATA_NUMBER: u32 = 0;
const DATA_ARCHITECTURE: u32 = 4;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// What the supervisor is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notification {
    /// The request's number.
    pub(crate) id: u64,
    /// The thread that made the call, as this process numbers it.
    pub(crate) thread: u32,
    /// The call's number (`SYS_…`).
    pub(crate) call: libc::c_long,
    /// The call's arguments.
    pub(crate) args: [u64; 6],
}

/// What the caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The kernel does the call as it was made.
    Continue,
    /// The call is done, with success.
    Done,
    /// The call failed.
    Failed(Errno),
}

/// The program: foreign architectures end, io_uring (which could bind past this filter) is not there, `bind` and
/// `connect` ask, all else passes.
fn program() -> [libc::sock_filter; 11] {
    let statement = |code, k| libc::sock_filter { code, jt: 0, jf: 0, k };
    let jump = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
    let number = |call: libc::c_long| u32::try_from(call).expect("because call numbers are small");
    [
        statement(LOAD, DATA_ARCHITECTURE),
        jump(EQUAL, ARCHITECTURE, 1, 0),
        statement(RETURN, libc::SECCOMP_RET_KILL_PROCESS),
        statement(LOAD, DATA_NUMBER),
        jump(AT_LEAST, X32, 3, 0),
        jump(EQUAL, number(libc::SYS_bind), 3, 0),
        jump(EQUAL, number(libc::SYS_connect), 2, 0),
        jump(EQUAL, number(libc::SYS_io_uring_setup), 0, 2),
        statement(RETURN, libc::SECCOMP_RET_ERRNO | Errno::ENOSYS as u32),
        statement(RETURN, libc::SECCOMP_RET_USER_NOTIF),
        statement(RETURN, libc::SECCOMP_RET_ALLOW),
    ]
}

/// Puts the filter on this process and all that it starts; the descriptor is for the supervisor.
pub(crate) fn install() -> io::Result<OwnedFd> {
    let mut filter = program();
    let length = u16::try_from(filter.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: filter.as_mut_ptr() };
    // SAFETY: the kernel copies the program, which lives until after the call.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::c_ulong::from(libc::SECCOMP_SET_MODE_FILTER),
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    let fd = RawFd::try_from(Errno::result(fd)?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

impl Notification {
    /// The next request. `None` when its thread is gone already.
    pub(crate) fn next(listener: BorrowedFd<'_>) -> io::Result<Option<Self>> {
        // SAFETY: all-zero bytes are a valid value of this C structure, and the kernel wants them so.
        let mut raw: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the structure is the one that this ioctl fills.
        let done = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut raw) };
        match Errno::result(done) {
            Ok(_) => {}
            Err(Errno::ENOENT | Errno::EINTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let call = libc::c_long::from(raw.data.nr);
        Ok(Some(Self { id: raw.id, thread: raw.pid, call, args: raw.data.args }))
    }

    /// Does the caller still wait? What was looked up by its thread's number before this is then about the caller.
    pub(crate) fn is_waiting(&self, listener: BorrowedFd<'_>) -> bool {
        // SAFETY: the ioctl reads one u64.
        let done = unsafe {
            libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const self.id)
        };
        done == 0
    }
}

/// Answers a request. A caller that is gone meanwhile does not matter.
pub(crate) fn respond(listener: BorrowedFd<'_>, id: u64, answer: Answer) {
    let (error, flags) = match answer {
        Answer::Continue => (0, u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or(1)),
        Answer::Done => (0, 0),
        Answer::Failed(errno) => (-(errno as i32), 0),
    };
    let response = libc::seccomp_notif_resp { id, val: 0, error, flags };
    // SAFETY: the structure is the one that this ioctl reads.
    unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const response) };
}

/// Takes a descriptor that was sent over a unix socket; `None` when the other side closed it.
pub(crate) fn receive_descriptor(socket: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    let mut byte = [0u8];
    let mut parts = [io::IoSliceMut::new(&mut byte)];
    let mut space = cmsg_space!(RawFd);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(descriptors) = part
            && let [fd] = descriptors.as_slice()
        {
            // SAFETY: the kernel has just installed this descriptor for us and nobody else knows it.
            return Ok(Some(unsafe { OwnedFd::from_raw_fd(*fd) }));
        }
    }
    Ok(None)
}
