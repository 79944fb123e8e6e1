//! Anchors in a directory, and the envelopes that they are.

use promotion::conformance;
use promotion::model::{
    AnchorPoint, At, Envelope, EnvironmentName, STATEMENT_PAYLOAD, StoreId, canonical, pae,
};
use promotion::ports::{Anchors as _, Attestor as _, PortErrorKind};
use providers::DirectoryAnchors;
use providers::ssh::{
    ATTESTATION_NAMESPACE, AllowedSigners, SshAttestor, open_envelope, passing_key, person,
};
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{Algorithm, PrivateKey, Signature};

#[tokio::test]
async fn anchors_in_a_directory_conform() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("to/be/made");
    conformance::anchors(&DirectoryAnchors::new(root.clone())).await;
    // What a runner that died left behind is no anchor.
    let (store, production) = (StoreId::new("store-1").unwrap(), EnvironmentName::new("production").unwrap());
    std::fs::write(root.join("store-1/production/draft-1"), "half").unwrap();
    assert_eq!(DirectoryAnchors::new(root).list(&store, &production).await.unwrap(), [7, 10, 200]);
}

fn point() -> AnchorPoint {
    AnchorPoint {
        store: StoreId::new("store-1").unwrap(),
        environment: EnvironmentName::new("production").unwrap(),
        seq: 7,
        hash: canonical::hash("a record", "7"),
        at: At(1_800_000_000_000),
    }
}

fn allowed(keys: &[&PrivateKey]) -> AllowedSigners {
    keys.iter()
        .fold(AllowedSigners::default(), |all, key| all.with(key.public_key().clone(), ATTESTATION_NAMESPACE))
}

/// RFC 8032, 7.1, TEST 3: the key's seed and the signature over the two bytes `af82`. An envelope is signed with that
/// algorithm and nothing around it: other tools need to know no SSH.
#[tokio::test]
async fn an_envelope_carries_the_bare_signature_of_rfc_8032() {
    let seed = hex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7");
    let known = hex("6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
         18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a");
    let pair = Ed25519Keypair::from_seed(&seed.try_into().unwrap());
    let key = PrivateKey::new(KeypairData::Ed25519(pair), "test 3").unwrap();
    let made: Signature = signature::Signer::try_sign(&key, &[0xaf, 0x82]).unwrap();
    assert_eq!(made.as_bytes(), known);
    let attestor = SshAttestor::new(key.clone(), AllowedSigners::default());
    let envelope = attestor.seal(STATEMENT_PAYLOAD, &point().payload()).await.unwrap();
    let text = pae(&envelope.payload_type, &envelope.payload);
    let direct: Signature = signature::Signer::try_sign(&key, &text).unwrap();
    // Ed25519 signs alike each time (RFC 8032, 5.1.6).
    assert_eq!(envelope.signatures[0].sig, direct.as_bytes());
    assert_eq!(key.algorithm(), Algorithm::Ed25519);
    let keyid = key.fingerprint(ssh_key::HashAlg::Sha256).to_string();
    assert!(envelope.signatures[0].keyid == keyid && keyid.starts_with("SHA256:"));
    let shown = serde_json::to_value(&envelope).unwrap();
    assert_eq!(shown["payloadType"], "application/vnd.in-toto+json");
    let statement: serde_json::Value = serde_json::from_slice(&envelope.payload).unwrap();
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["subject"][0]["digest"]["sha256"], point().hash.as_str());
    assert_eq!(AnchorPoint::of(&envelope).unwrap(), point());
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|n| u8::from_str_radix(&text[n..n + 2], 16).unwrap()).collect()
}

