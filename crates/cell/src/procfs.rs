//! Looking at processes through `/proc` (proc(5)); where there is none, only life and death are known.

use std::{collections::BTreeSet, fs, net::SocketAddr};

mod sockets;

/// A process as `/proc/PID/stat` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    pub(crate) state: char,
    pub(crate) parent: u32,
    pub(crate) session: u32,
    /// Start time in clock ticks since boot.
    pub(crate) started: u64,
}

impl Stat {
    /// Neither ended (`Z`, `X`) nor gone.
    pub(crate) fn is_alive(self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// One process; `None` when there is none of that number.
pub(crate) fn stat(pid: u32) -> Option<Stat> {
    if cfg!(target_os = "linux") {
        parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    } else {
        let known = nix::unistd::Pid::from_raw(i32::try_from(pid).ok()?);
        nix::sys::signal::kill(known, None).ok()?;
        Some(Stat { pid, state: 'R', parent: 0, session: 0, started: 0 })
    }
}

/// The name in parentheses may contain spaces and parentheses: what counts comes after the last one.
fn parse(pid: u32, text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    // Field 22 is the start time; 3, 4, 5 and 6 are taken.
    let started = fields.nth(22 - 7)?.parse().ok()?;
    Some(Stat { pid, state, parent, session, started })
}

/// The numbers of all processes that can be seen.
fn pids() -> impl Iterator<Item = u32> {
    let list = fs::read_dir("/proc").into_iter().flatten().flatten();
    list.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The living processes of a session. The session of each process there is costs a system call; only those found are
/// read: a host may run thousands of others.
pub(crate) fn of_session(session: u32) -> Vec<Stat> {
    let is_in = |pid: &u32| {
        let Ok(known) = i32::try_from(*pid) else { return false };
        let of = nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(known)));
        of.is_ok_and(|of| of.as_raw().unsigned_abs() == session)
    };
    let found = pids().filter(is_in).filter_map(stat);
    found.filter(|stat| stat.session == session && stat.is_alive()).collect()
}

/// The children of a process by the kernel's own list (proc(5), `children`), which costs what they are and not what
/// runs on the whole host; by looking at all where the kernel keeps none.
fn children(parent: u32) -> Vec<Stat> {
    let listed = || -> std::io::Result<Vec<Stat>> {
        let mut found = Vec::new();
        for task in fs::read_dir(format!("/proc/{parent}/task"))?.flatten() {
            let list = fs::read_to_string(task.path().join("children"))?;
            found.extend(list.split_ascii_whitespace().filter_map(|pid| stat(pid.parse().ok()?)));
        }
        Ok(found)
    };
    listed().unwrap_or_else(|_| pids().filter_map(stat).filter(|stat| stat.parent == parent).collect())
}

/// The living processes below this one, nearest first.
pub(crate) fn descendants(root: u32) -> Vec<Stat> {
    let mut found: Vec<Stat> = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for child in children(parent).into_iter().filter(|stat| stat.pid != root) {
            parents.push(child.pid);
            if child.is_alive() {
                found.push(child);
            }
        }
    }
    found
}

/// The child that was started first: a supervisor's own program, since what it adopts was born later.
pub(crate) fn eldest_child(parent: u32) -> Option<Stat> {
    let alive = children(parent).into_iter().filter(|stat| stat.is_alive());
    alive.min_by_key(|stat| (stat.started, stat.pid))
}

/// How many threads this process has; one when it cannot be told.
pub(crate) fn own_threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

/// The process that a thread belongs to.
#[cfg(target_os = "linux")]
pub(crate) fn process_of_thread(thread: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
}

/// The TCP addresses on which these processes listen.
pub(crate) fn listening(pids: impl IntoIterator<Item = u32>) -> BTreeSet<SocketAddr> {
    sockets::listening(pids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_confuse() {
        let line = "42 (a) b (c)) S 7 42 41 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 0 0";
        let stat = parse(42, line).unwrap();
        assert_eq!((stat.state, stat.parent, stat.session, stat.started), ('S', 7, 41, 98765));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_alive_and_below_its_parent() {
        let own = stat(std::process::id()).unwrap();
        assert!(own.is_alive() && own.started > 0);
        assert!(descendants(own.parent).iter().any(|stat| stat.pid == own.pid));
        assert!(of_session(own.session).iter().any(|stat| stat.pid == own.pid));
        assert!(of_session(own.session + 1).iter().all(|stat| stat.pid != own.pid));
    }
}
