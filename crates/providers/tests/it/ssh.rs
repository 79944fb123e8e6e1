//! Signatures that `ssh-keygen` made, and our own that `ssh-keygen` reads.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use promotion::conformance;
use promotion::model::{
    At, Attestation, Claim, Class, Decision, Envelope, EnvironmentName, Hash, Kind, Person, Signed,
    Statement, Wish, Word, canonical, pae,
};
use promotion::ports::{Approvals as _, Attestor as _, PortErrorKind};
use providers::ssh::{
    APPROVAL_NAMESPACE, ATTESTATION_NAMESPACE, AllowedSigners, KeyFile, REQUEST_NAMESPACE, SshApprovals,
    SshAttestor, person_of_file, read_or_make_key, sign_with_file,
};
use tempfile::TempDir;

/// A directory with keys; the program runs with nothing of this process's environment.
struct Keys {
    dir: TempDir,
}

impl Keys {
    /// None where OpenSSH is not installed.
    fn new() -> Option<Self> {
        let found = Command::new("ssh-keygen").arg("-?").output();
        if found.is_err() {
            println!("not run: ssh-keygen is not installed");
            return None;
        }
        Some(Self { dir: tempfile::tempdir().unwrap() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn keygen(&self, args: &[&str]) -> Output {
        let mut command = Command::new("ssh-keygen");
        command.current_dir(self.dir.path()).args(args).output().unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.keygen(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes a key; its public line and the person it stands for, as `ssh-keygen` says.
    fn make(&self, name: &str, kind: &str) -> (String, Person) {
        self.ok(&["-q", "-t", kind, "-N", "", "-C", name, "-f", name]);
        let line = fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        let shown = self.ok(&["-l", "-E", "sha256", "-f", &format!("{name}.pub")]);
        let fingerprint = shown.split(' ').nth(1).unwrap();
        (line.trim().to_owned(), Person::new(format!("ssh:{fingerprint}")).unwrap())
    }

    /// What the guide tells people to run.
    fn sign(&self, name: &str, namespace: &str, text: &str) -> String {
        let file = self.path("text");
        fs::write(&file, text).unwrap();
        let _ = fs::remove_file(self.path("text.sig"));
        self.ok(&["-Y", "sign", "-q", "-f", name, "-n", namespace, "text"]);
        fs::read_to_string(self.path("text.sig")).unwrap()
    }
}

fn plan() -> Hash {
    canonical::hash("test", &"the plan")
}

fn claim(decision: Decision, proof: String) -> Claim {
    Claim { promotion: "p-1".parse().unwrap(), plan: plan(), decision, proof }
}

fn text(decision: Decision) -> String {
    Claim::statement(&"p-1".parse().unwrap(), &plan(), decision)
}

#[tokio::test]
async fn a_real_signature_names_its_person() {
    let Some(keys) = Keys::new() else { return };
    for kind in ["ed25519", "ecdsa"] {
        let (line, person) = keys.make(kind, kind);
        let approvals = SshApprovals::new(
            AllowedSigners::parse("allowed_signers", &format!("# leads\nalice@example.com {line}\n"))
                .unwrap(),
        );
        for decision in [Decision::Approve, Decision::Reject] {
            let proof = keys.sign(kind, "understudy", &text(decision));
            assert_eq!(approvals.verify(&claim(decision, proof)).await.unwrap(), person, "{kind}");
        }
    }
}

#[tokio::test]
async fn an_approval_counts_for_what_was_signed_alone() {
    let Some(keys) = Keys::new() else { return };
    let (alice, _) = keys.make("alice", "ed25519");
    keys.make("mallory", "ed25519");
    let allowed = AllowedSigners::parse("allowed_signers", &format!("alice {alice}\n")).unwrap();
    let approvals = SshApprovals::new(allowed);
    let good = keys.sign("alice", "understudy", &text(Decision::Approve));
    let refused = async |claim: Claim, what: &str| {
        let error = approvals.verify(&claim).await.unwrap_err();
        assert_eq!(error.kind, PortErrorKind::Refused, "{what}: {error:?}");
        error.message
    };
    let approve = |proof: String| claim(Decision::Approve, proof);

    refused(claim(Decision::Reject, good.clone()), "a yes as a no").await;
    let other_plan = Claim { plan: canonical::hash("test", &"another plan"), ..approve(good.clone()) };
    refused(other_plan, "another plan").await;
    let other_promotion = Claim { promotion: "p-2".parse().unwrap(), ..approve(good.clone()) };
    refused(other_promotion, "another promotion").await;
    let namespace = keys.sign("alice", "git", &text(Decision::Approve));
    let why = refused(approve(namespace), "another namespace").await;
    assert!(why.contains("namespace `understudy`"), "{why}");
    let stranger = keys.sign("mallory", "understudy", &text(Decision::Approve));
    let why = refused(approve(stranger), "a stranger").await;
    assert!(why.contains("ssh:SHA256:") && why.contains("allowed signers"), "{why}");
    let longer = keys.sign("alice", "understudy", &format!("{} ", text(Decision::Approve)));
    refused(approve(longer), "one byte more").await;

    let tampered: String = good.replacen('A', "B", 40);
    for (what, proof) in [
        ("tampered", tampered.as_str()),
        ("empty", ""),
        ("no signature", "yes, please"),
        ("cut", &good[..good.len() / 2]),
    ] {
        refused(approve(proof.to_owned()), what).await;
    }
    approvals.verify(&approve(good)).await.expect("the untouched one still counts");
}

#[tokio::test]
async fn a_line_gives_the_right_that_it_names() {
    let Some(keys) = Keys::new() else { return };
    let (alice, _) = keys.make("alice", "ed25519");
    let proof = keys.sign("alice", "understudy", &text(Decision::Approve));
    for (options, counts) in [
        ("", true),
        ("namespaces=\"understudy\" ", true),
        ("namespaces=\"git, understudy\" ", true),
        ("namespaces=\"git\" ", false),
        ("namespaces=\"understudy-attestation\" ", false),
    ] {
        let allowed = AllowedSigners::parse("allowed_signers", &format!("alice {options}{alice}\n")).unwrap();
        let verified = SshApprovals::new(allowed).verify(&claim(Decision::Approve, proof.clone())).await;
        assert_eq!(verified.is_ok(), counts, "{options}: {verified:?}");
    }
    for (line, says) in [
        (format!("alice cert-authority {alice}"), "cert-authority"),
        (format!("alice valid-before=\"20200101\" {alice}"), "valid-before"),
        (format!("alice namespaces=\"understudy {alice}"), "quote"),
        ("alice".to_owned(), "ssh-ed25519"),
        ("alice ssh-ed25519 nonsense".to_owned(), "public key"),
    ] {
        let error = AllowedSigners::parse("allowed_signers", &format!("\n# more\n{line}\n")).unwrap_err();
        assert_eq!((error.line, error.file.as_str()), (3, "allowed_signers"), "{line}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

/// What is signed for a request of `who`.
fn word(who: &Person, sign: impl FnOnce(&str) -> String) -> Word {
    let (production, at): (EnvironmentName, _) = ("production".parse().unwrap(), At(1_795_000_000_000));
    let release = canonical::hash("test", &"release");
    let wish = Wish::Request { environment: &production, kind: &Kind::Promote, release };
    let proof = sign(&wish.statement(who, at));
    Word::new(&wish, who, Some(&Signed { at, proof }), at)
}

/// One port, one suite, also for keys: a request's signature is no approval's, nor the other way round.
#[tokio::test]
async fn a_request_is_proven_as_an_approval_is_and_neither_is_the_other() {
    let Some(keys) = Keys::new() else { return };
    let (line, alice) = keys.make("alice", "ed25519");
    let approvals =
        SshApprovals::new(AllowedSigners::parse("allowed_signers", &format!("alice {line}\n")).unwrap());
    let word = word(&alice, |text| keys.sign("alice", REQUEST_NAMESPACE, text));
    let approval = claim(Decision::Approve, keys.sign("alice", APPROVAL_NAMESPACE, &text(Decision::Approve)));
    conformance::words(&approvals, &word, &alice, &approval).await;
    conformance::approvals(&approvals, &approval, &alice).await;
    // The very same line in the other namespace proves nothing: OpenSSH PROTOCOL.sshsig signs the namespace too.
    let crossed = Word { proof: Some(keys.sign("alice", APPROVAL_NAMESPACE, &word.text)), ..word.clone() };
    let error = approvals.verify_word(&crossed).await.unwrap_err();
    assert!(error.message.contains("namespace `understudy-request`"), "{error:?}");
    let crossed = claim(Decision::Approve, keys.sign("alice", REQUEST_NAMESPACE, &text(Decision::Approve)));
    assert_eq!(approvals.verify(&crossed).await.unwrap_err().kind, PortErrorKind::Refused);
}

/// A public half names somebody; what proves that it is them is a signature.
#[tokio::test]
async fn whose_key_it_is_is_shown_by_a_signature_alone() {
    let dir = tempfile::tempdir().unwrap();
    let key = |name: &str| read_or_make_key(&dir.path().join(name)).unwrap();
    let line = key("alice").public_key().to_openssh().unwrap();
    key("mallory");
    let (file, public) = (dir.path().join("alice"), dir.path().join("alice.pub"));
    fs::write(&public, &line).unwrap();
    let alice = person_of_file(&file).unwrap();
    assert_eq!(KeyFile::read(&file).unwrap(), KeyFile::Private(alice.clone()));
    assert_eq!(KeyFile::read(&public).unwrap(), KeyFile::Public(alice.clone()));
    sign_with_file(&public, REQUEST_NAMESPACE, "text").unwrap_err();

    let sign = |name: &str| {
        let file = dir.path().join(name);
        word(&alice, |text| sign_with_file(&file, REQUEST_NAMESPACE, text).unwrap())
    };
    let listed = |text: &str| SshApprovals::new(AllowedSigners::parse("allowed_signers", text).unwrap());
    for (signers, by, counts) in [
        (format!("alice {line}\n"), "alice", Some(&alice)),
        (format!("alice namespaces=\"understudy,understudy-request\" {line}\n"), "alice", Some(&alice)),
        // A line that names namespaces gives the right to what it names and no other.
        (format!("alice namespaces=\"understudy\" {line}\n"), "alice", None),
        (format!("alice {line}\n"), "mallory", None),
        // Where nobody is listed nobody is known: else a key of the moment could ask, and its owner approve.
        (String::new(), "alice", None),
        (String::new(), "mallory", None),
    ] {
        let who = listed(&signers).verify_word(&sign(by)).await;
        assert_eq!(who.as_ref().ok(), counts, "{signers} {by}: {who:?}");
    }
}

/// `--as NAME` is for a stand-in on this machine, and a name there is no key.
#[tokio::test]
async fn a_name_without_a_key_counts_on_this_machine_alone() {
    let named = |name: &str| Word { proof: None, ..word(&Person::new(name).unwrap(), |_| String::new()) };
    let (here, there) = (
        SshApprovals::new(AllowedSigners::default()).with_local_names(true),
        SshApprovals::new(AllowedSigners::default()),
    );
    let mira = named("local:mira");
    assert_eq!(here.verify_word(&mira).await.unwrap(), mira.by);
    for (approvals, word) in
        [(&there, &mira), (&here, &named("ssh:SHA256:mira")), (&here, &named("github:1"))]
    {
        assert_eq!(approvals.verify_word(word).await.unwrap_err().kind, PortErrorKind::Refused, "{word:?}");
    }
}

fn statement() -> Statement {
    Statement {
        release: canonical::hash("test", &"release"),
        config: canonical::hash("test", &"config"),
        suite: "smoke".parse().unwrap(),
        environment: "staging".parse().unwrap(),
        class: Class::Staging,
        deployment: "p-1".parse().unwrap(),
        report: canonical::hash("test", &"report"),
        at: At(1_795_000_000_000),
        components: [("api".parse().unwrap(), format!("sha256:{}", "7".repeat(64)).parse().unwrap())].into(),
        suite_file: None,
        base_data: BTreeMap::new(),
        scan: None,
    }
}

#[tokio::test]
async fn evidence_is_believed_from_known_keys_over_the_very_statement() {
    let dir = tempfile::tempdir().unwrap();
    let key = |name: &str| read_or_make_key(&dir.path().join(name)).unwrap();
    let runner = SshAttestor::new(key("runner"), AllowedSigners::default());
    let attestation = runner.sign(&statement()).await.unwrap();
    runner.verify(&attestation).await.unwrap();
    assert_eq!(attestation.statement, statement());

    let mut tampered = attestation.clone();
    tampered.statement.suite = "load".parse().unwrap();
    assert_eq!(runner.verify(&tampered).await.unwrap_err().kind, PortErrorKind::Refused);
    let mut renamed = attestation.clone();
    renamed.by = Person::new("github:1").unwrap();
    assert!(runner.verify(&renamed).await.unwrap_err().message.contains("github:1"));

    let stranger = SshAttestor::new(key("stranger"), AllowedSigners::default());
    assert_eq!(stranger.verify(&attestation).await.unwrap_err().kind, PortErrorKind::Refused);
    let line = key("runner").public_key().to_openssh().unwrap();
    let knows = format!("ci namespaces=\"{ATTESTATION_NAMESPACE}\" {line}\n");
    let other = SshAttestor::new(key("other"), AllowedSigners::parse("signers", &knows).unwrap());
    other.verify(&attestation).await.expect("another runner whose key is allowed");
    // A key that may approve may not thereby attest, nor the other way round.
    let approves = AllowedSigners::parse("signers", &format!("ci {line}\n")).unwrap();
    let other = SshAttestor::new(key("other"), approves.clone());
    assert_eq!(other.verify(&attestation).await.unwrap_err().kind, PortErrorKind::Refused);
    let proof = attestation.signature.clone();
    let misused = SshApprovals::new(approves).verify(&claim(Decision::Approve, proof)).await;
    assert_eq!(misused.unwrap_err().kind, PortErrorKind::Refused);

    let shown = format!("{runner:?}");
    assert!(shown.contains("ssh:SHA256:") && !shown.contains("PRIVATE"), "{shown}");
}

/// docs/guides/audit.md: one good signature of an allowed key is enough, so that an envelope may carry that of an old key and
/// of a new one. Whose word it is said to be decides which of them is asked for, not their order.
#[tokio::test]
async fn evidence_with_the_signatures_of_an_old_and_a_new_key_is_believed_of_either() {
    let dir = tempfile::tempdir().unwrap();
    let key = |name: &str| read_or_make_key(&dir.path().join(name)).unwrap();
    let line = |name: &str| {
        format!(
            "ci namespaces=\"{ATTESTATION_NAMESPACE}\" {}\n",
            key(name).public_key().to_openssh().unwrap()
        )
    };
    let signed = async |name: &str| {
        SshAttestor::new(key(name), AllowedSigners::default()).sign(&statement()).await.unwrap()
    };
    let (old, new) = (signed("old").await, signed("new").await);
    let mut both = Envelope::read(&old.signature).unwrap();
    both.signatures.extend(Envelope::read(&new.signature).unwrap().signatures);
    let knows =
        |lines: String| SshAttestor::new(key("other"), AllowedSigners::parse("signers", &lines).unwrap());
    for by in [&old.by, &new.by] {
        let attestation = Attestation { statement: statement(), by: by.clone(), signature: both.text() };
        knows(line("old") + &line("new")).verify(&attestation).await.unwrap();
    }
    let attestation = Attestation { statement: statement(), by: new.by.clone(), signature: both.text() };
    let refused = knows(line("old")).verify(&attestation).await.unwrap_err();
    assert_eq!(refused.kind, PortErrorKind::Refused, "the new key is not allowed");
}

/// docs/guides/audit.md, "Anchors": on another machine a runner's key is believed where it is listed; and anchors are DSSE
/// envelopes, which are signed with Ed25519.
#[tokio::test]
async fn a_runner_knows_whether_its_anchors_would_be_believed() {
    let dir = tempfile::tempdir().unwrap();
    let key = read_or_make_key(&dir.path().join("runner")).unwrap();
    let public = key.public_key().to_openssh().unwrap();
    let listed = |line: &str| AllowedSigners::parse("signers", line).unwrap();
    let alone = SshAttestor::new(key.clone(), AllowedSigners::default());
    assert_eq!(alone.unbelieved(), None, "beside its own journal it is believed");
    let why = alone.shared().unbelieved().unwrap();
    assert!(why.contains("not among the allowed signers for namespace `understudy-attestation`"), "{why}");
    // Who may approve may not thereby attest.
    assert!(SshAttestor::new(key.clone(), listed(&format!("ci {public}\n"))).shared().unbelieved().is_some());
    let line = format!("ci namespaces=\"{ATTESTATION_NAMESPACE}\" {public}\n");
    assert_eq!(SshAttestor::new(key, listed(&line)).shared().unbelieved(), None);
    let Some(keys) = Keys::new() else { return };
    keys.make("ecdsa", "ecdsa");
    let other = SshAttestor::new(read_or_make_key(&keys.path("ecdsa")).unwrap(), AllowedSigners::default());
    assert!(other.unbelieved().unwrap().contains("signed with ssh-ed25519"));
}

/// What earlier versions wrote, and what `ssh-keygen` writes: an SSH signature over the statement's text. Statements of
/// then name no components.
#[tokio::test]
async fn evidence_in_old_journals_is_believed_for_ever() {
    let Some(keys) = Keys::new() else { return };
    for kind in ["ed25519", "ecdsa"] {
        let (line, by) = keys.make(kind, kind);
        let old = Statement { components: BTreeMap::new(), ..statement() };
        assert!(!old.text().contains("components"), "{}", old.text());
        let signature = keys.sign(kind, ATTESTATION_NAMESPACE, &old.text());
        let signers = format!("ci namespaces=\"{ATTESTATION_NAMESPACE}\" {line}\n");
        let allowed = AllowedSigners::parse("signers", &signers).unwrap();
        let attestor = SshAttestor::new(read_or_make_key(&keys.path("runner")).unwrap(), allowed);
        let attestation = Attestation { statement: old, by, signature };
        attestor.verify(&attestation).await.unwrap();
        let mut tampered = attestation;
        tampered.statement.suite = "load".parse().unwrap();
        assert_eq!(attestor.verify(&tampered).await.unwrap_err().kind, PortErrorKind::Refused);
    }
    // A runner whose key is of another kind goes on as before.
    let runner = SshAttestor::new(read_or_make_key(&keys.path("ecdsa")).unwrap(), AllowedSigners::default());
    let attestation = runner.sign(&statement()).await.unwrap();
    assert!(attestation.signature.starts_with("-----BEGIN SSH SIGNATURE"), "{}", attestation.signature);
    runner.verify(&attestation).await.unwrap();
}

/// in-toto Statement v1 in a DSSE envelope: the subject is what runs, by digest, and the signature is over the
/// pre-authentication encoding of both. OpenSSL, which knows nothing of us, says whether it is good.
#[tokio::test]
async fn others_read_our_evidence() {
    let dir = tempfile::tempdir().unwrap();
    let key = read_or_make_key(&dir.path().join("runner")).unwrap();
    let public = key.public_key().key_data().ed25519().unwrap().0;
    let attestation = SshAttestor::new(key, AllowedSigners::default()).sign(&statement()).await.unwrap();
    let envelope: serde_json::Value = serde_json::from_str(&attestation.signature).unwrap();
    let told = Envelope::read(&attestation.signature).unwrap();
    let said: serde_json::Value = serde_json::from_slice(&told.payload).unwrap();
    assert_eq!(envelope["payloadType"], "application/vnd.in-toto+json");
    assert_eq!(said["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(said["subject"], serde_json::json!([{"name": "api", "digest": {"sha256": "7".repeat(64)}}]));
    assert_eq!(said["predicateType"], "urn:understudy:suite-passed:v1");
    assert_eq!(said["predicate"]["suite"], "smoke");
    // RFC 8410, 4: the head of a public key's DER.
    let der =
        [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00][..], &public].concat();
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    write("key.der", &der);
    write("sig", &told.signatures[0].sig);
    write("text", &pae(&told.payload_type, &told.payload));
    let verify = || {
        let args = "pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in text -sigfile sig";
        Command::new("openssl").current_dir(dir.path()).args(args.split(' ')).output()
    };
    let Ok(good) = verify() else {
        println!("not run: openssl is not installed");
        return;
    };
    assert!(good.status.success(), "{good:?}");
    write("text", &pae(&told.payload_type, b"another statement"));
    assert!(!verify().unwrap().status.success());
}

#[test]
fn a_key_is_made_once_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let made = read_or_make_key(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(read_or_make_key(&path).unwrap().public_key(), made.public_key());
    fs::write(&path, "nonsense").unwrap();
    let error = read_or_make_key(&path).unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()) && !error.contains("nonsense"), "{error}");
}