/// Rotation: while a key gives way to another both sign; then the old one is taken from the list, and what it alone signed
/// counts no more.
#[tokio::test]
async fn one_good_signature_of_an_allowed_key_is_enough_and_none_of_a_removed_one_counts() {
    let (old, new) = (passing_key().unwrap(), passing_key().unwrap());
    let sealed = async |key: &PrivateKey| {
        let attestor = SshAttestor::new(key.clone(), AllowedSigners::default());
        attestor.seal(STATEMENT_PAYLOAD, &point().payload()).await.unwrap()
    };
    let by_old = sealed(&old).await;
    let mut by_both = by_old.clone();
    by_both.signatures.extend(sealed(&new).await.signatures);
    let open = |keys: &[&PrivateKey], envelope: &Envelope| {
        open_envelope(&allowed(keys), ATTESTATION_NAMESPACE, envelope)
    };
    assert_eq!(open(&[&old, &new], &by_old).unwrap(), person(old.public_key()));
    assert_eq!(open(&[&new], &by_both).unwrap(), person(new.public_key()));
    for (keys, envelope) in [(&[&new][..], &by_old), (&[], &by_both)] {
        let refused = open(keys, envelope).unwrap_err();
        assert_eq!(refused.kind, PortErrorKind::Refused);
        assert!(refused.message.contains("SHA256:"), "{refused}");
    }
    // A key's id is believed by nobody.
    let mut forged = by_old.clone();
    forged.signatures[0].keyid = by_both.signatures[1].keyid.clone();
    assert!(open(&[&new], &forged).is_err());
    let mut bent = by_old.clone();
    bent.payload[40] ^= 1;
    assert!(open(&[&old], &bent).is_err());
    let mut other = by_old;
    other.payload_type.push('x');
    assert!(open(&[&old], &other).is_err(), "the type is signed as well");
    // A line for what people say is no line for evidence.
    let lead =
        AllowedSigners::parse("f", &format!("lead {}", old.public_key().to_openssh().unwrap())).unwrap();
    assert!(open_envelope(&lead, ATTESTATION_NAMESPACE, &sealed(&old).await).is_err());
}

/// ssh-keygen(1), ALLOWED SIGNERS: `valid-after` and `valid-before`. A key whose time is over, or is not told, counts no more
/// than one that was taken out.
#[tokio::test]
async fn a_key_counts_in_its_time_alone() {
    let key = passing_key().unwrap();
    let envelope = SshAttestor::new(key.clone(), AllowedSigners::default())
        .seal(STATEMENT_PAYLOAD, &point().payload())
        .await
        .unwrap();
    let public = key.public_key().to_openssh().unwrap();
    let parse = |times: &str| {
        let line = format!("ci namespaces=\"{ATTESTATION_NAMESPACE}\",{times} {public}\n");
        AllowedSigners::parse("allowed_signers", &line)
    };
    // 2027-01-15T08:00:00Z, in seconds since 1970.
    let now = At(1_800_000_000_000);
    for (times, counts) in [
        ("valid-before=\"20270116Z\"", true),
        ("valid-before=\"20270115Z\"", false),
        ("valid-before=\"202701150801Z\"", true),
        ("valid-before=\"20270115080000Z\"", false),
        ("valid-after=\"20270115080000Z\"", true),
        ("valid-after=\"20270115080001Z\"", false),
        ("valid-after=\"20260101Z\",valid-before=\"20280101Z\"", true),
        ("valid-after=\"20260101Z\",valid-before=\"20270101Z\"", false),
    ] {
        let allowed = parse(times).unwrap();
        assert!(
            open_envelope(&allowed, ATTESTATION_NAMESPACE, &envelope).is_err(),
            "{times}: no time is told"
        );
        let opened = open_envelope(&allowed.at(now), ATTESTATION_NAMESPACE, &envelope);
        assert_eq!(opened.is_ok(), counts, "{times}: {opened:?}");
    }
    for wrong in ["valid-before=\"20270116\"", "valid-before=\"20271399Z\"", "valid-before=\"tomorrowZ\""] {
        let error = parse(wrong).unwrap_err().to_string();
        assert!(error.starts_with("allowed_signers:1: ") && error.contains("YYYYMMDDZ"), "{error}");
    }
}
