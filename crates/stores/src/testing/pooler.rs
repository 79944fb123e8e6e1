//! A pgbouncer in front of a cluster.

use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use super::child::{Server, free_port, give};
use super::cluster::write_for_servers;
use super::{Cluster, PASSWORD, USER, programs};

/// A pooler in transaction mode, of the hard kind: a server process is used for one transaction and then closed, so
/// nothing of one statement is there for the next.
#[derive(Debug)]
pub struct Pooler {
    // Before the directory: it is dropped first.
    _server: Server,
    _dir: TempDir,
    port: u16,
}

impl Pooler {
    /// Starts one. Panics, with what it said, when that does not work.
    #[must_use]
    pub fn before(cluster: &Cluster) -> Self {
        let program = programs::pgbouncer();
        let dir = tempfile::Builder::new().prefix("understudy-pool-").tempdir().expect("a directory");
        give(dir.path());
        let port = free_port();
        let users = dir.path().join("users");
        write_for_servers(&users, &format!("\"{USER}\" \"{PASSWORD}\"\n"));
        let settings = dir.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\n\
             default_pool_size = 4\nserver_lifetime = 0\n",
            cluster.port(),
            users.display()
        );
        write_for_servers(&settings, &text);
        let command = [&*program.to_string_lossy(), &*settings.to_string_lossy()];
        let server = Server::start(dir.path(), "log", "TERM", &command);
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Self { _server: server, _dir: dir, port };
            }
            sleep(Duration::from_millis(50));
        }
        let log = std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
        panic!("the pooler does not answer; it said:\n{log}");
    }

    /// The store's address through it.
    #[must_use]
    pub fn url(&self, more: &str) -> String {
        Cluster::url_at("127.0.0.1", self.port, more)
    }
}
