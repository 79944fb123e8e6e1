//! The audit log: the provider's truth, one JSON object per line in `audit.jsonl` of the state directory.
//!
//! A line is written whole in one append, before the answer is sent. Five kinds:
//!
//! * a call: `{at_us, request_id, org, method, path, action, app, machine, status, applied, ms, key, fault}`. `at_us`:
//!   when it arrived, microseconds since 1970; `action`: its name in the routing table; `status`: what was decided
//!   (a fault may have sent something else, or nothing); `applied`: it changed something, even if the answer was lost;
//!   `ms`: until decided; `key`: the machine's metadata value `understudy_key`, if any; `fault`: the fault that struck, if any.
//!   Registry calls have `action` `registry-…` and `app` = the repository. Calls to the small S3 have `action`
//!   `s3-bucket-create`, `s3-bucket-head`, `s3-objects-list`, `s3-objects-delete`, `s3-object-put`, `s3-object-get`,
//!   `s3-object-head` or `s3-object-delete`, and `app` = the bucket; what belongs to no call that there is has none.
//! * a change of a machine: `{at_us, event: "state", app, machine, from, to, instance_id, digest}`; of a site
//!   `{at_us, event: "site", site, version, digest}`.
//! * a check of a machine that says something else than before: `{at_us, event: "check", app, machine, instance_id, check,
//!   passing}`.
//! * what the proxy did by itself: `{at_us, event: "proxy", app, machine, did}`, `stop` (it was idle) or `start` (a request
//!   came); the machine's event has source `proxy`, and the change of its state follows.
//! * what an edge believes from now on: `{at_us, event: "edge", region, app, machine, routable}`.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Mutex, PoisonError},
};

use serde_json::Value;

/// Appends lines.
#[derive(Debug)]
pub(crate) struct Audit {
    file: Mutex<File>,
}

impl Audit {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        Ok(Self { file: Mutex::new(file) })
    }

    /// One object, one line, one write. A full disk loses the line rather than the call.
    pub(crate) fn line(&self, value: &Value) {
        let mut line = value.to_string();
        line.push('\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = file.write_all(line.as_bytes());
    }
}
