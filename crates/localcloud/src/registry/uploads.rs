//! Blob uploads: begin, chunks, finish; monolithic; mount from another repository.

use std::{io, path::PathBuf};

use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_RANGE, HeaderName, HeaderValue, LOCATION, RANGE},
};
use tokio::io::AsyncWriteExt;

use super::{
    Refusal, names,
    store::{self, Store},
};
use crate::{
    http_io::{self, Body},
    ids,
};

/// One upload under way; its bytes so far lie in a file of its own.
#[derive(Debug)]
pub(crate) struct Upload {
    repository: String,
    id: String,
    file: PathBuf,
}

impl Upload {
    /// Begins an upload.
    pub(crate) fn begin(store: &Store, repository: &str) -> io::Result<Self> {
        let upload = Self::at(store, repository, &ids::nonce());
        std::fs::File::create_new(&upload.file)?;
        Ok(upload)
    }

    /// Finds an upload under way.
    pub(crate) fn find(store: &Store, repository: &str, id: &str) -> Result<Self, Refusal> {
        let upload = Self::at(store, repository, id);
        if id.bytes().all(|b| b.is_ascii_hexdigit()) && upload.file.exists() {
            Ok(upload)
        } else {
            Err(Refusal::not_found("BLOB_UPLOAD_UNKNOWN", format!("no upload `{id}` is under way")))
        }
    }

    fn at(store: &Store, repository: &str, id: &str) -> Self {
        let file = store.uploads().join(format!("{}@{id}", repository.replace('/', "~")));
        Self { repository: repository.to_owned(), id: id.to_owned(), file }
    }

    fn size(&self) -> io::Result<u64> {
        Ok(std::fs::metadata(&self.file)?.len())
    }

    /// Appends a body; `Content-Range`, where given, must continue where the last chunk ended.
    pub(crate) async fn append(&self, headers: &HeaderMap, mut body: Incoming) -> Result<(), Refusal> {
        let size = self.size()?;
        let range = headers.get(CONTENT_RANGE).and_then(|r| r.to_str().ok());
        let from = range.and_then(|r| r.trim_start_matches("bytes ").split('-').next()?.parse::<u64>().ok());
        if from.is_some_and(|from| from != size) {
            let why = format!("the next chunk starts at {size}");
            return Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID", why));
        }
        let mut file = tokio::fs::OpenOptions::new().append(true).open(&self.file).await?;
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|e| Refusal::bad("BLOB_UPLOAD_INVALID", format!("the body broke off: {e}")))?;
            if let Some(data) = frame.data_ref() {
                file.write_all(data).await?;
            }
        }
        file.flush().await?;
        Ok(())
    }

    /// 202 (or 204 to a GET) with where to go on.
    pub(crate) fn progress(&self, status: StatusCode) -> Result<Response<Body>, Refusal> {
        let end = self.size()?.saturating_sub(1);
        let location = format!("/v2/{}/blobs/uploads/{}", self.repository, self.id);
        let mut answer = http_io::plain(status, "");
        put(&mut answer, LOCATION, &location);
        put(&mut answer, RANGE, &format!("0-{end}"));
        put(&mut answer, HeaderName::from_static("docker-upload-uuid"), &self.id);
        Ok(answer)
    }

    /// Verifies the digest and makes the bytes a blob of the repository.
    pub(crate) async fn finish(self, store: &Store, digest: &str) -> Result<Response<Body>, Refusal> {
        if !names::is_digest(digest) {
            return Err(Refusal::bad("DIGEST_INVALID", format!("`{digest}` is no sha256 digest")));
        }
        let (store, wanted) = (store.clone(), digest.to_owned());
        let done = tokio::task::spawn_blocking(move || {
            let actual = store::digest_of_file(&self.file)?;
            if actual != wanted {
                std::fs::remove_file(&self.file)?;
                let why = format!("the bytes have digest {actual}, not {wanted}");
                return Err(Refusal::bad("DIGEST_INVALID", why));
            }
            store.adopt_file(&self.file, &wanted)?;
            store.link_blob(&self.repository, &wanted)?;
            Ok(created(&self.repository, &wanted))
        });
        done.await.map_err(|e| Refusal::from(io::Error::other(e)))?
    }

    /// Forgets the upload.
    pub(crate) fn cancel(self) -> io::Result<()> {
        std::fs::remove_file(self.file)
    }
}

/// 201 with where the blob is.
pub(crate) fn created(repository: &str, digest: &str) -> Response<Body> {
    let mut answer = http_io::plain(StatusCode::CREATED, "");
    put(&mut answer, LOCATION, &format!("/v2/{repository}/blobs/{digest}"));
    put(&mut answer, HeaderName::from_static("docker-content-digest"), digest);
    answer
}

/// Sets a header whose value is known to be plain ASCII.
pub(crate) fn put(answer: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}
