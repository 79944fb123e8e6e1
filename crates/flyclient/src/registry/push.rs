//! Blobs in and out, and images from memory.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use flytypes::{Digest, ImageRef};
use futures_util::{StreamExt, stream};
use http::{HeaderValue, Method, StatusCode, header};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{
    Error, ErrorKind, Manifest, Registry,
    copy::Tally,
    manifest::{behind, digest_of, hex},
    session::{Exchange, header_value, location},
};
use crate::{
    retry::{self, Attempt},
    transport::{Body, ByteStream, Reason, TransportError},
};

/// An image or an artefact in memory.
#[derive(Debug, Clone)]
pub struct Push {
    /// Where to.
    pub repository: String,
    /// Under which tag, beside its digest.
    pub tag: Option<String>,
    /// Media type of the manifest.
    pub media_type: String,
    /// The manifest, byte for byte.
    pub manifest: Bytes,
    /// The blobs that it names: configuration and layers.
    pub blobs: Vec<Bytes>,
}

/// How a blob came to a repository.
pub(super) enum Landed {
    Already,
    Mounted,
    Sent,
}

impl Registry {
    /// Writes blobs, then the manifest by its digest, then the tag. What is there already is not sent again.
    pub async fn push(&self, push: &Push) -> Result<ImageRef, Error> {
        let manifest = Manifest {
            digest: digest_of(&push.manifest),
            media_type: push.media_type.clone(),
            bytes: push.manifest.clone(),
        };
        let name = format!("{}/{}", self.host, push.repository);
        let image = ImageRef::by_digest(&self.host, &push.repository, manifest.digest.clone())
            .map_err(|error| Error::configuration("push image", &name, &error.to_string()))?;
        for blob in &push.blobs {
            let digest = digest_of(blob);
            if !self.has_blob(&push.repository, &digest).await? {
                self.put_blob(&push.repository, &digest, blob).await?;
            }
        }
        self.put_manifest(&push.repository, manifest.digest.as_str(), &manifest).await?;
        if let Some(tag) = &push.tag {
            self.put_manifest(&push.repository, tag, &manifest).await?;
        }
        Ok(image)
    }

