//! A running service and a client of a few lines.

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, time::Duration};

use runner::Options;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

/// Far more than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) ended: JoinHandle<std::io::Result<()>>,
}

/// A service with these variables. Programs get plenty of time unless a test says otherwise.
pub(crate) async fn service(pairs: &[(&str, &str)]) -> Service {
    let mut env: BTreeMap<String, String> =
        BTreeMap::from([("RUN_TIMEOUT_MS".to_owned(), "30000".to_owned())]);
    env.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let options = Options::from_env_map(&env).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    #[expect(clippy::disallowed_methods, reason = "the test joins it, or ends with its runtime")]
    let ended = tokio::spawn(runner::serve_on(listener, options, async {
        drop(stopped.await);
    }));
    Service { address, stop: Some(stop), ended }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json", "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }
}

pub(crate) async fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let talk = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all((head + body).as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    };
    let text = tokio::time::timeout(PATIENCE, talk).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Answer { status, headers, body: body.to_owned() }
}

impl Service {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        request(self.address, "GET", path, "").await
    }

    pub(crate) async fn run(&self, language: &str, source: &str) -> Answer {
        let body = serde_json::json!({ "language": language, "source": source }).to_string();
        request(self.address, "POST", "/api/v1/run", &body).await
    }

    /// Is it installed? Says so if not.
    pub(crate) async fn has(&self, language: &str) -> bool {
        let list = self.get("/api/v1/languages").await.json();
        let has = list["languages"].as_array().unwrap().iter().any(|id| id == language);
        if !has {
            println!("not run: {language} is not installed here");
        }
        has
    }
}

/// A file by which a test and a program tell each other how far they are.
pub(crate) struct Flag(pub(crate) PathBuf);

impl Flag {
    pub(crate) fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("runner-test-{}-{name}", std::process::id())))
    }

    pub(crate) async fn is_there(&self) {
        let there = async {
            while !self.0.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, there).await.unwrap();
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl Drop for Flag {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}
