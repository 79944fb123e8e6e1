//! A PostgreSQL of one's own.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tempfile::TempDir;

use super::child::{Server, as_nobody, free_port, give};
use super::{PASSWORD, USER, programs};

/// A certificate and its key, in PEM, for a server that speaks TLS.
#[derive(Debug, Clone, Copy)]
pub struct ClusterTls<'a> {
    /// The certificate.
    pub certificate: &'a str,
    /// Its key.
    pub key: &'a str,
}

/// A server with one empty database. Over TCP it asks for the password.
#[derive(Debug)]
pub struct Cluster {
    // Before the directory: it is dropped first.
    server: Option<Server>,
    dir: TempDir,
    programs: PathBuf,
    port: u16,
}

impl Cluster {
    /// Makes and starts one. Panics, with what the server said, when that does not work.
    #[must_use]
    pub fn start() -> Self {
        Self::with(None)
    }

    /// The same with TLS.
    #[must_use]
    pub fn with(tls: Option<ClusterTls<'_>>) -> Self {
        let programs = programs::postgres();
        let dir = tempfile::Builder::new().prefix("understudy-pg-").tempdir().expect("a directory");
        give(dir.path());
        let mut cluster = Self { server: None, dir, programs, port: free_port() };
        let password = cluster.write("password", PASSWORD);
        let mut make = Command::new(cluster.programs.join("initdb"));
        make.args(["--pgdata=data", "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync"]);
        make.args(["--encoding=UTF8", "--no-locale"]).arg(format!("--username={USER}"));
        make.arg(format!("--pwfile={}", password.display()));
        as_nobody(&mut make, cluster.dir.path());
        let made = make.output().expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\n",
            cluster.port,
            cluster.dir.path().display()
        );
        if let Some(tls) = tls {
            cluster.write("server.crt", tls.certificate);
            cluster.write("server.key", tls.key);
            settings.push_str("ssl = on\nssl_cert_file = '../server.crt'\nssl_key_file = '../server.key'\n");
        }
        cluster.write("data/postgresql.auto.conf", &settings);
        cluster.resume();
        cluster.sql(&format!("create database {USER}"));
        cluster
    }

    /// Stops at once, as a crash does.
    pub fn crash(&mut self) {
        self.server = None;
    }

    /// Starts again after a crash.
    pub fn resume(&mut self) {
        let program = self.programs.join("postgres");
        let command = [&*program.to_string_lossy(), "-D", "data"];
        self.server = Some(Server::start(self.dir.path(), "log", "QUIT", &command));
        let port = self.port.to_string();
        for _ in 0..600 {
            let mut ready = Command::new(self.programs.join("pg_isready"));
            ready.args(["--quiet", "--port", &port, "--host"]).arg(self.dir.path());
            if ready.status().expect("pg_isready runs").success() {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        panic!("the server does not answer; it said:\n{log}");
    }

    /// The store's address over TCP, with the password; `more` is added behind the question mark.
    #[must_use]
    pub fn url(&self, more: &str) -> String {
        Self::url_at("127.0.0.1", self.port, more)
    }

    /// The same at another place, as through a pooler.
    #[must_use]
    pub fn url_at(host: &str, port: u16, more: &str) -> String {
        let password = utf8_percent_encode(PASSWORD, NON_ALPHANUMERIC);
        let mut url = format!("postgres://{USER}:{password}@{host}:{port}/{USER}");
        if !more.is_empty() {
            let _ = write!(url, "?{more}");
        }
        url
    }

    /// Where it listens on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The password that is in its address, plain and as it stands there: neither may be shown.
    #[must_use]
    pub fn password() -> [String; 2] {
        [PASSWORD.to_owned(), utf8_percent_encode(PASSWORD, NON_ALPHANUMERIC).to_string()]
    }

    /// What psql prints for `script`, past everything of ours. Panics when the server refuses it.
    pub fn sql(&self, script: &str) -> String {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "--set=ON_ERROR_STOP=1"]);
        psql.arg(format!("--username={USER}")).arg(format!("--port={}", self.port));
        psql.arg(format!("--host={}", self.dir.path().display()));
        let database = if script.starts_with("create database") { "postgres" } else { USER };
        psql.arg(format!("--dbname={database}")).current_dir(self.dir.path());
        psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = psql.spawn().expect("psql runs");
        let mut input = child.stdin.take().expect("piped");
        input.write_all(script.as_bytes()).expect("psql reads");
        drop(input);
        let done = child.wait_with_output().expect("psql ends");
        assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("UTF-8").trim_end_matches('\n').to_owned()
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        write_for_servers(&path, text);
        path
    }
}

/// Writes a file that only the servers may read.
pub(super) fn write_for_servers(path: &Path, text: &str) {
    fs::write(path, text).expect("a file in our directory");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("our file");
    give(path);
}
