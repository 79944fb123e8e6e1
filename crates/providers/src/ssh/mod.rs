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
    Person::new(format!("ssh:{}", key.fingerprint(HashAlg::Sha256))).expect("a fingerprint has no white space")
}

/// Who signed `text` in `namespace`, when the signature is good and the key is allowed to.
fn signer(allowed: &AllowedSigners, namespace: &str, text: &str, signature: &str) -> Result<Person, PortError> {
    let signature = SshSig::from_pem(signature.as_bytes())
        .map_err(|error| PortError::refused(format!("this is no SSH signature: {error}")))?;
    let key = PublicKey::from(signature.public_key().clone());
    let who = person(&key);
    key.verify(namespace, text.as_bytes(), &signature)
        .map_err(|_| PortError::refused(format!("the signature by {who} is not over this text in namespace `{namespace}`")))?;
    if allowed.allows(&key, namespace) {
        Ok(who)
    } else {
        Err(PortError::refused(format!("{who} is not in the allowed signers for namespace `{namespace}`")))
    }
}
