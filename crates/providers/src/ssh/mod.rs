//! Signatures with SSH keys (OpenSSH PROTOCOL.sshsig): requests and approvals by people, evidence by runners.
//!
//! Who may sign stands in an `allowed_signers` file (ssh-keygen(1), ALLOWED SIGNERS). A person is named by the key's
//! fingerprint, `ssh:SHA256:…`, so that nobody can take another's name.

mod allowed;
mod approvals;
mod attestor;
mod envelope;
mod keyless;

pub use allowed::{AllowedError, AllowedSigners};
pub use approvals::SshApprovals;
pub use attestor::{SshAttestor, key_of_text, passing_key, read_or_make_key};
pub use envelope::open as open_envelope;
pub use keyless::Keyless;

use promotion::model::Person;
use promotion::ports::PortError;
use ssh_key::{HashAlg, PublicKey, SshSig};

/// The private key of a runner.
pub type RunnerKey = ssh_key::PrivateKey;

/// The namespace of approvals: `ssh-keygen -Y sign -n understudy`.
pub const APPROVAL_NAMESPACE: &str = "understudy";
/// The namespace of requests, aborts and closed breakers, so that none of them can stand for an approval.
pub const REQUEST_NAMESPACE: &str = "understudy-request";
/// The namespace of evidence.
pub const ATTESTATION_NAMESPACE: &str = "understudy-attestation";

/// The person behind a key.
pub fn person(key: &PublicKey) -> Person {
    Person::new(format!("ssh:{}", key.fingerprint(HashAlg::Sha256)))
        .expect("a fingerprint has no white space")
}

/// Who signed `text` in `namespace`, when the signature is good and the key is allowed to.
fn signer(
    allowed: &AllowedSigners,
    namespace: &str,
    text: &str,
    signature: &str,
) -> Result<Person, PortError> {
    let signature = SshSig::from_pem(signature.as_bytes())
        .map_err(|error| PortError::refused(format!("this is no SSH signature: {error}")))?;
    let key = PublicKey::from(signature.public_key().clone());
    let who = person(&key);
    key.verify(namespace, text.as_bytes(), &signature).map_err(|_| {
        PortError::refused(format!("the signature by {who} is not over this text in namespace `{namespace}`"))
    })?;
    if allowed.allows(&key, namespace) {
        Ok(who)
    } else {
        Err(PortError::refused(format!("{who} is not in the allowed signers for namespace `{namespace}`")))
    }
}

/// What a key file is good for by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFile {
    /// A private key that signs.
    Private(Person),
    /// A private key behind a passphrase.
    Locked(Person),
    /// A public half: it names somebody and proves nothing.
    Public(Person),
}

impl KeyFile {
    /// Reads a private key, locked or not, or a public one.
    pub fn read(path: &std::path::Path) -> std::io::Result<Self> {
        let text = text_of(path)?;
        match ssh_key::PrivateKey::from_openssh(&text) {
            Ok(key) if key.is_encrypted() => Ok(Self::Locked(person(key.public_key()))),
            Ok(key) => Ok(Self::Private(person(key.public_key()))),
            Err(error) => match PublicKey::from_openssh(&text) {
                Ok(key) => Ok(Self::Public(person(&key))),
                Err(_) => Err(std::io::Error::other(error.to_string())),
            },
        }
    }

    /// Whom it names.
    pub const fn person(&self) -> &Person {
        match self {
            Self::Private(person) | Self::Locked(person) | Self::Public(person) => person,
        }
    }
}

/// What stands in a key file. A key that went through a variable of CI has lost the end of its last line, or has one too many.
fn text_of(path: &std::path::Path) -> std::io::Result<String> {
    Ok(format!("{}\n", std::fs::read_to_string(path)?.trim_end()))
}

/// The person whom a key file names.
pub fn person_of_file(path: &std::path::Path) -> std::io::Result<Person> {
    Ok(KeyFile::read(path)?.person().clone())
}

/// Signs `text` with the key in a file. An encrypted key is not asked for its passphrase here.
pub fn sign_with_file(path: &std::path::Path, namespace: &str, text: &str) -> std::io::Result<String> {
    let invalid = |error: ssh_key::Error| std::io::Error::other(error.to_string());
    let key = ssh_key::PrivateKey::from_openssh(text_of(path)?).map_err(invalid)?;
    if key.is_encrypted() {
        return Err(std::io::Error::other(
            "the key has a passphrase; sign with `ssh-keygen -Y sign` and give the signature",
        ));
    }
    let signature = key.sign(namespace, HashAlg::Sha512, text.as_bytes()).map_err(invalid)?;
    signature.to_pem(ssh_key::LineEnding::LF).map_err(invalid)
}

/// A key's public half as one line, `ssh-ed25519 AAAA…`, as it stands in an `allowed_signers` file.
pub fn public_line(key: &ssh_key::PrivateKey) -> String {
    key.public_key().to_openssh().unwrap_or_default()
}
