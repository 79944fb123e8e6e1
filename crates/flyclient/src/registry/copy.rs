//! A copy that keeps the digest, and what it would move.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flytypes::{Digest, ImageRef};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use oci_client::manifest::{OciDescriptor, OciManifest};

use super::{Error, ErrorKind, Manifest, Registry, manifest::behind, push::Landed, reference};

/// How deep indexes may be nested; real ones are not.
const DEPTH_MAX: usize = 3;
/// Blobs that are looked for or sent at the same time: enough to hide the latency of small ones, and few enough that a
/// registry does not take it for an attack (docker pulls 3 at once, skopeo 6).
const BLOBS_AT_ONCE: usize = 4;
const OPERATION: &str = "copy image";

/// What a copy did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyReport {
    /// The image in its new place: by the digest it had in the old one.
    pub image: ImageRef,
    /// That digest.
    pub digest: Digest,
    /// Bytes of blobs that the registry linked by itself.
    pub bytes_mounted: u64,
    /// Bytes of blobs that went through us.
    pub bytes_copied: u64,
    /// Bytes of blobs that were there already.
    pub bytes_present: u64,
}

/// What a copy would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The digest, which stays.
    pub digest: Digest,
    /// Bytes of all blobs.
    pub bytes_total: u64,
    /// Bytes of those that are not in the destination.
    pub bytes_missing: u64,
    /// Whether the registry may link them by itself: both places are in one registry, and the destination's credential reads
    /// the source. It need not do it.
    pub can_mount: bool,
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Bytes of blobs that are in the destination, however they came there, or on their way.
    pub done: u64,
    /// Bytes of all blobs.
    pub total: u64,
}

/// Who wants to know how far a copy is; called often, from within it.
pub type Watch = Arc<dyn Fn(Moved) + Send + Sync>;

/// Counts what moved.
pub(super) struct Tally {
    done: AtomicU64,
    total: u64,
    watch: Option<Watch>,
}

impl Tally {
    pub(super) fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::SeqCst) + bytes;
        if let Some(watch) = &self.watch {
            watch(Moved { done, total: self.total });
        }
    }

    /// What a try moved that failed.
    pub(super) fn take_back(&self, bytes: u64) {
        self.done.fetch_sub(bytes, Ordering::SeqCst);
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally").field("done", &self.done).field("total", &self.total).finish_non_exhaustive()
    }
}

impl Registry {
    /// Copies within this registry; see [`Registry::copy_from`].
    pub async fn copy(
        &self,
        from: &ImageRef,
        to_repository: &str,
        tags: &[&str],
    ) -> Result<CopyReport, Error> {
        self.copy_from(self, from, to_repository, tags).await
    }

    /// Copies an image from `source`, which may be the same registry with another credential, into a repository here, and gives it
    /// `tags` there.
    ///
    /// Manifests are written byte for byte, so that the digest stays; an index with all its images, children first, the tags
    /// last: at no time is there a name for something incomplete. Blobs are mounted within one registry where it allows that,
    /// else streamed and verified; what is there already is not sent again. All of it may be repeated.
    ///
    /// # Errors
    /// As [`Registry::resolve`] for the source, and as the registry says for the destination.
    pub async fn copy_from(
        &self,
        source: &Self,
        from: &ImageRef,
        to_repository: &str,
        tags: &[&str],
    ) -> Result<CopyReport, Error> {
        self.copy_watched(source, from, to_repository, tags, None).await
    }

    /// The same, and tells how far it is.
    pub async fn copy_watched(
        &self,
        source: &Self,
        from: &ImageRef,
        to_repository: &str,
        tags: &[&str],
        watch: Option<Watch>,
    ) -> Result<CopyReport, Error> {
        let parts = source.parts(from).await?;
        let digest = parts.top.digest.clone();
        let image = ImageRef::by_digest(&self.host, to_repository, digest.clone()).map_err(|error| {
            Error::configuration(OPERATION, &format!("{}/{to_repository}", self.host), &error.to_string())
        })?;
        let mut report = CopyReport { image, digest, bytes_mounted: 0, bytes_copied: 0, bytes_present: 0 };
        if source.host != self.host || from.repository() != to_repository {
            let tally = Arc::new(Tally { done: AtomicU64::new(0), total: parts.bytes(), watch });
            let bring = |(digest, size): (Digest, u64)| {
                let tally = tally.clone();
                async move {
                    let landed = self
                        .bring_blob(source, from.repository(), to_repository, &digest, size, &tally)
                        .await?;
                    Ok::<_, Error>((landed, size))
                }
            };
            let mut landed = stream::iter(parts.blobs).map(bring).buffer_unordered(BLOBS_AT_ONCE);
            while let Some((landed, size)) = landed.try_next().await? {
                match landed {
                    Landed::Already => report.bytes_present += size,
                    Landed::Mounted => report.bytes_mounted += size,
                    Landed::Sent => report.bytes_copied += size,
                }
            }
            drop(landed);
            for manifest in parts.below.iter().chain([&parts.top]) {
                self.put_manifest(to_repository, manifest.digest.as_str(), manifest).await?;
            }
        }
        for tag in tags {
            self.put_manifest(to_repository, tag, &parts.top).await?;
        }
        Ok(report)
    }

