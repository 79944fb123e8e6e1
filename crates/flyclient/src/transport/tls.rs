//! TLS without anything global: the provider and the roots are handed over.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::SetupError;

/// Whom to trust.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Roots {
    /// Mozilla's roots, built in: also works where the machine has no store of certificates.
    #[default]
    Bundled,
    /// These alone, in PEM.
    Pem(String),
}

/// A configuration on ring, without a process-wide provider.
pub(super) fn config(roots: &Roots) -> Result<ClientConfig, SetupError> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::Bundled => {
            store.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
        }
        Roots::Pem(text) => {
            for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
                let certificate = certificate.map_err(|error| SetupError::roots(error.to_string()))?;
                store.add(certificate).map_err(|error| SetupError::roots(error.to_string()))?;
            }
        }
    }
    if store.is_empty() {
        return Err(SetupError::roots("no certificate was found".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError::roots(error.to_string()))?;
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{Options, ReqwestService};

    #[test]
    fn a_transport_needs_neither_a_global_provider_nor_a_store_of_certificates() {
        // Also proves that our rustls is reqwest's: the configuration is handed over by `Any`, another major would be refused.
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
        assert!(ReqwestService::new(&Options::default()).is_ok());
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    }

    #[test]
    fn certificates_that_cannot_be_used_are_an_error() {
        let broken = "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n";
        for text in ["", "no certificate", broken] {
            let options = Options { roots: Roots::Pem(text.to_owned()), ..Options::default() };
            let error = ReqwestService::new(&options).unwrap_err();
            assert!(error.to_string().contains("root certificates cannot be used"), "{error}");
        }
    }
}
