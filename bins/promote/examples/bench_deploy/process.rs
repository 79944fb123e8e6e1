//! The measured process: from when to when, and how much memory it ever had.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use crate::now_us;

/// Between two looks at the memory. The kernel keeps the highest value (`VmHWM`, proc(5)), so only growth in the
/// process's last moments can be missed.
const LOOK: Duration = Duration::from_millis(20);

/// A process that is watched until it ends.
pub(crate) struct Watched {
    child: Child,
    from_us: u64,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) err: String,
    pub(crate) from_us: u64,
    pub(crate) to_us: u64,
    pub(crate) rss_kib: u64,
}

impl Watched {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let from_us = now_us();
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        Self { child, from_us }
    }

    pub(crate) async fn ended(mut self) -> Ended {
        let pid = self.child.id().unwrap();
        let mut stderr = self.child.stderr.take().unwrap();
        let mut err = Vec::new();
        let mut rss_kib = 0;
        let status = {
            let read = stderr.read_to_end(&mut err);
            let mut work = std::pin::pin!(async { (self.child.wait().await.unwrap(), now_us()) });
            let watch = async {
                loop {
                    tokio::select! {
                        biased;
                        status = work.as_mut() => break status,
                        () = tokio::time::sleep(LOOK) => rss_kib = peak(pid).unwrap_or(rss_kib),
                    }
                }
            };
            tokio::join!(watch, read).0
        };
        let err = String::from_utf8_lossy(&err).into_owned();
        Ended { code: status.0.code(), err, from_us: self.from_us, to_us: status.1, rss_kib }
    }
}

fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}
