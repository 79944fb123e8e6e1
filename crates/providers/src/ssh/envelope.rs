//! DSSE envelopes signed with Ed25519 keys: the bare signature of RFC 8032 over the pre-authentication encoding, so that
//! tools that know nothing of SSH can check it. A key's id is its SSH fingerprint.

use promotion::model::{Envelope, EnvelopeSignature, Person, pae};
use promotion::ports::PortError;
use signature::Signer as _;
use ssh_key::{Algorithm, HashAlg, PrivateKey, PublicKey, Signature};

use super::{AllowedSigners, person};

/// Signs `payload` with `key`.
pub(super) fn seal(key: &PrivateKey, payload_type: &str, payload: &[u8]) -> Result<Envelope, PortError> {
    let who = key.public_key();
    if key.algorithm() != Algorithm::Ed25519 {
        return Err(PortError::refused(format!(
            "the runner's key {} is {}, and evidence is signed with ssh-ed25519; put another key there",
            person(who),
            key.algorithm()
        )));
    }
    let signed: Signature = key
        .try_sign(&pae(payload_type, payload))
        .map_err(|error| PortError::refused(format!("the runner's key cannot sign: {error}")))?;
    let signature = EnvelopeSignature { keyid: keyid(who), sig: signed.as_bytes().to_vec() };
    let (payload_type, payload) = (payload_type.to_owned(), payload.to_vec());
    Ok(Envelope { payload, payload_type, signatures: vec![signature] })
}

/// The first of those who may sign in `namespace` and signed it; of several signatures one that is good is enough, so that a
/// key can give way to another one.
pub fn open(allowed: &AllowedSigners, namespace: &str, envelope: &Envelope) -> Result<Person, PortError> {
    open_by(allowed, namespace, envelope, None)
}

/// The same; of several who signed it rather `by`, where that is one of them.
pub(super) fn open_by(
    allowed: &AllowedSigners,
    namespace: &str,
    envelope: &Envelope,
    by: Option<&Person>,
) -> Result<Person, PortError> {
    let text = pae(&envelope.payload_type, &envelope.payload);
    let is_by = |key: &PublicKey, signed: &EnvelopeSignature| {
        let is_meant = signed.keyid.is_empty() || signed.keyid == keyid(key);
        let signature = Signature::new(Algorithm::Ed25519, signed.sig.clone());
        is_meant && signature.is_ok_and(|it| signature::Verifier::verify(key, &text, &it).is_ok())
    };
    let known: Vec<&PublicKey> = allowed.keys(namespace).collect();
    let pairs = envelope.signatures.iter().flat_map(|signed| known.iter().map(move |key| (*key, signed)));
    let good: Vec<Person> =
        pairs.filter(|(key, signed)| is_by(key, signed)).map(|(key, _)| person(key)).collect();
    let meant = good.iter().find(|who| by == Some(*who));
    if let Some(who) = meant.or(good.first()) {
        return Ok(who.clone());
    }
    let ids: Vec<&str> = envelope.signatures.iter().map(|signed| signed.keyid.as_str()).collect();
    Err(PortError::refused(format!(
        "none of its signatures ({}) is good and by somebody in the allowed signers for namespace `{namespace}`",
        ids.join(", ")
    )))
}

fn keyid(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}
