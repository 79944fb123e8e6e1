//! Approvals that carry an SSH signature over promotion, plan and decision.

use async_trait::async_trait;
use promotion::model::{Claim, Person};
use promotion::ports::{Approvals, PortError};

use super::{APPROVAL_NAMESPACE, AllowedSigners, signer};

/// Checks approvals against the allowed signers.
#[derive(Debug, Clone)]
pub struct SshApprovals {
    allowed: AllowedSigners,
}

impl SshApprovals {
    /// Over a file that was read already.
    pub const fn new(allowed: AllowedSigners) -> Self {
        Self { allowed }
    }
}

#[async_trait]
impl Approvals for SshApprovals {
    async fn verify(&self, claim: &Claim) -> Result<Person, PortError> {
        let text = Claim::statement(&claim.promotion, &claim.plan, claim.decision);
        signer(&self.allowed, APPROVAL_NAMESPACE, &text, &claim.proof)
    }
}
