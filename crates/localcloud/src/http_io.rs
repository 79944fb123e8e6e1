//! Serving HTTP/1.1: one accept loop for API, registry and edges, and the body type they share.

use std::{
    fs::File,
    io::{self, Read},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Frame, Incoming, SizeHint},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};

/// Every body that we send.
pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// The connection is to be dropped without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on purpose")]
pub(crate) struct Cut;

/// A body that is there already.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// An answer without headers of its own.
pub(crate) fn plain(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut answer = Response::new(full(body));
    *answer.status_mut() = status;
    answer
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    let mut answer = plain(status, value.to_string());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    answer
}

/// A text answer.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut answer = plain(status, body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// The next `left` bytes of a file, read as they are sent.
pub(crate) fn file(file: File, left: u64) -> Body {
    FileBody { file, left }.boxed()
}

/// Read at a time.
const CHUNK: usize = 64 * 1024;

#[derive(Debug)]
struct FileBody {
    file: File,
    left: u64,
}

impl hyper::body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let wanted = usize::try_from(self.left).unwrap_or(CHUNK).min(CHUNK);
        let mut buffer = vec![0; wanted];
        Poll::Ready(Some(match self.file.read(&mut buffer) {
            Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            Ok(n) => {
                self.left -= u64::try_from(n).unwrap_or(self.left);
                buffer.truncate(n);
                Ok(Frame::data(Bytes::from(buffer)))
            }
            Err(error) => Err(error),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Answers requests on `listener` until dropped; its connections end with it.
pub(crate) async fn serve<H, F>(listener: TcpListener, handler: Arc<H>)
where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Cut>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(_) => {
                    // Out of descriptors or a connection that died in the queue: both pass.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        let _ = stream.set_nodelay(true);
        let handler = Arc::clone(&handler);
        connections.spawn(async move {
            let service = service_fn(move |request| handler(request, peer));
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                // A kept connection may be idle for as long as its client likes: closing it could race with a request.
                .header_read_timeout(None)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            // A client that goes away, and a cut on purpose, end here.
            let _ = served.await;
        });
    }
}
