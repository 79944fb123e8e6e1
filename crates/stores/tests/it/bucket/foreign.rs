//! The journal in an S3 server that others wrote: `moto_server` (<https://docs.getmoto.org/en/latest/docs/server_mode.html>,
//! `pip install 'moto[s3,server]'`). Where it is not installed nothing is proven, and the test says so.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use promotion::conformance;
use promotion::model::StoreId;
use stores::bucket::{Bucket, Credentials, S3Address};

use super::served::Waiting;

/// The server, on a port of its own choice.
struct Foreign {
    child: Child,
    address: String,
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // It may be gone already.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test looks for a program on the search path")]
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join("moto_server")).find(|program| program.is_file())
}

impl Foreign {
    fn start(program: PathBuf) -> Self {
        let mut child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Its web server (Werkzeug) says where it listens: ` * Running on http://127.0.0.1:41243`.
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .find_map(|line| Some(line.ok()?.split("http://").nth(1)?.trim().to_owned()))
            .expect("it says where it listens");
        // It goes on talking, and must be heard.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// Makes a bucket. The server checks no signatures.
    fn make(&self, bucket: &str) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let host = &self.address;
        write!(
            stream,
            "PUT /{bucket} HTTP/1.1\r\nHost: {host}\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential=id/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    async fn open(&self, bucket: &str, runner: &str) -> Arc<Bucket> {
        let address = format!("s3://{bucket}/team/understudy?endpoint=http://{}", self.address);
        let credentials = Credentials { key_id: "id".to_owned(), secret: "secret".into(), token: None };
        let place = S3Address::parse(&address).unwrap().connect(&credentials).unwrap();
        Arc::new(Bucket::open(place, runner, &StoreId::new("store-1").unwrap()).await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_conforms_in_a_server_that_others_wrote() {
    let Some(program) = program() else {
        println!("not run: there is no moto_server");
        return;
    };
    let server = Foreign::start(program);
    server.make("journals");
    let (one, other) = (server.open("journals", "one").await, server.open("journals", "other").await);
    conformance::journal(&*one, &Waiting).await;
    conformance::journal_shared(one, other, &Waiting).await;
}
