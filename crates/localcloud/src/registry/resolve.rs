//! From `config.image` to a digest, and what the image says about itself.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{names, store::Store};
use crate::{error::ApiError, machine::model::ImageRef};

/// A host name under which Fly's own registry is known; it means this registry.
const FLY_REGISTRY: &str = "registry.fly.io";

/// The `config` object of an image configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ImageDefaults {
    pub(crate) entrypoint: Option<Vec<String>>,
    pub(crate) cmd: Option<Vec<String>>,
    pub(crate) env: Option<Vec<String>>,
    pub(crate) working_dir: Option<String>,
    pub(crate) labels: Option<BTreeMap<String, String>>,
}

/// An artefact found: its repository, the digest it was named by, its manifest.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) repository: String,
    pub(crate) tag: String,
    pub(crate) digest: String,
    pub(crate) bytes: Vec<u8>,
}

/// Finds what `reference` names in this registry (`host`). Does not check who asks.
pub(crate) fn find(store: &Store, host: &str, reference: &str) -> Result<Found, ApiError> {
    let bad = |why: String| ApiError::bad(format!("invalid image `{reference}`: {why}"));
    let read = names::parse(reference).map_err(bad)?;
    if let Some(other) = read.host.filter(|h| *h != host && *h != FLY_REGISTRY) {
        return Err(bad(format!("registry {other} is not served here; push the image to {host}")));
    }
    let wanted = read.digest.or(read.tag).unwrap_or("latest");
    let manifest = store.manifest(read.repository, wanted).map_err(|e| ApiError::disk(&e))?;
    let manifest = manifest.ok_or_else(|| {
        bad(format!("manifest unknown: repository `{}` has no `{wanted}`", read.repository))
    })?;
    let tag = if read.digest.is_some() { "" } else { wanted };
    Ok(Found {
        repository: read.repository.to_owned(),
        tag: tag.to_owned(),
        digest: manifest.digest,
        bytes: manifest.bytes,
    })
}

/// Makes an image reference of what was found: the platform's manifest where it is an index, and the labels.
pub(crate) fn image_ref(
    store: &Store,
    host: &str,
    found: &Found,
    platform_digest: bool,
) -> Result<ImageRef, ApiError> {
    let manifest = platform_manifest(store, found)?;
    let labels = defaults(store, &manifest)?.labels.unwrap_or_default();
    let digest = if platform_digest { manifest.clone() } else { found.digest.clone() };
    Ok(ImageRef {
        registry: host.to_owned(),
        repository: found.repository.clone(),
        tag: found.tag.clone(),
        digest,
        labels,
        manifest,
    })
}

/// The digest of the manifest for this platform.
fn platform_manifest(store: &Store, found: &Found) -> Result<String, ApiError> {
    let bad =
        |why: &str| ApiError::bad(format!("invalid image `{}@{}`: {why}", found.repository, found.digest));
    let json: Value = serde_json::from_slice(&found.bytes).map_err(|_| bad("its manifest is no JSON"))?;
    let Some(children) = json.get("manifests").and_then(Value::as_array) else {
        return Ok(found.digest.clone());
    };
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let fits = |child: &&Value| {
        child.pointer("/platform/os").and_then(Value::as_str) == Some("linux")
            && child.pointer("/platform/architecture").and_then(Value::as_str) == Some(architecture)
    };
    let child = children.iter().find(fits).and_then(|c| c.get("digest")).and_then(Value::as_str);
    let child = child.ok_or_else(|| bad(&format!("the index has no image for linux/{architecture}")))?;
    if store.has_manifest(&found.repository, child) {
        Ok(child.to_owned())
    } else {
        Err(bad("manifest unknown: the index names one that was never pushed"))
    }
}

/// The configuration part of an image, by its manifest's digest.
pub(crate) fn defaults(store: &Store, manifest: &str) -> Result<ImageDefaults, ApiError> {
    let bad = |why: String| ApiError::bad(format!("invalid image {manifest}: {why}"));
    let bytes = store.read_blob(manifest).map_err(|e| bad(e.to_string()))?;
    let json: Value = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
    let config = json.pointer("/config/digest").and_then(Value::as_str);
    let config = config.ok_or_else(|| bad(String::from("its manifest names no config")))?;
    let bytes = store.read_blob(config).map_err(|e| bad(e.to_string()))?;
    let json: Value = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
    match json.get("config") {
        None | Some(Value::Null) => Ok(ImageDefaults::default()),
        Some(config) => Deserialize::deserialize(config).map_err(|e: serde_json::Error| bad(e.to_string())),
    }
}
