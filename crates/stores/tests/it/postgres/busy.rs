//! A server that is there, and lets nobody in for the moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use promotion::ports::Journal;
use stores::postgres::{OpenError, Postgres};
use stores::testing::Cluster;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::faults::pass;
use super::{address, id, open};

/// A way to the server whose first callers are sent away.
struct Door {
    port: u16,
    n_sent_away: Arc<AtomicU32>,
    _tasks: JoinSet<()>,
}

impl Door {
    /// The first `n` are told `code`, all others are passed on to `port`.
    async fn before(port: u16, n: u32, code: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap().port();
        let n_sent_away = Arc::new(AtomicU32::new(0));
        let sent = n_sent_away.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                if sent.load(Ordering::SeqCst) < n {
                    sent.fetch_add(1, Ordering::SeqCst);
                    open.spawn(send_away(client, code));
                } else {
                    open.spawn(pass(client, port, Arc::default(), Arc::default()));
                }
            }
        });
        Self { port: at, n_sent_away, _tasks: tasks }
    }

    fn url(&self, more: &str) -> String {
        Cluster::url_at("127.0.0.1", self.port, more)
    }

    fn n_sent_away(&self) -> u32 {
        self.n_sent_away.load(Ordering::SeqCst)
    }
}

/// As a server does before it looks at who calls: a StartupMessage is answered by an ErrorResponse, and that was it
/// (PostgreSQL documentation, 53.2.1 and 53.7).
async fn send_away(mut client: TcpStream, code: &str) {
    let length = client.read_u32().await.unwrap();
    let mut startup = vec![0; usize::try_from(length).unwrap() - 4];
    client.read_exact(&mut startup).await.unwrap();
    let fields = format!("SFATAL\0VFATAL\0C{code}\0Mnot now\0\0");
    let mut answer = vec![b'E'];
    answer.extend(u32::try_from(fields.len() + 4).unwrap().to_be_bytes());
    answer.extend(fields.as_bytes());
    client.write_all(&answer).await.unwrap();
}

/// The codes of appendix A that say nothing about who calls: cannot_connect_now while the server starts,
/// too_many_connections, and class 08, which poolers use as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lets_nobody_in_yet_is_asked_again() {
    let cluster = Cluster::start();
    for code in ["57P03", "53300", "08006", "08P01"] {
        let door = Door::before(cluster.port(), 2, code).await;
        let store = open(&door.url(&format!("schema=after_{}", code.to_lowercase()))).await;
        assert_eq!(door.n_sent_away(), 2, "{code}");
        assert_eq!(store.environments().await.unwrap(), []);
    }
}

/// The server's own word for it: a role that may have no connection now, and may have one a moment later.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_taken_are_waited_for() {
    let cluster = Cluster::start();
    open(&cluster.url("")).await;
    cluster.sql(
        "create role guest login password 'guest' connection limit 0;
         grant usage on schema understudy to guest;
         grant select, insert, update on all tables in schema understudy to guest",
    );
    let url = format!("postgres://guest:guest@127.0.0.1:{}/understudy", cluster.port());
    let (there, fresh) = (address(&url), id("store-2"));
    let lifted = async {
        tokio::time::sleep(Duration::from_millis(800)).await;
        cluster.sql("alter role guest connection limit -1")
    };
    let (opened, _) = tokio::join!(Postgres::open(&there, &fresh), lifted);
    assert_eq!(opened.unwrap().store_id().await.unwrap(), id("store-1"));
}

/// Patience has an end, and what is told then is not that user or password were wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lets_nobody_in_at_all_is_one_that_cannot_be_reached() {
    let door = Door::before(1, u32::MAX, "57P03").await;
    let error = Postgres::open(&address(&door.url("")), &id("store-1")).await.unwrap_err();
    assert!(matches!(error, OpenError::Unreachable { is_busy: true, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("cannot be reached: not now (57P03)") && text.contains("@127.0.0.1:"), "{text}");
    assert!(error.hint().contains("max_connections"), "{}", error.hint());
    assert!(Cluster::password().iter().all(|password| !text.contains(password)), "{text}");
    assert!(door.n_sent_away() > 2, "it was asked more than once: {}", door.n_sent_away());
}

/// Who is refused for what the address says is told so, and nobody is asked twice: some servers count wrong passwords.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_not_tried_again() {
    for code in ["28P01", "28000", "3D000"] {
        let door = Door::before(1, u32::MAX, code).await;
        let error = Postgres::open(&address(&door.url("")), &id("store-1")).await.unwrap_err();
        assert!(matches!(error, OpenError::Login { .. }), "{code}: {error:?}");
        assert_eq!(door.n_sent_away(), 1, "{code}");
    }
}
