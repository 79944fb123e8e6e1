//! The system calls that have no safe wrapper elsewhere, one small module each.

mod process;

#[cfg(target_os = "linux")]
mod pidfd;
#[cfg(target_os = "linux")]
mod seccomp;

pub(crate) use process::{Fork, exit_now, fork, restore_signals};

#[cfg(target_os = "linux")]
pub(crate) use {
    pidfd::{pidfd_getfd, pidfd_open},
    process::{clone_into, close_all_on_exec, drop_bounding_capability},
    seccomp::{Answer, Notification, install, receive_descriptor, respond},
};
