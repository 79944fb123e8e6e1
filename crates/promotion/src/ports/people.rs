//! People and evidence: who approved, who signed, whom to tell.

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::PortError;
use crate::machine::Phase;
use crate::model::{
    Attestation, Claim, Envelope, EnvironmentName, Hash, Person, PromotionId, Statement, Word,
};

/// Checks proofs. The only way to learn who approved, and who asked.
#[async_trait]
pub trait Approvals: Debug + Send + Sync + 'static {
    /// Who made `claim`; `Refused` when the proof is none. Reads only.
    async fn verify(&self, claim: &Claim) -> Result<Person, PortError>;

    /// Who said `word`, whoever it names; `Refused` when the proof is none. The proof of an approval is never one of a
    /// word, nor the other way round. Reads only.
    async fn verify_word(&self, word: &Word) -> Result<Person, PortError>;
}

/// Signs evidence and checks it.
#[async_trait]
pub trait Attestor: Debug + Send + Sync + 'static {
    /// Signs. Repeating gives another signature over the same text at most.
    async fn sign(&self, statement: &Statement) -> Result<Attestation, PortError>;

    /// Whether the signature is over the statement and by somebody who may attest. Reads only.
    async fn verify(&self, attestation: &Attestation) -> Result<(), PortError>;

    /// Why nobody who reads what is sealed here would believe it; nothing where they do.
    fn unbelieved(&self) -> Option<String> {
        None
    }

    /// Signs `payload`, for others to read; as often as wanted. Who attests without keys signs none.
    async fn seal(&self, payload_type: &str, _payload: &[u8]) -> Result<Envelope, PortError> {
        Err(PortError::refused(format!("no {payload_type} can be signed: there is no key for it")))
    }
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The same for every try: a channel that can edit edits.
    pub id: String,
    /// Which promotion.
    pub promotion: PromotionId,
    /// Where.
    pub environment: EnvironmentName,
    /// Where it stands.
    pub phase: Phase,
    /// Over which plan.
    pub plan: Option<Hash>,
    /// A human must look now.
    pub urgent: bool,
    /// One line for people.
    pub text: String,
}

/// Tells people. At least once, with the same id.
#[async_trait]
pub trait Notifier: Debug + Send + Sync + 'static {
    /// Sends.
    async fn notify(&self, notice: &Notice) -> Result<(), PortError>;
}
