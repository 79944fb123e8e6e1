//! Signatures with SSH keys (OpenSSH PROTOCOL.sshsig): approvals by people, evidence by runners.
//!
//! Who may sign stands in an `allowed_signers` file (ssh-keygen(1), ALLOWED SIGNERS). A person is named by the key's
//! fingerprint, `ssh:SHA256:…`, so that nobody can take another's name.

mod allowed;
mod approvals;
mod attestor;

pub use allowed::{AllowedError, AllowedSigners};
pub use approvals::SshApprovals;
pub use attestor::{SshAttestor, read_or_make_key};

use promotion::model::Person;
use promotion::ports::PortError;
use ssh_key::{HashAlg, PublicKey, SshSig};

/// The namespace of approvals: `ssh-keygen -Y sign -n understudy`.
pub const APPROVAL_NAMESPACE: &str = "understudy";
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

/// The person behind a private key file: who can read it is that person.
pub fn person_of_file(path: &std::path::Path) -> std::io::Result<Person> {
    let text = std::fs::read_to_string(path)?;
    let invalid = |error: ssh_key::Error| std::io::Error::other(error.to_string());
    let key = ssh_key::PrivateKey::from_openssh(&text).map_err(invalid)?;
    Ok(person(key.public_key()))
}

/// Signs `text` with the key in a file. An encrypted key is not asked for its passphrase here.
pub fn sign_with_file(path: &std::path::Path, namespace: &str, text: &str) -> std::io::Result<String> {
    let invalid = |error: ssh_key::Error| std::io::Error::other(error.to_string());
    let key = ssh_key::PrivateKey::from_openssh(std::fs::read(path)?).map_err(invalid)?;
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
