//! Answers `bind` and `connect` of a cell's programs: the supervisor takes a copy of the socket and does the call on
//! it, so that the program cannot change its mind between the look and the deed.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    io::IoSliceMut,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd},
};

use nix::{
    errno::Errno,
    sys::{
        socket::{
            AddressFamily, SockType, SockaddrIn, SockaddrIn6, SockaddrLike, SockaddrStorage, bind, connect,
            getsockname, getsockopt, setsockopt,
            sockopt::{Ipv6V6Only, SockType as SockTypeOption},
        },
        uio::{RemoteIoVec, process_vm_readv},
    },
    unistd::Pid,
};

use super::{
    bind::{ADDRESS_BYTES_MAX, bind_instead, connect_instead, parse},
    stdio::note,
};
use crate::{
    procfs,
    sys::{Answer, Notification, pidfd_getfd, pidfd_open, respond},
};

/// One cell's side of the filter.
#[derive(Debug)]
pub(super) struct Requests {
    own: Ipv4Addr,
    low_ports: u16,
    /// TCP ports that the cell bound on its address, by the family of the socket.
    bound: RefCell<BTreeSet<(u16, Family)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    Four,
    Six,
}

impl Requests {
    pub(super) fn new(own: Ipv4Addr, low_ports: u16) -> Self {
        Self { own, low_ports, bound: RefCell::default() }
    }

    /// Takes one request from the listener and answers it.
    pub(super) fn answer_one(&self, listener: BorrowedFd<'_>) {
        match Notification::next(listener) {
            Ok(Some(request)) => respond(listener, request.id, self.answer(listener, &request)),
            Ok(None) => {}
            Err(error) => note(&format!("a request of the filter could not be read: {error}")),
        }
    }

    fn answer(&self, listener: BorrowedFd<'_>, request: &Notification) -> Answer {
        let asked = match read_address(request) {
            Ok(Some(asked)) => asked,
            // A bad pointer is the kernel's to complain about.
            Ok(None) | Err(Errno::EFAULT) => return Answer::Continue,
            Err(errno) => {
                note(&format!("the address of a socket could not be read: {errno}"));
                return Answer::Failed(errno);
            }
        };
        let is_bind = request.call == libc::SYS_bind;
        let instead = if is_bind {
            bind_instead(asked, self.own, self.low_ports)
        } else {
            let bound = self.bound.borrow();
            let listens = |port| bound.range((port, Family::Four)..=(port, Family::Six)).next().is_some();
            connect_instead(asked, self.own, self.low_ports, listens)
        };
        let Some(instead) = instead else { return Answer::Continue };
        let socket = match take_socket(listener, request) {
            Ok(socket) => socket,
            Err(errno) => {
                note(&format!("the socket for {asked} could not be taken over: {errno}"));
                return Answer::Failed(errno);
            }
        };
        let done = match Socket::of(&socket, asked) {
            Some(socket) if is_bind => self.bind(&socket, asked, instead),
            Some(socket) if socket.kind == SockType::Stream => socket.connect(instead),
            _ => return Answer::Continue,
        };
        match done {
            Ok(()) => Answer::Done,
            Err(errno) => Answer::Failed(errno),
        }
    }

    /// A socket for IPv6 only is made one for both, since there is one loopback address per machine and it is IPv4. A
    /// program that wants a socket for each family then gets the second one on a port of no use, and loses nothing.
    fn bind(&self, socket: &Socket<'_>, asked: SocketAddr, instead: SocketAddrV4) -> Result<(), Errno> {
        let six_only = socket.family == Family::Six && getsockopt(&socket.fd, Ipv6V6Only).unwrap_or(false);
        if six_only {
            setsockopt(&socket.fd, Ipv6V6Only, &false)?;
        }
        let done = socket.bind(instead);
        let twin = match socket.family {
            Family::Four => Family::Six,
            Family::Six => Family::Four,
        };
        let has_twin = self.bound.borrow().contains(&(instead.port(), twin));
        if done == Err(Errno::EADDRINUSE) && has_twin && (six_only || socket.family == Family::Four) {
            note(&format!("{asked} is served by the socket of the other address family"));
            return socket.bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));
        }
        if let Err(errno) = done {
            note(&format!("{asked}, here {instead}, cannot be bound: {errno}"));
        } else if socket.kind == SockType::Stream {
            self.bound.borrow_mut().insert((instead.port(), socket.family));
        }
        done
    }
}

