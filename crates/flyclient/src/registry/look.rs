//! What is in an image: labels and platforms.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use flytypes::{Digest, ImageRef};
use oci_client::manifest::{ImageIndexEntry, OciImageManifest, OciManifest};
use serde::Deserialize;

use super::{Error, ErrorKind, Registry, session::SMALL_BYTES_MAX};

/// An operating system and a processor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// For instance `linux`.
    pub os: String,
    /// For instance `amd64`.
    pub architecture: String,
    /// For instance `v8`.
    pub variant: Option<String>,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

/// As much of an image's configuration as is needed; artefacts have an empty one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ImageConfig {
    os: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
    config: Option<Inner>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Inner {
    #[serde(rename = "Labels")]
    labels: Option<BTreeMap<String, String>>,
}

const OPERATION: &str = "look into image";

/// What an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Its digest, computed over the bytes: of an index, the index's own.
    pub digest: Digest,
    /// Of an index: each platform that runs, and the digest of its manifest. Empty for an image of one platform, which has no
    /// other digest.
    pub platforms: BTreeMap<Platform, Digest>,
    /// As [`Registry::labels`]; none where there is nothing that could have some.
    pub labels: BTreeMap<String, String>,
}

impl Registry {
    /// Everything that is asked about an image before it is run.
    ///
    /// # Errors
    /// As [`Registry::resolve`].
    pub async fn contents(&self, image: &ImageRef) -> Result<Contents, Error> {
        let manifest = self.manifest(image).await?;
        let pinned = image.pinned(manifest.digest.clone());
        let mut platforms = BTreeMap::new();
        let model = manifest.parse(OPERATION, &image.to_string())?;
        if let OciManifest::ImageIndex(index) = &model {
            for entry in index.manifests.iter().filter(|entry| runs(entry)) {
                if let Some(platform) = platform(entry) {
                    platforms.insert(platform, self.parse(&pinned, &entry.digest)?);
                }
            }
        }
        let labels = match self.labels_of(&pinned, model).await {
            // An artefact may come without a configuration, and an index may hold what nobody runs.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Undecodable) => {
                BTreeMap::new()
            }
            other => other?,
        };
        Ok(Contents { digest: manifest.digest, platforms, labels })
    }

    /// The labels of an image, over the annotations of its manifest. Of an index it is the `linux/amd64` image, which is what Fly
    /// runs, else the first.
    pub async fn labels(&self, image: &ImageRef) -> Result<BTreeMap<String, String>, Error> {
        let model = self.model(image).await?;
        self.labels_of(image, model).await
    }

    async fn labels_of(
        &self,
        image: &ImageRef,
        model: OciManifest,
    ) -> Result<BTreeMap<String, String>, Error> {
        let manifest = match model {
            OciManifest::Image(manifest) => manifest,
            OciManifest::ImageIndex(index) => {
                let entries: Vec<_> = index.manifests.iter().filter(|entry| runs(entry)).collect();
                let linux = entries.iter().find(|entry| {
                    platform(entry).is_some_and(|is| is.os == "linux" && is.architecture == "amd64")
                });
                let entry = linux.or(entries.first()).ok_or_else(|| {
                    Error::undecodable(OPERATION, &image.to_string(), "the index has no image that runs")
                })?;
                let digest = self.parse(image, &entry.digest)?;
                match self.model(&image.pinned(digest)).await? {
                    OciManifest::Image(manifest) => manifest,
                    OciManifest::ImageIndex(_) => {
                        let detail = "an index in an index";
                        return Err(Error::undecodable(OPERATION, &image.to_string(), detail));
                    }
                }
            }
        };
        let config = self.config(image, &manifest).await?;
        let mut labels = manifest.annotations.unwrap_or_default();
        labels.extend(config.config.and_then(|inner| inner.labels).unwrap_or_default());
        Ok(labels)
    }

    /// The platforms that an image is for; an artefact is for none.
    pub async fn platforms(&self, image: &ImageRef) -> Result<BTreeSet<Platform>, Error> {
        match self.model(image).await? {
            OciManifest::ImageIndex(index) => {
                Ok(index.manifests.iter().filter(|entry| runs(entry)).filter_map(platform).collect())
            }
            OciManifest::Image(manifest) => {
                let ImageConfig { os, architecture, variant, .. } = self.config(image, &manifest).await?;
                let known = os.zip(architecture);
                Ok(known
                    .map(|(os, architecture)| Platform { os, architecture, variant })
                    .into_iter()
                    .collect())
            }
        }
    }

    async fn model(&self, image: &ImageRef) -> Result<OciManifest, Error> {
        self.manifest(image).await?.parse(OPERATION, &image.to_string())
    }

    async fn config(&self, image: &ImageRef, manifest: &OciImageManifest) -> Result<ImageConfig, Error> {
        let digest = self.parse(image, &manifest.config.digest)?;
        let bytes = self.get_blob(image.repository(), &digest, SMALL_BYTES_MAX).await?;
        // The configuration of an artefact may be anything.
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    }

    fn parse(&self, image: &ImageRef, digest: &str) -> Result<Digest, Error> {
        digest.parse().map_err(|_| {
            Error::undecodable(OPERATION, &image.to_string(), format!("only sha256 is read, not `{digest}`"))
        })
    }
}

/// Whether an entry can run; build tools add attestations under an unknown platform.
fn runs(entry: &ImageIndexEntry) -> bool {
    platform(entry).is_none_or(|platform| platform.os != "unknown")
}

fn platform(entry: &ImageIndexEntry) -> Option<Platform> {
    let platform = entry.platform.as_ref()?;
    Some(Platform {
        os: platform.os.to_string(),
        architecture: platform.architecture.to_string(),
        variant: platform.variant.clone(),
    })
}
