//! Manifests: their bytes are the truth, the model is for reading.

use bytes::Bytes;
use flytypes::Digest;
use http::{HeaderValue, Method, header};
use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE, OciManifest,
};
use sha2::{Digest as _, Sha256};

use super::{Error, ErrorKind, Registry, session::Exchange};

/// A manifest or an index as the registry keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Digest of the bytes.
    pub digest: Digest,
    /// Media type, as the registry says it, else as the manifest does.
    pub media_type: String,
    /// The bytes; a copy keeps each of them.
    pub bytes: Bytes,
}

impl Manifest {
    /// The model of what is in the bytes.
    pub(super) fn parse(&self, operation: &'static str, subject: &str) -> Result<OciManifest, Error> {
        serde_json::from_slice(&self.bytes).map_err(|error| {
            Error::undecodable(operation, subject, format!("neither an image manifest nor an index: {error}"))
        })
    }
}

/// The digest of some bytes.
pub(super) fn digest_of(bytes: &[u8]) -> Digest {
    hex(Sha256::digest(bytes).as_slice())
}

/// A digest from the hash's bytes.
pub(super) fn hex(hash: &[u8]) -> Digest {
    let text: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Digest::from_hex(&text).expect("because SHA-256 has 32 bytes")
}

fn accept() -> HeaderValue {
    let types = [
        OCI_IMAGE_INDEX_MEDIA_TYPE,
        IMAGE_MANIFEST_LIST_MEDIA_TYPE,
        OCI_IMAGE_MEDIA_TYPE,
        IMAGE_MANIFEST_MEDIA_TYPE,
    ];
    HeaderValue::from_str(&types.join(", ")).expect("because media types are ASCII")
}

/// `:tag` or `@digest`, for errors.
pub(super) fn behind(reference: &str) -> String {
    let mark = if reference.contains(':') { '@' } else { ':' };
    format!("{mark}{reference}")
}

impl Registry {
    pub(super) fn manifest_exchange<'a>(
        &self,
        operation: &'static str,
        repository: &'a str,
        reference: &str,
        method: Method,
    ) -> Result<Exchange<'a>, Error> {
        let url = self.url(operation, repository, &format!("manifests/{reference}"))?;
        let mut exchange = Exchange::new(operation, repository, method, url);
        exchange.reference = behind(reference);
        exchange.headers.insert(header::ACCEPT, accept());
        Ok(exchange)
    }

    pub(super) async fn has_manifest(&self, repository: &str, reference: &str) -> Result<bool, Error> {
        let exchange = self.manifest_exchange("look for image", repository, reference, Method::HEAD)?;
        Ok(self.exchange(&exchange, &[404]).await?.status.is_success())
    }

    /// Reads a manifest and verifies it: against `expected`, against what the registry says, and over its bytes.
    pub(super) async fn get_manifest(
        &self,
        repository: &str,
        reference: &str,
        expected: Option<&Digest>,
    ) -> Result<Manifest, Error> {
        let exchange = self.manifest_exchange("read manifest of", repository, reference, Method::GET)?;
        let reply = self.exchange(&exchange, &[]).await?;
        let actual = digest_of(&reply.body);
        let told = reply.headers.get("docker-content-digest").and_then(|value| value.to_str().ok());
        let told: Option<Digest> = told.and_then(|text| text.parse().ok());
        if let Some(expected) =
            [expected, told.as_ref()].into_iter().flatten().find(|digest| **digest != actual)
        {
            let kind = ErrorKind::Corrupt { expected: expected.clone(), actual };
            return Err(Error::plain(exchange.operation, &self.subject(&exchange), kind));
        }
        let content_type = reply.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let said = content_type.map(|text| text.split(';').next().unwrap_or_default().trim().to_owned());
        let mut manifest =
            Manifest { digest: actual, media_type: said.unwrap_or_default(), bytes: reply.body };
        if !manifest.media_type.contains("manifest") && !manifest.media_type.contains("index") {
            let model = manifest.parse(exchange.operation, &self.subject(&exchange))?;
            model.content_type().clone_into(&mut manifest.media_type);
        }
        Ok(manifest)
    }

    /// Writes a manifest under a tag or its digest, byte for byte.
    pub(super) async fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        manifest: &Manifest,
    ) -> Result<(), Error> {
        let mut exchange = self.manifest_exchange("write manifest of", repository, reference, Method::PUT)?;
        let content_type = HeaderValue::from_str(&manifest.media_type).map_err(|_| {
            Error::configuration(exchange.operation, &self.subject(&exchange), "the media type is no header")
        })?;
        exchange.headers.insert(header::CONTENT_TYPE, content_type);
        exchange.body = Some(manifest.bytes.clone());
        let reply = self.exchange(&exchange, &[]).await?;
        let told = reply.headers.get("docker-content-digest").and_then(|value| value.to_str().ok());
        match told.and_then(|text| text.parse::<Digest>().ok()) {
            Some(actual) if actual != manifest.digest => {
                let kind = ErrorKind::Corrupt { expected: manifest.digest.clone(), actual };
                Err(Error::plain(exchange.operation, &self.subject(&exchange), kind))
            }
            _ => Ok(()),
        }
    }
}