    pub(super) fn blob_exchange<'a>(
        &self,
        operation: &'static str,
        repository: &'a str,
        digest: &Digest,
        method: Method,
    ) -> Result<Exchange<'a>, Error> {
        let url = self.url(operation, repository, &format!("blobs/{digest}"))?;
        let mut exchange = Exchange::new(operation, repository, method, url);
        exchange.reference = behind(digest.as_str());
        Ok(exchange)
    }

    pub(super) async fn has_blob(&self, repository: &str, digest: &Digest) -> Result<bool, Error> {
        let exchange = self.blob_exchange("look for blob", repository, digest, Method::HEAD)?;
        Ok(self.exchange(&exchange, &[404]).await?.status.is_success())
    }

    pub(super) async fn get_blob(
        &self,
        repository: &str,
        digest: &Digest,
        limit: usize,
    ) -> Result<Bytes, Error> {
        let mut exchange = self.blob_exchange("read blob", repository, digest, Method::GET)?;
        exchange.long = true;
        let (result, effort) = retry::run(&self.policy, &*self.clock, exchange.url.path(), || async {
            let response = self.open(&exchange, &[]).await?;
            response.bytes(limit).await.map_err(|error| self.no_answer(&exchange, error))
        })
        .await;
        let bytes: Bytes = result.map_err(|error: Error| error.with_attempts(effort.attempts))?;
        let actual = digest_of(&bytes);
        if actual == *digest {
            return Ok(bytes);
        }
        let kind = ErrorKind::Corrupt { expected: digest.clone(), actual };
        Err(Error::plain(exchange.operation, &self.subject(&exchange), kind))
    }

    async fn put_blob(&self, repository: &str, digest: &Digest, blob: &Bytes) -> Result<(), Error> {
        let key = format!("write blob {digest}");
        let (result, effort) = retry::run(&self.policy, &*self.clock, &key, || async {
            let Some(upload) = self.begin(repository, digest, None).await? else { return Ok(()) };
            self.finish(repository, digest, upload, Body::Bytes(blob.clone())).await
        })
        .await;
        result.map_err(|error: Error| error.with_attempts(effort.attempts))
    }

    /// Brings a blob from a repository of `source`: it is there already, or mounted, or sent through us in a stream.
    pub(super) async fn bring_blob(
        &self,
        source: &Self,
        from: &str,
        to: &str,
        digest: &Digest,
        size: u64,
        tally: &Arc<Tally>,
    ) -> Result<Landed, Error> {
        if self.has_blob(to, digest).await? {
            tally.add(size);
            return Ok(Landed::Already);
        }
        let key = format!("copy blob {digest} to {to}");
        let mount = (self.host == source.host).then_some(from);
        let (result, effort) = retry::run(&self.policy, &*self.clock, &key, || async {
            let Some(upload) = self.begin(to, digest, mount).await? else {
                tally.add(size);
                return Ok(Landed::Mounted);
            };
            let mut exchange =
                source.blob_exchange("read blob", from, digest, Method::GET).map_err(for_good)?;
            exchange.long = true;
            let body = source.open(&exchange, &[]).await?.body;
            let (verified, verdict) = verified(body, digest.clone(), size);
            let (counted, passed) = counted(verified, tally);
            let sent = self.finish(to, digest, upload, Body::Stream { length: size, stream: counted }).await;
            if sent.is_err() {
                tally.take_back(passed.load(Ordering::SeqCst));
            }
            let found = verdict.lock().unwrap_or_else(PoisonError::into_inner).take();
            match found {
                // The source's fault: no use in another try, and the destination must not be blamed.
                Some(actual) => {
                    let kind = ErrorKind::Corrupt { expected: digest.clone(), actual };
                    Err(for_good(Error::plain(exchange.operation, &source.subject(&exchange), kind)))
                }
                None => sent.map(|()| Landed::Sent),
            }
        })
        .await;
        result.map_err(|error: Error| error.with_attempts(effort.attempts))
    }

    /// Gives an image a tag, byte for byte. What the tag named before is not asked, and a tag is never read back as a truth:
    /// it is there for those who clean up.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when the image is not pinned, or `tag` is none.
    pub async fn tag(&self, image: &ImageRef, tag: &str) -> Result<(), Error> {
        let wrong = |detail: &str| Err(Error::configuration("tag image", &image.to_string(), detail));
        if image.digest().is_none() {
            return wrong("only a digest says what is tagged");
        }
        let named = format!("{}/{}:{tag}", image.registry(), image.repository()).parse::<ImageRef>();
        if named.ok().is_none_or(|named| named.tag() != Some(tag)) {
            return wrong(&format!("`{}` is no tag", tag.escape_debug()));
        }
        let manifest = self.manifest(image).await?;
        self.put_manifest(image.repository(), tag, &manifest).await
    }

    /// Takes `tag` off the repository of `image`; whether there was one. The manifest stays, under its digest (OCI
    /// distribution spec 1.1, "Deleting tags"). Idempotent.
    ///
    /// # Errors
    /// Besides those of every call: a registry that does not let tags be deleted refuses it.
    pub async fn untag(&self, image: &ImageRef, tag: &str) -> Result<bool, Error> {
        if tag.parse::<Digest>().is_ok() || tag.contains(':') {
            let why = "a digest is no tag, and manifests are not deleted";
            return Err(Error::configuration("untag image", &image.to_string(), why));
        }
        let exchange = self.manifest_exchange("delete tag of", image.repository(), tag, Method::DELETE)?;
        match self.exchange(&exchange, &[]).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens an upload; `None` when the blob was mounted from the other repository instead.
    async fn begin(
        &self,
        repository: &str,
        digest: &Digest,
        mount: Option<&str>,
    ) -> Result<Option<Url>, Attempt<Error>> {
        let mut url = self.url("write blob", repository, "blobs/uploads/").map_err(for_good)?;
        if let Some(from) = mount {
            url.query_pairs_mut().append_pair("mount", digest.as_str()).append_pair("from", from);
        }
        let mut exchange = Exchange::new("write blob", repository, Method::POST, url);
        exchange.reference = behind(digest.as_str());
        exchange.also_pull = mount;
        exchange.headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        // A registry, or who gives out its tokens, may refuse the mount because the other repository is not ours to read: then
        // it is sent.
        let not_ours =
            |error: &Error| matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::Unauthenticated);
        let response = match self.open(&exchange, &[]).await {
            Err(Attempt { error, .. }) if mount.is_some() && not_ours(&error) => {
                return Box::pin(self.begin(repository, digest, None)).await;
            }
            other => other?,
        };
        if response.status == StatusCode::CREATED {
            return Ok(None);
        }
        let place = location(&response.headers, &exchange.url);
        place.map(Some).ok_or_else(|| self.no_location(&exchange))
    }

    fn no_location(&self, exchange: &Exchange<'_>) -> Attempt<Error> {
        for_good(Error::undecodable(
            exchange.operation,
            &self.subject(exchange),
            "the upload has no Location header",
        ))
    }

    /// Sends the bytes to an open upload and closes it under the digest, which the registry verifies.
    async fn finish(
        &self,
        repository: &str,
        digest: &Digest,
        upload: Url,
        body: Body,
    ) -> Result<(), Attempt<Error>> {
        let mut exchange = Exchange::new("write blob", repository, Method::PATCH, upload);
        exchange.reference = behind(digest.as_str());
        exchange.long = true;
        exchange.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let response = self.send_stream(&exchange, body).await?;
        let Some(mut place) = location(&response.headers, &exchange.url) else {
            return Err(self.no_location(&exchange));
        };
        place.query_pairs_mut().append_pair("digest", digest.as_str());
        let mut close = Exchange::new("write blob", repository, Method::PUT, place);
        close.reference = behind(digest.as_str());
        if let Some(zero) = header_value("0") {
            close.headers.insert(header::CONTENT_LENGTH, zero);
        }
        self.open(&close, &[]).await.map(drop)
    }
}

