//! A copy that keeps the digest.

use std::collections::BTreeSet;

use flytypes::{Digest, ImageRef};
use oci_client::manifest::{OciDescriptor, OciManifest};

use super::{Error, Manifest, Registry, manifest::behind, push::Landed, reference};

/// How deep indexes may be nested; real ones are not.
const DEPTH_MAX: usize = 3;
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
    /// else streamed and verified. All of it may be repeated.
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
        source.own(OPERATION, from)?;
        let top = source.get_manifest(from.repository(), &reference(from), from.digest()).await?;
        let image = ImageRef::by_digest(&self.host, to_repository, top.digest.clone()).map_err(|error| {
            Error::configuration(OPERATION, &format!("{}/{to_repository}", self.host), &error.to_string())
        })?;
        let report = CopyReport {
            image,
            digest: top.digest.clone(),
            bytes_mounted: 0,
            bytes_copied: 0,
            bytes_present: 0,
        };
        let mut copy = Copy {
            source,
            destination: self,
            from: from.repository(),
            to: to_repository,
            report,
            done: BTreeSet::new(),
        };
        copy.manifest(&top, 0).await?;
        let report = copy.report;
        for tag in tags {
            self.put_manifest(to_repository, tag, &top).await?;
        }
        Ok(report)
    }
}

struct Copy<'a> {
    source: &'a Registry,
    destination: &'a Registry,
    from: &'a str,
    to: &'a str,
    report: CopyReport,
    done: BTreeSet<Digest>,
}

impl Copy<'_> {
    /// Copies a manifest with all that is below it.
    async fn manifest(&mut self, manifest: &Manifest, depth: usize) -> Result<(), Error> {
        let subject = format!("{}/{}{}", self.source.host, self.from, behind(manifest.digest.as_str()));
        if depth > DEPTH_MAX {
            return Err(Error::undecodable(OPERATION, &subject, "indexes are nested too deep"));
        }
        if self.source.host == self.destination.host && self.from == self.to {
            return Ok(());
        }
        match manifest.parse(OPERATION, &subject)? {
            OciManifest::Image(image) => {
                self.blob(&image.config, &subject).await?;
                for layer in &image.layers {
                    self.blob(layer, &subject).await?;
                }
            }
            OciManifest::ImageIndex(index) => {
                for entry in &index.manifests {
                    let digest = digest(&entry.digest, &subject)?;
                    let child = self.source.get_manifest(self.from, digest.as_str(), Some(&digest)).await?;
                    Box::pin(self.manifest(&child, depth + 1)).await?;
                }
            }
        }
        self.destination.put_manifest(self.to, manifest.digest.as_str(), manifest).await
    }

    async fn blob(&mut self, descriptor: &OciDescriptor, subject: &str) -> Result<(), Error> {
        let digest = digest(&descriptor.digest, subject)?;
        // Layers that may not be distributed are fetched from elsewhere by whoever runs the image.
        let foreign =
            descriptor.media_type.contains("nondistributable") || descriptor.media_type.contains("foreign");
        if foreign || !self.done.insert(digest.clone()) {
            return Ok(());
        }
        let size = u64::try_from(descriptor.size)
            .map_err(|_| Error::undecodable(OPERATION, subject, "a blob with a negative size"))?;
        let landed = self.destination.bring_blob(self.source, self.from, self.to, &digest, size).await?;
        match landed {
            Landed::Already => self.report.bytes_present += size,
            Landed::Mounted => self.report.bytes_mounted += size,
            Landed::Sent => self.report.bytes_copied += size,
        }
        Ok(())
    }
}

fn digest(text: &str, subject: &str) -> Result<Digest, Error> {
    text.parse()
        .map_err(|_| Error::undecodable(OPERATION, subject, format!("only sha256 is copied, not `{text}`")))
}
