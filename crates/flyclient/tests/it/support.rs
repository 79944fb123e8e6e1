//! What the tests share: a client with short delays, and a server that does to connections what no HTTP server does.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use flyclient::{
    Base,
    fly::{Client, Machines},
    limits::Rates,
    retry::RetryPolicy,
    transport::{Options, ReqwestService},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

pub(crate) const TOKEN: &str = "fm2_hiddenpermission,fm2_hiddendischarge";

/// No test may hang: this is far beyond what any of them takes.
pub(crate) async fn bounded<F: Future>(test: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), test).await.expect("the test hangs")
}

pub(crate) fn client(base: &str) -> Client {
    let base: Base = base.parse().unwrap();
    let service = Arc::new(ReqwestService::new(&Options::default()).unwrap());
    let policy = RetryPolicy {
        attempts_max: 3,
        delay_min: Duration::from_millis(1),
        delay_max: Duration::from_millis(20),
        ..RetryPolicy::new(1)
    };
    Client::new(base, TOKEN.parse().unwrap(), service).with_retry(policy).with_rates(Rates::unlimited())
}

pub(crate) fn machines(base: &str) -> Machines {
    client(base).app(&"runner".parse().unwrap()).machines()
}

pub(crate) fn machine() -> serde_json::Value {
    serde_json::json!({"id": "3287457df24987", "name": "n", "state": "started", "region": "fra"})
}

/// A server that reads one request on each connection, writes `answer`, and cuts. Returns its address and a task that counts
/// connections until it is dropped.
pub(crate) async fn cutting(
    answer: &'static [u8],
) -> (SocketAddr, tokio::task::JoinSet<()>, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = count.clone();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let (mut seen, mut part) = (Vec::new(), [0u8; 4096]);
            // until the end of the head; the bodies here come with it or are not looked at
            while !seen.windows(4).any(|window| window == b"\r\n\r\n") {
                match stream.read(&mut part).await {
                    Ok(0) | Err(_) => break,
                    Ok(length) => seen.extend_from_slice(&part[..length]),
                }
            }
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        }
    });
    (address, tasks, count)
}
