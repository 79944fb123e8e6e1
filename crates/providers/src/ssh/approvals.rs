//! Approvals and requests that carry an SSH signature over one line of text.

use async_trait::async_trait;
use promotion::model::{Claim, Person, Word};
use promotion::ports::{Approvals, PortError};

use super::{APPROVAL_NAMESPACE, AllowedSigners, REQUEST_NAMESPACE, signer};

/// Checks what people say against the allowed signers.
#[derive(Debug, Clone)]
pub struct SshApprovals {
    allowed: AllowedSigners,
    local: bool,
}

impl SshApprovals {
    /// Over a file that was read already.
    pub const fn new(allowed: AllowedSigners) -> Self {
        Self { allowed, local: false }
    }

    /// Takes names such as `local:mira` for requests without any proof; for a stand-in on this machine, where everything
    /// belongs to whoever runs it.
    #[must_use]
    pub const fn with_local_names(mut self, local: bool) -> Self {
        self.local = local;
        self
    }
}

#[async_trait]
impl Approvals for SshApprovals {
    async fn verify(&self, claim: &Claim) -> Result<Person, PortError> {
        let text = Claim::statement(&claim.promotion, &claim.plan, claim.decision);
        signer(&self.allowed, APPROVAL_NAMESPACE, &text, &claim.proof)
    }

    async fn verify_word(&self, word: &Word) -> Result<Person, PortError> {
        let Some(signature) = &word.proof else {
            if self.local && word.by.as_str().starts_with("local:") {
                return Ok(word.by.clone());
            }
            return Err(PortError::refused(format!("there is no signature of {}", word.by)));
        };
        signer(&self.allowed, REQUEST_NAMESPACE, &word.text, signature)
    }
}
