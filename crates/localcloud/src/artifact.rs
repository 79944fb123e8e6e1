//! Unpacking a static bundle: an OCI manifest whose layers are tar archives, plain or gzipped.

use std::{
    io::{self, Read},
    path::Path,
};

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::registry::{names, store::Store};

/// Unpacks every layer of the manifest, in order, into a directory that exists. Entries that would leave the directory
/// are refused.
pub(crate) fn unpack(store: &Store, manifest: &[u8], into: &Path) -> io::Result<()> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let manifest: Value = serde_json::from_slice(manifest)?;
    let layers = manifest
        .get("layers")
        .and_then(Value::as_array)
        .ok_or_else(|| invalid("the manifest has no layers"))?;
    for layer in layers {
        let digest = layer.get("digest").and_then(Value::as_str).filter(|d| names::is_digest(d));
        let bytes = store.read_blob(digest.ok_or_else(|| invalid("a layer has no digest"))?)?;
        if bytes.starts_with(&[0x1f, 0x8b]) {
            unpack_tar(GzDecoder::new(bytes.as_slice()), into)?;
        } else {
            unpack_tar(bytes.as_slice(), into)?;
        }
    }
    Ok(())
}

fn unpack_tar(archive: impl Read, into: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if !entry.unpack_in(into)? {
            let path = entry.path()?.display().to_string();
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("`{path}` leads out of the bundle"),
            ));
        }
    }
    Ok(())
}
