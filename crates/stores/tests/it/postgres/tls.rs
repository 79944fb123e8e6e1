//! How the server proves itself, by `sslmode`.

use std::path::Path;

use stores::postgres::{OpenError, Postgres};
use stores::testing::{Cluster, ClusterTls};

use super::{address, id};

/// A server whose certificate says `localhost`, and a directory with the root that signed it, and one that did not.
fn server() -> (Cluster, tempfile::TempDir) {
    let (certificate, key) = (include_str!("tls/server.crt"), include_str!("tls/server.key"));
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("ca.crt", include_str!("tls/ca.crt")), ("other.crt", include_str!("tls/other.crt"))]
    {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    (Cluster::with(Some(ClusterTls { certificate, key })), dir)
}

fn at(cluster: &Cluster, host: &str, mode: &str, root: Option<&Path>) -> String {
    let roots = root.map(|path| format!("&sslrootcert={}", path.display())).unwrap_or_default();
    Cluster::url_at(host, cluster.port(), &format!("sslmode={mode}{roots}"))
}

/// The promises of libpq's modes (PostgreSQL documentation, 34.19.3, table 34.1): `require` asks for no proof unless
/// there are roots, `verify-ca` for the right root, `verify-full` also for the right host.
#[tokio::test]
async fn each_mode_asks_for_the_proof_it_is_named_after() {
    let (cluster, dir) = server();
    let (right, other) = (dir.path().join("ca.crt"), dir.path().join("other.crt"));
    let (right, other) = (Some(right.as_path()), Some(other.as_path()));
    let cases = [
        ("localhost", "verify-full", right, true),
        ("127.0.0.1", "verify-full", right, false),
        ("localhost", "verify-full", other, false),
        ("localhost", "verify-full", None, false),
        ("127.0.0.1", "verify-ca", right, true),
        ("127.0.0.1", "verify-ca", other, false),
        ("127.0.0.1", "verify-ca", None, false),
        ("127.0.0.1", "require", None, true),
        ("127.0.0.1", "require", right, true),
        ("127.0.0.1", "require", other, false),
    ];
    for (host, mode, root, is_trusted) in cases {
        let url = at(&cluster, host, mode, root);
        let opened = Postgres::open(&address(&url), &id("store-1")).await;
        match (&opened, is_trusted) {
            (Ok(_), true) => {
                let encrypted = "select bool_and(ssl) from pg_stat_ssl join pg_stat_activity using (pid) \
                                 where application_name = 'understudy'";
                assert_eq!(cluster.sql(encrypted), "t", "{mode} at {host}");
            }
            (Err(OpenError::Tls { .. }), false) => {}
            (_, true) => panic!("{mode} at {host} under {root:?}: {opened:?}"),
            (_, false) => panic!("{mode} at {host} under {root:?} trusts the wrong server: {opened:?}"),
        }
    }
    let plain = Postgres::open(&address(&at(&cluster, "127.0.0.1", "disable", None)), &id("store-1")).await;
    assert!(plain.is_ok(), "a server that can do TLS need not");
}

#[tokio::test]
async fn a_server_without_tls_is_not_talked_to_where_tls_is_asked_for() {
    let cluster = Cluster::start();
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = at(&cluster, "localhost", mode, None);
        let error = Postgres::open(&address(&url), &id("store-1")).await.unwrap_err();
        assert!(matches!(error, OpenError::Tls { .. }), "{mode}: {error:?}");
        assert!(error.to_string().contains("does not support TLS"), "{error}");
    }
}

#[tokio::test]
async fn roots_that_cannot_be_read_are_named_before_anybody_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("empty.crt"), "nothing").unwrap();
    for name in ["missing.crt", "empty.crt"] {
        let url = format!("postgres://u@db.invalid/d?sslrootcert={}", dir.path().join(name).display());
        let error = Postgres::open(&address(&url), &id("store-1")).await.unwrap_err();
        assert!(matches!(error, OpenError::Tls { .. }) && error.to_string().contains(name), "{error:?}");
    }
}
