//! Signed statements as others read them: in-toto statements in DSSE envelopes.
//!
//! <https://github.com/secure-systems-lab/dsse/blob/master/protocol.md> and `envelope.md`;
//! <https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::canonical;

/// A text of bytes with the signatures over it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// What is signed.
    #[serde(with = "base64_text")]
    pub payload: Vec<u8>,
    /// What kind of thing that is.
    pub payload_type: String,
    /// At least one.
    pub signatures: Vec<EnvelopeSignature>,
}

impl Envelope {
    /// Reads an envelope; nothing of it is believed yet.
    pub fn read(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("it is no envelope: {error}"))
    }

    /// As it is kept: JSON in one line.
    pub fn text(&self) -> String {
        canonical::text(self)
    }
}

/// A signature over [`pae`] of type and payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeSignature {
    /// Which key: for whoever looks for it, and believed by nobody.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub keyid: String,
    /// The signature.
    #[serde(with = "base64_text")]
    pub sig: Vec<u8>,
}

/// What is signed of a payload and its type: the pre-authentication encoding.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// What an envelope's payload is, where it is a statement.
pub const STATEMENT_PAYLOAD: &str = "application/vnd.in-toto+json";

/// What a statement says it is.
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// A statement about subjects, each known by its digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InToto<P> {
    #[serde(rename = "_type")]
    form: String,
    /// What it is about.
    pub subject: Vec<Subject>,
    /// What kind of statement this is.
    pub predicate_type: String,
    /// What is said.
    pub predicate: P,
}

/// A thing by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its name among the subjects.
    pub name: String,
    /// Algorithm → hex.
    pub digest: BTreeMap<String, String>,
}

impl Subject {
    /// Known by its SHA-256, in hex.
    pub fn sha256(name: impl Into<String>, hex: impl Into<String>) -> Self {
        Self { name: name.into(), digest: BTreeMap::from([("sha256".to_owned(), hex.into())]) }
    }
}

impl<P: Serialize + DeserializeOwned> InToto<P> {
    /// Says `predicate` of `subject`.
    pub fn new(predicate_type: &str, subject: Vec<Subject>, predicate: P) -> Self {
        let (form, predicate_type) = (STATEMENT_TYPE.to_owned(), predicate_type.to_owned());
        Self { form, subject, predicate_type, predicate }
    }

    /// The payload to be signed.
    pub fn payload(&self) -> Vec<u8> {
        canonical::text(self).into_bytes()
    }

    /// What an envelope says, its signatures apart; why it says nothing of this kind.
    pub fn of(envelope: &Envelope, predicate_type: &str) -> Result<Self, String> {
        if envelope.payload_type != STATEMENT_PAYLOAD {
            return Err(format!("its payload is {}, and not {STATEMENT_PAYLOAD}", envelope.payload_type));
        }
        let said: Self = serde_json::from_slice(&envelope.payload).map_err(|error| error.to_string())?;
        if said.form != STATEMENT_TYPE || said.predicate_type != predicate_type {
            return Err(format!(
                "it is a {} of {}, and not {predicate_type}",
                said.form, said.predicate_type
            ));
        }
        Ok(said)
    }
}

/// Written in the standard alphabet; read in the one for URLs too, as DSSE wants it.
mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(&text).or_else(|_| URL_SAFE.decode(&text)).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vector of the specification (protocol.md, "Test Vectors").
    #[test]
    fn what_is_signed_is_what_the_specification_says() {
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
        assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
    }

    /// The envelope of the same page, with its two signatures' ids; its payload in either alphabet.
    #[test]
    fn an_envelope_is_read_as_others_write_it() {
        let text = r#"{"payload":"aGVsbG8gd29ybGQ=","payloadType":"http://example.com/HelloWorld",
            "signatures":[{"sig":"_-8="},{"keyid":"66301bbf","sig":"/+8="}]}"#;
        let read: Envelope = serde_json::from_str(text).unwrap();
        assert_eq!(read.payload, b"hello world");
        assert_eq!(read.signatures[0].sig, [0xff, 0xef]);
        assert_eq!(read.signatures[1].sig, [0xff, 0xef]);
        let again = serde_json::to_value(&read).unwrap();
        assert_eq!(again["payload"], "aGVsbG8gd29ybGQ=");
        assert_eq!(again["signatures"][0], serde_json::json!({"sig": "/+8="}));
    }
}
