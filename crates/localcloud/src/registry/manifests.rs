//! Manifest PUT, GET, HEAD and DELETE, by tag and by digest.

use hyper::{
    Method, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION},
};
use serde_json::Value;

use super::{
    Refusal, names,
    store::{self, Manifest, Store},
    uploads::put as set,
};
use crate::http_io::{self, Body};

/// The largest manifest taken, as the distribution spec recommends.
pub(crate) const LARGEST: usize = 4 * 1024 * 1024;

const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// GET and HEAD.
pub(crate) fn get(
    store: &Store,
    method: &Method,
    repository: &str,
    reference: &str,
) -> Result<Response<Body>, Refusal> {
    let manifest = store.manifest(repository, reference)?.ok_or_else(|| unknown(repository, reference))?;
    let size = manifest.bytes.len();
    let body = if *method == Method::HEAD { Vec::new() } else { manifest.bytes };
    let mut answer = http_io::plain(StatusCode::OK, body);
    set(&mut answer, CONTENT_TYPE, &manifest.media_type);
    set(&mut answer, DIGEST, &manifest.digest);
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(size));
    Ok(answer)
}

/// PUT: the bytes are kept as they came; all that they name must be in the repository already.
pub(crate) fn put(
    store: &Store,
    repository: &str,
    reference: &str,
    media_type: Option<&str>,
    bytes: Vec<u8>,
) -> Result<Response<Body>, Refusal> {
    let invalid = |why: String| Refusal::bad("MANIFEST_INVALID", why);
    let json: Value =
        serde_json::from_slice(&bytes).map_err(|e| invalid(format!("the manifest is no JSON: {e}")))?;
    let own_type = json.get("mediaType").and_then(Value::as_str);
    let media_type =
        media_type.or(own_type).unwrap_or("application/vnd.oci.image.manifest.v1+json").to_owned();
    for missing in json.get("manifests").and_then(Value::as_array).into_iter().flatten() {
        let digest = digest_in(missing)
            .ok_or_else(|| invalid(String::from("an entry of `manifests` has no digest")))?;
        if !store.has_manifest(repository, digest) {
            return Err(Refusal::not_found(
                "MANIFEST_BLOB_UNKNOWN",
                format!("manifest {digest} was not pushed here"),
            ));
        }
    }
    let layers = json.get("layers").and_then(Value::as_array).into_iter().flatten();
    for blob in json.get("config").into_iter().chain(layers) {
        let digest = digest_in(blob).ok_or_else(|| invalid(String::from("a descriptor has no digest")))?;
        if blob.get("urls").is_none() && !store.has_blob(repository, digest) {
            return Err(Refusal::not_found(
                "MANIFEST_BLOB_UNKNOWN",
                format!("blob {digest} was not pushed here"),
            ));
        }
    }
    let digest = store::digest_of(&bytes);
    let by_digest = reference.starts_with("sha256:");
    if by_digest && reference != digest {
        return Err(Refusal::bad(
            "DIGEST_INVALID",
            format!("the manifest has digest {digest}, not {reference}"),
        ));
    }
    if !by_digest && !names::is_tag(reference) {
        return Err(Refusal::bad("TAG_INVALID", format!("`{reference}` is no tag")));
    }
    store.put_manifest(repository, &Manifest { digest: digest.clone(), media_type, bytes })?;
    if !by_digest {
        store.tag(repository, reference, &digest)?;
    }
    let mut answer = http_io::plain(StatusCode::CREATED, "");
    set(&mut answer, LOCATION, &format!("/v2/{repository}/manifests/{digest}"));
    set(&mut answer, DIGEST, &digest);
    Ok(answer)
}

/// DELETE of a tag, or of a manifest with its tags.
pub(crate) fn delete(store: &Store, repository: &str, reference: &str) -> Result<Response<Body>, Refusal> {
    if store.delete_manifest(repository, reference)? {
        Ok(http_io::plain(StatusCode::ACCEPTED, ""))
    } else {
        Err(unknown(repository, reference))
    }
}

fn unknown(repository: &str, reference: &str) -> Refusal {
    Refusal::not_found(
        "MANIFEST_UNKNOWN",
        format!("manifest unknown: repository `{repository}` has no `{reference}`"),
    )
}

fn digest_in(descriptor: &Value) -> Option<&str> {
    descriptor.get("digest").and_then(Value::as_str).filter(|d| names::is_digest(d))
}
