//! The program, run to its end or left running.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http;

/// Nothing that is started here may take longer.
const HARD: Duration = Duration::from_secs(90);

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Ended well.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

/// The program with nothing of this process's environment.
pub(crate) fn localcloud<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_localcloud"));
    command.args(args).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs to the end, or is killed and fails.
pub(crate) fn run(command: &mut Command) -> Ran {
    wait(command.spawn().unwrap())
}

fn wait(mut child: Child) -> Ran {
    let (out, err) = (text_of(child.stdout.take().unwrap()), text_of(child.stderr.take().unwrap()));
    let out = out.recv_timeout(HARD).unwrap_or_else(|_| {
        let _ = child.kill();
        panic!("the program does not end")
    });
    Ran { code: child.wait().unwrap().code(), out, err: err.recv_timeout(HARD).unwrap() }
}

fn text_of(mut stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        let _ = sender.send(text);
    });
    receiver
}

/// The service of the tests' machines, which cargo builds with the tests.
pub(crate) fn answers() -> PathBuf {
    let path =
        Path::new(env!("CARGO_BIN_EXE_localcloud")).with_file_name("examples").join("localcloud-cli-answers");
    assert!(path.exists(), "run the tests without --test, so that the examples are built too");
    path
}

/// A state directory; whatever runs on it ends with this value.
pub(crate) struct Cloud {
    root: TempDir,
}

/// `localcloud up`, running; killed when dropped.
pub(crate) struct Server {
    child: Child,
    out: Option<BufReader<ChildStdout>>,
    /// What it said on stdout: `api`, `registry`, `tokens`, …
    pub(crate) said: Value,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Cloud {
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.root.path().join("state")
    }

    /// A verb on this directory.
    pub(crate) fn verb(&self, args: &[&str]) -> Ran {
        run(&mut self.command(args))
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let dir = self.dir();
        let mut command = localcloud(["--dir", dir.to_str().unwrap()]);
        command.args(args);
        command
    }

    /// Starts a server and waits until it says where it is.
    pub(crate) fn up(&self, args: &[&str]) -> Server {
        let mut command = self.command(&["up", "--json", "--lag-ms", "1..20", "--no-rate-limits"]);
        let mut child = command.args(args).process_group(0).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (sender, line) = mpsc::channel();
        let reader = thread::spawn(move || {
            let mut text = String::new();
            let _ = out.read_line(&mut text);
            let _ = sender.send(text);
            out
        });
        let text = line.recv_timeout(HARD).unwrap_or_default();
        if text.is_empty() {
            let _ = child.kill();
        }
        let out = Some(reader.join().unwrap());
        let mut server = Server { child, out, said: serde_json::from_str(&text).unwrap_or_default() };
        if server.said["ok"] != true {
            let _ = server.child.kill();
            let error = text_of(server.child.stderr.take().unwrap());
            panic!("the server does not start: {text} {}", error.recv_timeout(HARD).unwrap());
        }
        server
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if self.dir().exists() {
            let down = self.verb(&["down"]);
            assert!(thread::panicking() || down.code == Some(0), "{down:?}");
        }
    }
}

impl Server {
    pub(crate) fn api(&self) -> &str {
        self.said["api"].as_str().unwrap()
    }

    pub(crate) fn token(&self) -> String {
        let org = self.said["org"].as_str().unwrap();
        let text = std::fs::read_to_string(self.said["tokens"][org].as_str().unwrap()).unwrap();
        text.trim().to_owned()
    }

    /// A call of the API that must succeed.
    pub(crate) fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        http::json(method, &format!("{}{path}", self.api()), &self.token(), body)
    }

    /// Makes an app with one machine of `image`, waits until it is started, and gives its id.
    pub(crate) fn app(&self, app: &str, image: &str) -> String {
        self.call("POST", "/v1/apps", &json!({"app_name": app, "org_slug": self.said["org"]}));
        let service =
            json!({"protocol": "tcp", "internal_port": 8080, "ports": [{"port": 80, "handlers": ["http"]}]});
        let config = json!({"image": image, "env": {"VERSION": "one"}, "services": [service]});
        let machine = self.call("POST", &format!("/v1/apps/{app}/machines"), &json!({"config": config}));
        let id = machine["id"].as_str().unwrap().to_owned();
        self.call("GET", &format!("/v1/apps/{app}/machines/{id}/wait?state=started&timeout=60"), &json!({}));
        id
    }

    /// SIGINT to its whole process group, as a terminal sends it on Ctrl-C, and the end.
    pub(crate) fn interrupt(mut self) -> Ran {
        let group = format!("-{}", self.child.id());
        assert!(Command::new("kill").args(["-INT", "--", &group]).status().unwrap().success());
        let err = text_of(self.child.stderr.take().unwrap());
        let out = text_of(self.out.take().unwrap()).recv_timeout(HARD).expect("the server ends when asked");
        Ran { code: self.child.wait().unwrap().code(), out, err: err.recv_timeout(HARD).unwrap() }
    }

    /// SIGKILL.
    pub(crate) fn kill(self) {
        drop(self);
    }
}
