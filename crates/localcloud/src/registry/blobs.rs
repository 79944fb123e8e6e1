//! Blob GET, HEAD and DELETE.

use std::{
    fs::File,
    io::{self, Seek},
    path::Path,
};

use super::{Refusal, store::Store};
use crate::{
    http_io::{self, Body},
    range::Range,
};
use hyper::{
    HeaderMap, Method, Response, StatusCode,
    header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, RANGE},
};

/// Answers for one blob of one repository.
pub(crate) fn answer(
    store: &Store,
    method: &Method,
    repository: &str,
    digest: &str,
    headers: &HeaderMap,
) -> Result<Response<Body>, Refusal> {
    if !store.has_blob(repository, digest) {
        return Err(Refusal::not_found(
            "BLOB_UNKNOWN",
            format!("repository `{repository}` has no blob {digest}"),
        ));
    }
    match *method {
        Method::DELETE => {
            store.unlink_blob(repository, digest)?;
            Ok(http_io::plain(StatusCode::ACCEPTED, ""))
        }
        Method::HEAD | Method::GET => send(&store.blob_path(digest), digest, method, headers),
        _ => Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "UNSUPPORTED",
            "blobs know GET, HEAD and DELETE",
        )),
    }
}

fn send(path: &Path, digest: &str, method: &Method, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let range = headers.get(RANGE).and_then(|r| r.to_str().ok()).map(|r| Range::of(r, size));
    let (status, from, to) = match range {
        None | Some(Range::Ignored) => (StatusCode::OK, 0, size),
        Some(Range::Part(from, to)) => (StatusCode::PARTIAL_CONTENT, from, to),
        Some(Range::Outside) => {
            let why = format!("the blob has {size} bytes");
            return Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID", why));
        }
    };
    let body = if *method == Method::HEAD {
        http_io::full("")
    } else {
        file.seek(io::SeekFrom::Start(from))?;
        http_io::file(file, to - from)
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let head = answer.headers_mut();
    head.insert(CONTENT_LENGTH, HeaderValue::from(to - from));
    head.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    head.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(value) = HeaderValue::from_str(digest) {
        head.insert("docker-content-digest", value);
    }
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(value) = HeaderValue::from_str(&format!("bytes {from}-{}/{size}", to.saturating_sub(1)))
    {
        head.insert(CONTENT_RANGE, value);
    }
    Ok(answer)
}
