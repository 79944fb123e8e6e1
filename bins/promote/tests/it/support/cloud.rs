//! Where the stand-in runs: in the test's own process, or in one of its own, which can be killed as well.

use std::path::PathBuf;
use std::process::Stdio;

use localcloud::Handle;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

/// A running stand-in.
pub(crate) enum Cloud {
    Here(Box<Handle>),
    Apart(Box<Apart>),
}

/// The binary `localcloud` on a directory; what it serves has the same addresses after it died and came back.
pub(crate) struct Apart {
    program: PathBuf,
    dir: PathBuf,
    args: Vec<String>,
    said: Value,
    /// None only while it is down.
    child: Mutex<Option<Child>>,
}

impl Apart {
    pub(crate) async fn up(program: PathBuf, dir: PathBuf, args: Vec<String>) -> Self {
        let mut cloud = Self { program, dir, args, said: Value::Null, child: Mutex::new(None) };
        let (child, said) = cloud.spawn().await;
        (cloud.said, cloud.child) = (said, Mutex::new(Some(child)));
        cloud
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(verb).arg("--json").arg("--dir").arg(&self.dir);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Up to the moment at which it says where it is.
    async fn spawn(&self) -> (Child, Value) {
        let mut child = self.command("up").args(&self.args).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).await.unwrap();
        // It says nothing more; whoever ends it may.
        child.stdout = Some(out.into_inner());
        let said: Value = serde_json::from_str(&line).unwrap_or_default();
        assert_eq!(said["ok"], true, "the stand-in does not start: {line}");
        (child, said)
    }

    /// SIGKILL. Its machines live on.
    async fn kill(&self) {
        if let Some(mut child) = self.child.lock().await.take() {
            child.kill().await.unwrap();
        }
    }

    /// On the same directory, at the same addresses.
    async fn revive(&self) {
        let (child, said) = self.spawn().await;
        assert_eq!((&said["api"], &said["registry"]), (&self.said["api"], &self.said["registry"]));
        *self.child.lock().await = Some(child);
    }

    /// Turns a fault on, or with none all of them off.
    async fn fault(&self, fault: Option<&Value>) {
        let mut command = self.command("faults");
        match fault {
            Some(fault) => command.arg("--add").arg(fault.to_string()),
            None => command.arg("--clear"),
        };
        let ended = command.status().await.unwrap();
        assert!(ended.success(), "{fault:?}: {ended}");
    }

    fn text(&self, name: &str) -> &str {
        self.said[name].as_str().unwrap()
    }
}

impl Cloud {
    pub(crate) fn api_url(&self) -> &str {
        match self {
            Self::Here(handle) => handle.api_url(),
            Self::Apart(apart) => apart.text("api"),
        }
    }

    pub(crate) fn registry_host(&self) -> &str {
        match self {
            Self::Here(handle) => handle.registry_host(),
            Self::Apart(apart) => apart.text("registry"),
        }
    }

    pub(crate) fn s3_url(&self) -> &str {
        match self {
            Self::Here(handle) => handle.s3_url(),
            Self::Apart(apart) => apart.text("s3"),
        }
    }

    pub(crate) fn edge_urls(&self) -> Vec<String> {
        match self {
            Self::Here(handle) => handle.edge_urls().iter().map(ToString::to_string).collect(),
            Self::Apart(apart) => {
                let urls = apart.said["edge_urls"].as_array().into_iter().flatten();
                urls.filter_map(|url| url.as_str().map(ToOwned::to_owned)).collect()
            }
        }
    }

    pub(crate) fn audit_path(&self) -> PathBuf {
        match self {
            Self::Here(handle) => handle.audit_path(),
            Self::Apart(apart) => apart.dir.join("audit.jsonl"),
        }
    }

    /// Ends it and its machines.
    pub(crate) async fn down(self) {
        match self {
            Self::Here(handle) => handle.down().await,
            Self::Apart(apart) => {
                let ended = apart.command("down").status().await.unwrap();
                assert!(ended.success(), "{ended}");
            }
        }
    }

    /// Whether it is a process of its own.
    pub(crate) const fn is_apart(&self) -> bool {
        matches!(self, Self::Apart(_))
    }

    /// Only of one that is a process of its own.
    pub(crate) async fn fault(&self, fault: Option<&Value>) {
        if let Self::Apart(apart) = self {
            apart.fault(fault).await;
        }
    }

    pub(crate) async fn kill(&self) {
        if let Self::Apart(apart) = self {
            apart.kill().await;
        }
    }

    pub(crate) async fn revive(&self) {
        if let Self::Apart(apart) = self {
            apart.revive().await;
        }
    }
}