/// The address that the call's second argument points to, if it is an internet address.
fn read_address(request: &Notification) -> Result<Option<SocketAddr>, Errno> {
    let number = |argument: u64| usize::try_from(argument).map_err(|_| Errno::EFAULT);
    // The kernel, too, looks at the lower 32 bits of a length only.
    let length = number(request.args[2] & 0xffff_ffff)?.min(ADDRESS_BYTES_MAX);
    let base = number(request.args[1])?;
    let mut bytes = [0u8; ADDRESS_BYTES_MAX];
    let thread = Pid::from_raw(i32::try_from(request.thread).map_err(|_| Errno::ESRCH)?);
    let local = &mut [IoSliceMut::new(&mut bytes[..length])];
    let n = process_vm_readv(thread, local, &[RemoteIoVec { base, len: length }])?;
    Ok(parse(&bytes[..n]))
}

/// A copy of the call's first argument. The caller still waits after the copy was made, so it is the caller's.
fn take_socket(listener: BorrowedFd<'_>, request: &Notification) -> Result<OwnedFd, Errno> {
    let errno = |error: std::io::Error| error.raw_os_error().map_or(Errno::EPERM, Errno::from_raw);
    let process = procfs::process_of_thread(request.thread).ok_or(Errno::ESRCH)?;
    let process = pidfd_open(process).map_err(errno)?;
    // The kernel, too, looks at the lower 32 bits of a descriptor only.
    let number = RawFd::try_from(request.args[0] & 0xffff_ffff).map_err(|_| Errno::EBADF)?;
    let socket = pidfd_getfd(process.as_fd(), number).map_err(errno)?;
    if request.is_waiting(listener) { Ok(socket) } else { Err(Errno::ESRCH) }
}

struct Socket<'a> {
    fd: BorrowedFd<'a>,
    family: Family,
    kind: SockType,
}

impl<'a> Socket<'a> {
    /// `None` for what the kernel should judge by itself: no socket of TCP or UDP, or one of another family than the
    /// address.
    fn of(fd: &'a OwnedFd, asked: SocketAddr) -> Option<Self> {
        let name: SockaddrStorage = getsockname(fd.as_raw_fd()).ok()?;
        let family = match (name.family()?, asked) {
            (AddressFamily::Inet, SocketAddr::V4(_)) => Family::Four,
            (AddressFamily::Inet6, SocketAddr::V6(_)) => Family::Six,
            _ => return None,
        };
        let kind = getsockopt(fd, SockTypeOption).ok()?;
        matches!(kind, SockType::Stream | SockType::Datagram).then(|| Self { fd: fd.as_fd(), family, kind })
    }

    fn bind(&self, to: SocketAddrV4) -> Result<(), Errno> {
        match self.family {
            Family::Four => bind(self.fd.as_raw_fd(), &SockaddrIn::from(to)),
            Family::Six => bind(self.fd.as_raw_fd(), &mapped(to)),
        }
    }

    /// On a blocking socket this waits, but only for this machine's own listener.
    fn connect(&self, to: SocketAddrV4) -> Result<(), Errno> {
        match self.family {
            Family::Four => connect(self.fd.as_raw_fd(), &SockaddrIn::from(to)),
            Family::Six => {
                setsockopt(&self.fd, Ipv6V6Only, &false)?;
                connect(self.fd.as_raw_fd(), &mapped(to))
            }
        }
    }
}

fn mapped(to: SocketAddrV4) -> SockaddrIn6 {
    let ip: Ipv6Addr = to.ip().to_ipv6_mapped();
    SockaddrIn6::from(SocketAddrV6::new(ip, to.port(), 0, 0))
}
