//! A runner that reads what others signed, and has no key to sign with.

use async_trait::async_trait;
use promotion::model::{Attestation, Envelope, Statement};
use promotion::ports::{Attestor, PortError};

use super::{AllowedSigners, SshAttestor, passing_key};

/// Believes the keys that are allowed, and signs nothing.
#[derive(Debug, Clone)]
pub struct Keyless {
    reader: SshAttestor,
    why: String,
}

impl Keyless {
    /// Over the keys that count; `why` says why there is none to sign with.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new(allowed: AllowedSigners, why: String) -> std::io::Result<Self> {
        Ok(Self { reader: SshAttestor::listed(passing_key()?, allowed), why })
    }
}

#[async_trait]
impl Attestor for Keyless {
    /// Nothing is sent anywhere, so that a runner with the key can go on from here.
    async fn sign(&self, _: &Statement) -> Result<Attestation, PortError> {
        Err(PortError::not_sent(self.why.clone()))
    }

    async fn verify(&self, attestation: &Attestation) -> Result<(), PortError> {
        self.reader.verify(attestation).await
    }

    fn unbelieved(&self) -> Option<String> {
        Some(self.why.clone())
    }

    async fn seal(&self, _: &str, _: &[u8]) -> Result<Envelope, PortError> {
        Err(PortError::not_sent(self.why.clone()))
    }
}
