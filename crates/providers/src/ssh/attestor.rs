//! Evidence signed by a runner's key.

use std::io;
use std::path::Path;

use async_trait::async_trait;
use promotion::model::{Attestation, Envelope, STATEMENT_PAYLOAD, Statement};
use promotion::ports::{Attestor, PortError};
use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey};

use super::{ATTESTATION_NAMESPACE, AllowedSigners, envelope, person, signer};

/// Signs with one key, believes it and those that are allowed. Its `Debug` shows no key material.
#[derive(Clone)]
pub struct SshAttestor {
    key: PrivateKey,
    allowed: AllowedSigners,
    /// Its own key is among those that everybody believes.
    is_listed: bool,
    /// Others read what it seals, who know of the listed keys alone.
    is_shared: bool,
}

impl std::fmt::Debug for SshAttestor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshAttestor").field("key", &person(self.key.public_key())).finish_non_exhaustive()
    }
}

impl SshAttestor {
    /// Over a key that was read already.
    pub fn new(key: PrivateKey, allowed: AllowedSigners) -> Self {
        let is_listed = allowed.allows(key.public_key(), ATTESTATION_NAMESPACE);
        let allowed = allowed.with(key.public_key().clone(), ATTESTATION_NAMESPACE);
        Self { key, allowed, is_listed, is_shared: false }
    }

    /// Signs with a key that somebody named, and believes it only where it is listed, as everybody else does: who names a key
    /// does not say by that whose word counts.
    pub fn listed(key: PrivateKey, allowed: AllowedSigners) -> Self {
        let is_listed = allowed.allows(key.public_key(), ATTESTATION_NAMESPACE);
        Self { key, allowed, is_listed, is_shared: true }
    }

    /// The same for a journal that several machines share: the others believe this key only where it is listed.
    #[must_use]
    pub fn shared(self) -> Self {
        Self { is_shared: true, ..self }
    }
}

#[async_trait]
impl Attestor for SshAttestor {
    /// An envelope that others can read; of a key of another kind than Ed25519 an SSH signature, as before.
    async fn sign(&self, statement: &Statement) -> Result<Attestation, PortError> {
        let signature = if self.key.algorithm() == Algorithm::Ed25519 {
            envelope::seal(&self.key, STATEMENT_PAYLOAD, &statement.payload())?.text()
        } else {
            self.key
                .sign(ATTESTATION_NAMESPACE, HashAlg::Sha512, statement.text().as_bytes())
                .and_then(|signature| signature.to_pem(LineEnding::LF))
                .map_err(|error| PortError::refused(format!("the runner's key cannot sign: {error}")))?
        };
        Ok(Attestation { statement: statement.clone(), by: person(self.key.public_key()), signature })
    }

    async fn verify(&self, attestation: &Attestation) -> Result<(), PortError> {
        let who = if attestation.signature.starts_with('{') {
            let envelope = Envelope::read(&attestation.signature).map_err(PortError::refused)?;
            let who =
                envelope::open_by(&self.allowed, ATTESTATION_NAMESPACE, &envelope, Some(&attestation.by))?;
            let is_it = envelope.payload_type == STATEMENT_PAYLOAD
                && envelope.payload == attestation.statement.payload();
            if !is_it {
                return Err(PortError::refused(format!("what {who} signed is another statement")));
            }
            who
        } else {
            let text = attestation.statement.text();
            signer(&self.allowed, ATTESTATION_NAMESPACE, &text, &attestation.signature)?
        };
        if who == attestation.by {
            Ok(())
        } else {
            Err(PortError::refused(format!("it says {} and is signed by {who}", attestation.by)))
        }
    }

    fn unbelieved(&self) -> Option<String> {
        let (who, algorithm) = (person(self.key.public_key()), self.key.algorithm());
        if algorithm != Algorithm::Ed25519 {
            return Some(format!(
                "the runner's key {who} is {algorithm}, and anchors are signed with ssh-ed25519; put another key there"
            ));
        }
        (self.is_shared && !self.is_listed).then(|| {
            format!(
                "the runner's key {who} is not among the allowed signers for namespace `{ATTESTATION_NAMESPACE}`, and nobody \
                 else would believe it; list it in .understudy/allowed_signers, or leave anchors to a runner that is listed"
            )
        })
    }

    async fn seal(&self, payload_type: &str, payload: &[u8]) -> Result<Envelope, PortError> {
        envelope::seal(&self.key, payload_type, payload)
    }
}

/// The key at `path`; a new Ed25519 key, readable by its owner alone, when there is none.
pub fn read_or_make_key(path: &Path) -> io::Result<PrivateKey> {
    let other = |error: ssh_key::Error| io::Error::other(format!("{}: {error}", path.display()));
    match std::fs::read(path) {
        Ok(text) => PrivateKey::from_openssh(text).map_err(other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = passing_key()?;
            key.write_openssh_file(path, LineEnding::LF).map_err(other)?;
            Ok(key)
        }
        Err(error) => Err(error),
    }
}

/// The key in `text`, as OpenSSH writes it into a file.
///
/// # Errors
/// When it is no private key of the kind Ed25519, or one behind a passphrase: nobody is there to be asked for it. The text is not in the error.
pub fn key_of_text(text: &str) -> io::Result<PrivateKey> {
    // What passes through a variable may have lost its last line's end.
    let key = PrivateKey::from_openssh(format!("{}\n", text.trim_end())).map_err(|_| {
        io::Error::other("it is no private key in OpenSSH's format, as `ssh-keygen -t ed25519` writes it")
    })?;
    if key.is_encrypted() {
        return Err(io::Error::other("it is behind a passphrase, and nobody is there to be asked for it"));
    }
    if key.algorithm() != Algorithm::Ed25519 {
        return Err(io::Error::other(format!(
            "it is {}, and runners sign with ssh-ed25519",
            key.algorithm()
        )));
    }
    Ok(key)
}

/// A new Ed25519 key that nobody keeps.
pub fn passing_key() -> io::Result<PrivateKey> {
    PrivateKey::random(&mut OsRng, Algorithm::Ed25519).map_err(io::Error::other)
}