fn for_good(error: Error) -> Attempt<Error> {
    Attempt { error, repeat: false, unreached: false, retry_after: None }
}

/// Where the digest of a body is left that was another than the expected.
type Verdict = Arc<Mutex<Option<Digest>>>;

/// Passes `size` bytes on and hashes them. The last part is held back until the hash is right: otherwise the digest of what came is
/// left in the verdict and the stream ends with an error, so that nobody takes the body for complete.
fn verified(body: ByteStream, expected: Digest, size: u64) -> (ByteStream, Verdict) {
    struct Progress {
        body: ByteStream,
        hasher: Sha256,
        passed: u64,
        ended: bool,
    }

    let verdict = Verdict::default();
    let place = verdict.clone();
    let start = Progress { body, hasher: Sha256::new(), passed: 0, ended: false };
    let stream = stream::unfold(start, move |mut progress| {
        let (place, expected) = (place.clone(), expected.clone());
        async move {
            if progress.ended {
                return None;
            }
            let part = match progress.body.next().await {
                Some(Ok(part)) => Some(part),
                Some(Err(error)) => {
                    progress.ended = true;
                    return Some((Err(error), progress));
                }
                None => None,
            };
            let bytes = part.clone().unwrap_or_default();
            progress.hasher.update(&bytes);
            progress.passed += bytes.len() as u64;
            progress.ended = part.is_none() || progress.passed >= size;
            let actual = progress.ended.then(|| hex(progress.hasher.clone().finalize().as_slice()));
            match actual {
                Some(actual) if actual != expected => {
                    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(actual);
                    Some((Err(TransportError::new(Reason::Cut, true)), progress))
                }
                _ => Some((Ok(bytes), progress)),
            }
        }
    });
    (Box::pin(stream), verdict)
}

/// Counts what passes, in all and of this stream.
fn counted(body: ByteStream, tally: &Arc<Tally>) -> (ByteStream, Arc<AtomicU64>) {
    let (tally, passed) = (tally.clone(), Arc::new(AtomicU64::new(0)));
    let own = passed.clone();
    let count = move |part: &Result<Bytes, TransportError>| {
        if let Ok(bytes) = part {
            own.fetch_add(bytes.len() as u64, Ordering::SeqCst);
            tally.add(bytes.len() as u64);
        }
    };
    (Box::pin(body.inspect(count)), passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What passes of `parts` under the digest of `content`, and the verdict.
    async fn pass(parts: &[&'static str], content: &str, size: u64) -> (String, bool, Option<Digest>) {
        let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::from_static(part.as_bytes()))).collect();
        let (mut stream, verdict) =
            verified(Box::pin(stream::iter(parts)), digest_of(content.as_bytes()), size);
        let (mut passed, mut whole) = (String::new(), true);
        while let Some(part) = stream.next().await {
            match part {
                Ok(bytes) => passed.push_str(std::str::from_utf8(&bytes).unwrap()),
                Err(_) => whole = false,
            }
        }
        let verdict = verdict.lock().unwrap().clone();
        (passed, whole, verdict)
    }

    #[tokio::test]
    async fn the_last_part_of_other_content_is_held_back() {
        assert_eq!(pass(&["ab", "cd"], "abcd", 4).await, ("abcd".to_owned(), true, None));
        assert_eq!(pass(&[], "", 0).await, (String::new(), true, None));
        assert_eq!(pass(&["ab", "cX"], "abcd", 4).await, ("ab".to_owned(), false, Some(digest_of(b"abcX"))));
        assert_eq!(
            pass(&["ab", "cdef"], "abcd", 4).await,
            ("ab".to_owned(), false, Some(digest_of(b"abcdef")))
        );
        assert_eq!(pass(&["ab"], "abcd", 4).await, ("ab".to_owned(), false, Some(digest_of(b"ab"))));
    }
}
