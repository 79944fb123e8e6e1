//! Health checks, really run against the machine's endpoint.
//!
//! Until the first success a check is repeated quickly and a failure is not reported within the grace period; after
//! that it runs at its interval.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::spec::{Check, Probe};
use crate::{
    clock,
    cloud::Cloud,
    faults::{Chance, FaultName},
};

/// Between two tries while the program comes up.
const QUICK: Duration = Duration::from_millis(150);
/// How long after the start tries are quick, whatever the grace period.
const COMING_UP: Duration = Duration::from_secs(10);
/// Of a body, as much is read and as much is reported.
const BODY: usize = 64 * 1024;
const OUTPUT: usize = 200;

/// Whose check it is.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) app: String,
    pub(crate) machine: String,
    pub(crate) generation: u64,
    pub(crate) since_us: u64,
    pub(crate) endpoint: Option<SocketAddr>,
}

/// Runs one check until the task is aborted.
pub(crate) async fn run(cloud: Arc<Cloud>, watched: Watched, check: Check) {
    let (mut passed_once, mut turn) = (false, 0u64);
    loop {
        let (passing, output) = once(&cloud, &watched, &check, turn).await;
        turn += 1;
        let up = Duration::from_micros(clock::now_us().saturating_sub(watched.since_us));
        passed_once |= passing;
        if passing || passed_once || up >= check.grace {
            cloud.note_check(&watched.machine, watched.generation, &check.name, passing, output);
        }
        let quick = !passed_once && up < check.grace.max(COMING_UP);
        tokio::time::sleep(if quick { QUICK.min(check.interval) } else { check.interval }).await;
    }
}

async fn once(cloud: &Cloud, watched: &Watched, check: &Check, turn: u64) -> (bool, String) {
    let chance = Chance { app: Some(&watched.app), machine: Some(&watched.machine), ..Chance::default() };
    if cloud.faults.strike(FaultName::CheckFailing, chance).is_some() {
        return (false, String::from("fault check-failing"));
    }
    if turn % 2 == 1 && cloud.faults.strike(FaultName::CheckFlapping, chance).is_some() {
        return (false, String::from("fault check-flapping"));
    }
    let Some(endpoint) = watched.endpoint else {
        return (false, format!("nothing is known to listen on port {}", check.port));
    };
    match tokio::time::timeout(check.timeout, probe(endpoint, &check.probe)).await {
        Ok(Ok((passing, output))) => (passing, output),
        Ok(Err(why)) => (false, why),
        Err(_) => (false, format!("no answer within {} ms", check.timeout.as_millis())),
    }
}

async fn probe(endpoint: SocketAddr, probe: &Probe) -> Result<(bool, String), String> {
    let stream = TcpStream::connect(endpoint).await.map_err(|e| format!("connect: {e}"))?;
    let Probe::Http { method, path, headers } = probe else {
        return Ok((true, String::from("connected")));
    };
    let mut request = Request::builder().method(method.as_str()).uri(path.as_str());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request = request.header(HOST, endpoint.to_string());
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request =
        request.body(Empty::<Bytes>::new()).map_err(|e| format!("the check's request is invalid: {e}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(|e| format!("no answer: {e}"))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), BODY).collect().await;
        let body = body.map(|b| String::from_utf8_lossy(&b.to_bytes()).into_owned()).unwrap_or_default();
        let shown: String = body.chars().take(OUTPUT).collect();
        Ok((status.is_success(), format!("{status} {shown}").trim_end().to_owned()))
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        done = &mut exchange => done,
        // The connection may end right after it delivered the answer.
        _ = connection => exchange.await,
    }
}
