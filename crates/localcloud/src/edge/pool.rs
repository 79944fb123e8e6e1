//! Idle connections to machines, and the body that gives one back when it has been read to its end.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    body::{Body as _, Frame, Incoming, SizeHint},
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::Instant};

use super::{Edge, counts::InFlight};
use crate::http_io::Body;

/// Idle connections kept per machine.
const KEPT: usize = 16;
/// How long one is kept.
const IDLE: Duration = Duration::from_secs(30);
/// A machine that does not accept within this time counts as refusing.
const CONNECT: Duration = Duration::from_secs(2);

/// An idle connection and since when it is idle.
type Idle = (SendRequest<Body>, Instant);

/// Idle connections by address.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: Mutex<BTreeMap<SocketAddr, Vec<Idle>>>,
}

impl Pool {
    /// The most recently used connection that is still good.
    pub(crate) fn take(&self, address: SocketAddr) -> Option<SendRequest<Body>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.get_mut(&address)?;
        kept.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < IDLE);
        let at = kept.iter().rposition(|(sender, _)| sender.is_ready())?;
        Some(kept.remove(at).0)
    }

    fn give_back(&self, address: SocketAddr, sender: SendRequest<Body>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.entry(address).or_default();
        if kept.len() < KEPT && !sender.is_closed() {
            kept.push((sender, Instant::now()));
        }
    }
}

/// A new connection; the task that drives it belongs to the edge.
pub(crate) async fn connect(edge: &Edge, address: SocketAddr) -> io::Result<SendRequest<Body>> {
    let stream = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    edge.crew.spawn(async move {
        // How it ended is told to whoever sent a request on it.
        let _ = connection.with_upgrades().await;
    });
    Ok(sender)
}

/// An answer's body on its way to the client. Holds the count of requests under way, and gives the connection back
/// once all of it was read.
#[derive(Debug)]
pub(crate) struct Flow {
    body: Incoming,
    lent: Option<(Arc<Edge>, SocketAddr, SendRequest<Body>)>,
    _count: InFlight,
}

impl Flow {
    pub(crate) fn new(
        body: Incoming,
        edge: &Arc<Edge>,
        address: SocketAddr,
        sender: SendRequest<Body>,
        count: InFlight,
    ) -> Self {
        Self { body, lent: Some((Arc::clone(edge), address, sender)), _count: count }
    }

    fn give_back(&mut self) {
        if let Some((edge, address, sender)) = self.lent.take() {
            edge.pool.give_back(address, sender);
        }
    }
}

impl hyper::body::Body for Flow {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(None) = polled {
            self.give_back();
        }
        polled.map(|frame| frame.map(|f| f.map_err(io::Error::other)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.give_back();
        }
    }
}