    /// What [`Registry::copy_from`] would move. Writes nothing.
    ///
    /// # Errors
    /// As [`Registry::copy_from`], as far as one can tell without writing.
    pub async fn survey(&self, source: &Self, from: &ImageRef, to_repository: &str) -> Result<Survey, Error> {
        let parts = source.parts(from).await?;
        let pinned = from.pinned(parts.top.digest.clone());
        let (digest, bytes_total) = (parts.top.digest.clone(), parts.bytes());
        let is_there = self.has_manifest(to_repository, digest.as_str()).await?;
        let look = |(digest, size): (Digest, u64)| async move {
            let there = is_there || self.has_blob(to_repository, &digest).await?;
            Ok::<u64, Error>(if there { 0 } else { size })
        };
        let missing = stream::iter(parts.blobs).map(look).buffer_unordered(BLOBS_AT_ONCE);
        let bytes_missing = missing.try_fold(0, async |sum, size| Ok(sum + size)).await?;
        let can_mount = source.host == self.host && self.reads(&pinned).await?;
        Ok(Survey { digest, bytes_total, bytes_missing, can_mount })
    }

    /// Whether this credential reads that image.
    async fn reads(&self, image: &ImageRef) -> Result<bool, Error> {
        match self.exists(image).await {
            Err(error) if matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::Unauthenticated) => {
                Ok(false)
            }
            other => other,
        }
    }

    async fn parts(&self, image: &ImageRef) -> Result<Parts, Error> {
        self.own(OPERATION, image)?;
        let top = self.get_manifest(image.repository(), &reference(image), image.digest()).await?;
        let mut parts = Parts { top: top.clone(), below: Vec::new(), blobs: BTreeMap::new() };
        parts.add(self, image.repository(), &top, 0).await?;
        Ok(parts)
    }
}

/// All that an image is made of.
struct Parts {
    top: Manifest,
    /// What an index names, children first.
    below: Vec<Manifest>,
    blobs: BTreeMap<Digest, u64>,
}

impl Parts {
    fn bytes(&self) -> u64 {
        self.blobs.values().sum()
    }

    async fn add(
        &mut self,
        source: &Registry,
        repository: &str,
        manifest: &Manifest,
        depth: usize,
    ) -> Result<(), Error> {
        let subject = format!("{}/{repository}{}", source.host, behind(manifest.digest.as_str()));
        if depth > DEPTH_MAX {
            return Err(Error::undecodable(OPERATION, &subject, "indexes are nested too deep"));
        }
        match manifest.parse(OPERATION, &subject)? {
            OciManifest::Image(image) => {
                for blob in image.layers.iter().chain([&image.config]) {
                    self.blob(blob, &subject)?;
                }
            }
            OciManifest::ImageIndex(index) => {
                for entry in &index.manifests {
                    let digest = digest(&entry.digest, &subject)?;
                    let child = source.get_manifest(repository, digest.as_str(), Some(&digest)).await?;
                    Box::pin(self.add(source, repository, &child, depth + 1)).await?;
                    self.below.push(child);
                }
            }
        }
        Ok(())
    }

    fn blob(&mut self, descriptor: &OciDescriptor, subject: &str) -> Result<(), Error> {
        // Layers that may not be distributed are fetched from elsewhere by whoever runs the image.
        if descriptor.media_type.contains("nondistributable") || descriptor.media_type.contains("foreign") {
            return Ok(());
        }
        let size = u64::try_from(descriptor.size)
            .map_err(|_| Error::undecodable(OPERATION, subject, "a blob with a negative size"))?;
        self.blobs.insert(digest(&descriptor.digest, subject)?, size);
        Ok(())
    }
}

fn digest(text: &str, subject: &str) -> Result<Digest, Error> {
    text.parse()
        .map_err(|_| Error::undecodable(OPERATION, subject, format!("only sha256 is copied, not `{text}`")))
}
