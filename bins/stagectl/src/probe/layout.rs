//! Reading an OCI layout (image-spec 1.1, image-layout.md): what `skopeo copy … oci:DIR` and `buildx -o type=oci` write.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clikit::Failure;
use flyclient::registry::Push;
use serde_json::Value;

/// The repository on the stand-in.
pub(crate) const REPOSITORY: &str = "probe";

/// The image of a layout, as one push; of an index the image for this host.
pub(super) fn read(dir: &Path) -> Result<Push, Failure> {
    let broken = |why: String| {
        Failure::usage(format!("{} is no OCI layout with an image", dir.display()))
            .with_why(why)
            .with_hint("`skopeo copy docker://IMAGE oci:DIR` writes one")
    };
    let blob = |digest: &str| -> Result<Vec<u8>, Failure> {
        let path = path_of(dir, digest).ok_or_else(|| broken(format!("`{digest}` is no digest")))?;
        fs::read(&path).map_err(|error| broken(format!("{}: {error}", path.display())))
    };
    let json = |bytes: &[u8]| -> Result<Value, Failure> {
        serde_json::from_slice(bytes).map_err(|error| broken(error.to_string()))
    };
    let index = fs::read(dir.join("index.json")).map_err(|error| broken(format!("index.json: {error}")))?;
    let mut descriptor =
        chosen(&json(&index)?).ok_or_else(|| broken("index.json names no image".to_owned()))?;
    // An index within the index, one for each platform.
    let (bytes, manifest) = loop {
        let bytes = blob(descriptor["digest"].as_str().unwrap_or_default())?;
        let manifest = json(&bytes)?;
        if manifest["manifests"].is_null() {
            break (bytes, manifest);
        }
        descriptor = chosen(&manifest).ok_or_else(|| broken("it has no image for this host".to_owned()))?;
    };
    let named =
        std::iter::once(&manifest["config"]).chain(manifest["layers"].as_array().into_iter().flatten());
    let blobs: Result<Vec<_>, Failure> =
        named.map(|part| blob(part["digest"].as_str().unwrap_or_default()).map(Into::into)).collect();
    let media_type = manifest["mediaType"].as_str().or(descriptor["mediaType"].as_str());
    Ok(Push {
        repository: REPOSITORY.to_owned(),
        tag: None,
        media_type: media_type.unwrap_or("application/vnd.oci.image.manifest.v1+json").to_owned(),
        manifest: bytes.into(),
        blobs: blobs?,
    })
}

/// The entry for this host; the only one where none says what it is for.
fn chosen(index: &Value) -> Option<Value> {
    let entries = index["manifests"].as_array()?;
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let fits = |entry: &&Value| entry["platform"]["architecture"].as_str() == Some(architecture);
    let unsaid = |entry: &&Value| entry["platform"].is_null();
    entries.iter().find(fits).or_else(|| entries.iter().find(unsaid)).cloned()
}

fn path_of(dir: &Path, digest: &str) -> Option<PathBuf> {
    let (algorithm, hex) = digest.split_once(':')?;
    let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    (is_plain(algorithm) && is_plain(hex)).then(|| dir.join("blobs").join(algorithm).join(hex))
}
