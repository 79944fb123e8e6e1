//! TLS without ambient state: ring as provider, the bundled Mozilla roots, nothing installed process-wide.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring};

/// A configuration that works on a machine without a CA store and beside any other rustls user.
pub(super) fn config() -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    /// The hand-over to reqwest is by `Any`: with another major version of rustls building would fail.
    #[test]
    fn reqwest_takes_the_configuration() {
        let builder = reqwest::Client::builder().tls_backend_preconfigured(super::config().unwrap());
        assert!(builder.no_proxy().build().is_ok());
    }
}
