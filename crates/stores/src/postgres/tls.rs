//! TLS for the connection: rustls on ring, with roots that are handed over and nothing process-wide.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

use super::verifier::Lenient;
use super::{Address, TlsMode};
use crate::roots::roots;

/// Makes the TLS half of a connection.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl Tls {
    /// For `address`; an error says what about the certificates cannot be used.
    pub(super) fn new(address: &Address) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let proof = match (address.tls, &address.roots) {
            // As libpq: who names roots and says `require` means them.
            (TlsMode::Require, Some(_)) => TlsMode::VerifyCa,
            (mode, _) => mode,
        };
        let config = match proof {
            TlsMode::VerifyFull => {
                builder.with_root_certificates(roots(address.roots.as_deref())?).with_no_client_auth()
            }
            TlsMode::VerifyCa => {
                let strict = WebPkiServerVerifier::builder_with_provider(
                    Arc::new(roots(address.roots.as_deref())?),
                    provider.clone(),
                );
                let strict = strict.build().map_err(|error| error.to_string())?;
                lenient(builder, Some(strict), &provider)
            }
            TlsMode::Require | TlsMode::Disable => lenient(builder, None, &provider),
        };
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;

fn lenient(
    builder: Builder,
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: &CryptoProvider,
) -> ClientConfig {
    let verifier = Arc::new(Lenient::new(chain, provider.signature_verification_algorithms));
    builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Session;
    type TlsConnect = Handshake;
    type Error = InvalidDnsNameError;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, InvalidDnsNameError> {
        Ok(Handshake { connector: self.0.clone(), host: ServerName::try_from(host.to_owned())? })
    }
}

/// A handshake to be.
pub(super) struct Handshake {
    connector: TlsConnector,
    host: ServerName<'static>,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Session;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Session>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let stream = self.connector.connect(self.host, socket).await?;
            Ok(Session(Box::new(stream)))
        })
    }
}

/// A connection under TLS.
pub(super) struct Session(Box<tokio_rustls::client::TlsStream<Socket>>);

impl TlsStream for Session {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Session {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Session {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }
}
