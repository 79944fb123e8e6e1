//! The stand-in in a process of its own, which ends with the demo.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use cell::runtime::RuntimeKind;
use clikit::Failure;
use localcloud::{EdgeLag, Localcloud, Options, Orgs};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The first argument that makes this binary the stand-in.
pub(super) const ARGUMENT: &str = "__localcloud";
/// The organisation of the demo.
pub(super) const ORG: &str = "acme";

/// How late the demo's edges are: less than the pause that a promotion makes for them, and much more than nothing.
const LAG: EdgeLag = EdgeLag { min_ms: 100, max_ms: 1500 };

/// What the stand-in is told, on its standard input.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) dir: std::path::PathBuf,
    pub(super) runtime: Option<RuntimeKind>,
    pub(super) tokens: Vec<String>,
}

/// What it answers, in one line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Up {
    pub(super) api: String,
    pub(super) registry: String,
    pub(super) runtime: RuntimeKind,
    pub(super) why: String,
}

/// The running stand-in.
pub(super) struct Cloud {
    child: Child,
    pub(super) up: Up,
}

impl Cloud {
    pub(super) async fn start(told: &Told) -> Result<Self, Failure> {
        let failed = |why: String| Failure::unavailable("the stand-in did not start").with_why(why);
        let exe = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
        let log = std::fs::File::create(told.dir.with_extension("log"))
            .map_err(|error| failed(error.to_string()))?;
        let mut child = Command::new(exe)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // Ctrl-C is for the demo, which then ends it in order.
            .process_group(0)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let text = serde_json::to_string(told).map_err(|error| failed(error.to_string()))?;
        if let Some(stdin) = child.stdin.as_mut() {
            use tokio::io::AsyncWriteExt as _;
            stdin
                .write_all(format!("{text}\n").as_bytes())
                .await
                .map_err(|error| failed(error.to_string()))?;
        }
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).await.map_err(|error| failed(error.to_string()))?;
        }
        match serde_json::from_str(&line) {
            Ok(up) => Ok(Self { child, up }),
            Err(_) => {
                let said = std::fs::read_to_string(told.dir.with_extension("log")).unwrap_or_default();
                Err(failed(if said.trim().is_empty() {
                    "it said nothing".to_owned()
                } else {
                    said.trim().to_owned()
                }))
            }
        }
    }

    /// Ends it and every machine.
    pub(super) async fn down(mut self) {
        drop(self.child.stdin.take());
        let _gone_either_way =
            tokio::time::timeout(std::time::Duration::from_secs(20), self.child.wait()).await;
    }
}

/// The stand-in itself: starts, says where it is, and ends with its machines when its standard input does.
pub(super) async fn serve() -> Result<(), String> {
    let mut stdin = BufReader::new(tokio::io::stdin());
    let mut line = String::new();
    stdin.read_line(&mut line).await.map_err(|error| error.to_string())?;
    let told: Told = serde_json::from_str(&line).map_err(|error| error.to_string())?;
    let shim = cell::shim::Shim::current().map_err(|error| error.to_string())?;
    let runtime = cell::runtime::choose(told.runtime, shim).map_err(|error| error.to_string())?;
    let orgs = told.tokens.iter().fold(Orgs::default(), |orgs, token| orgs.with(token, ORG));
    let mut options = Options::new(&told.dir, Arc::from(runtime), orgs);
    options.lag = LAG;
    let handle = Localcloud::start(options).await.map_err(|error| chain(&error))?;
    let up = Up {
        api: handle.api_url().to_owned(),
        registry: handle.registry_host().to_owned(),
        runtime: handle.runtime(),
        why: handle.runtime_why().to_owned(),
    };
    let text = serde_json::to_string(&up).map_err(|error| error.to_string())?;
    {
        use std::io::Write as _;
        let mut out = std::io::stdout();
        writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| error.to_string())?;
    }
    let mut rest = Vec::new();
    let _until_the_demo_ends = stdin.read_to_end(&mut rest).await;
    handle.down().await;
    Ok(())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The audit log of a stand-in in `dir`.
pub(super) fn audit(dir: &Path) -> std::path::PathBuf {
    dir.join("audit.jsonl")
}
