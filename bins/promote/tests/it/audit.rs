//! `audit verify`: what it says of a journal that is whole, and of one that somebody bent.

use std::process::{Command, Stdio};
use std::time::Duration;

use promotion::journal::{Draft, Entry, Record, Sqlite};
use promotion::model::{AnchorPoint, Person, StoreId};
use promotion::ports::Import as _;
use promotion::testing::{Bent, VirtualClock, env};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{exe, within};

const PROJECT: &str = r#"
[components.api]
config = "fly.toml"
[environments.production]
api.app = "runner"
[environments.staging]
api.app = "runner-staging"
"#;

/// A project with a journal of four records in production, and no token anywhere: an audit needs none.
async fn project() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("understudy.toml"), PROJECT).unwrap();
    let fly = "app = \"runner\"\nprimary_region = \"fra\"\n[http_service]\ninternal_port = 8080\n";
    std::fs::write(dir.path().join("fly.toml"), fly).unwrap();
    let bent = Bent::new();
    let clock = std::sync::Arc::new(VirtualClock::new(bent.anchor().at));
    let store = Sqlite::open(&dir.path().join("u.db"), clock, &StoreId::new("store-1").unwrap()).unwrap();
    store.import(&env("production"), 0, bent.records()).await.unwrap();
    dir
}

fn run(dir: &TempDir, args: &[&str]) -> (i32, String, String) {
    told(command(dir, args).output().unwrap())
}

fn command(dir: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(exe());
    command.args(args).args(["--store", "sqlite:u.db"]).current_dir(dir.path()).env_clear();
    command
}

fn told(output: std::process::Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn bend(dir: &TempDir, sql: &str) {
    let file = rusqlite::Connection::open(dir.path().join("u.db")).unwrap();
    assert!(file.execute(sql, []).unwrap() > 0);
}

/// P8: a bent record is named with its environment and number, and that is exit 15; without an anchor nothing is called
/// intact.
#[tokio::test]
async fn p8_a_bent_record_is_named_on_the_command_line() {
    let dir = project().await;
    let (code, out, err) = run(&dir, &["audit", "verify"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("consistent, never anchored") && !out.contains("intact"), "{out}");

    bend(&dir, "update record set body = replace(body, 'looked', 'lookeD') where seq = 2");
    bend(&dir, "delete from record where seq = 3");
    let (code, out, _) = run(&dir, &["audit", "verify"]);
    assert_eq!(code, 15);
    assert!(out.contains("production: record 2 changed: expected content with hash"), "{out}");
    assert!(out.contains("production: record 3 missing"), "{out}");

    let (code, out, _) = run(&dir, &["audit", "verify", "--env", "production", "--json"]);
    assert_eq!(code, 15);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&told["ok"], &told["error"]["name"]), (&json!(false), &json!("findings")));
    let found = told["environments"][0]["findings"].as_array().unwrap();
    let found: Vec<_> = found.iter().map(|it| (it["seq"].clone(), it["fault"].clone())).collect();
    assert_eq!(found, [(json!(2), json!("changed")), (json!(3), json!("missing"))]);
    // What others refuse to open is looked at all the same.
    let (code, _, err) = run(&dir, &["audit", "verify", "--env", "nowhere"]);
    assert_eq!(code, 2);
    assert!(err.contains("there is no environment `nowhere`"), "{err}");
    bend(&dir, "update record set body = cast(x'ff7b' as text) where seq = 1");
    let (code, out, _) = run(&dir, &["audit", "verify"]);
    assert_eq!(code, 15);
    assert!(
        out.contains("production: record 1 changed: expected a record; found it cannot be read"),
        "{out}"
    );
}

/// An anchor of the last record as a runner with `key` puts it, for the chain as it was written.
async fn anchored(dir: &TempDir, key: &ssh_key::PrivateKey) {
    anchored_at(dir, key, Bent::new().anchor()).await;
}

async fn sealed(key: &ssh_key::PrivateKey, point: &AnchorPoint) -> String {
    use promotion::model::STATEMENT_PAYLOAD;
    use promotion::ports::Attestor as _;
    use providers::ssh::{AllowedSigners, SshAttestor};

    let attestor = SshAttestor::new(key.clone(), AllowedSigners::default());
    let envelope = attestor.seal(STATEMENT_PAYLOAD, &point.payload()).await.unwrap();
    serde_json::to_string(&envelope).unwrap()
}

async fn anchored_at(dir: &TempDir, key: &ssh_key::PrivateKey, point: &AnchorPoint) {
    use promotion::ports::Anchors as _;

    let text = sealed(key, point).await;
    let place = providers::DirectoryAnchors::new(dir.path().join("ashore"));
    place.put(&point.store, &point.environment, point.seq, &text).await.unwrap();
}

/// P8: against the last signed anchor a tail that was cut and a chain that was rewritten are named; an anchor that nobody
/// signed who may is none, and the store is no place for anchors.
#[tokio::test]
async fn p8_a_cut_tail_is_named_against_an_anchor() {
    let dir = project().await;
    let key = providers::ssh::read_or_make_key(&dir.path().join("u.attestor")).unwrap();
    let with = |anchor: &str| {
        let store = format!("{PROJECT}[store]\nurl = \"sqlite:u.db\"\nanchor = \"file://{anchor}\"\n");
        std::fs::write(dir.path().join("understudy.toml"), store).unwrap();
    };
    let root = dir.path().display();
    with(&format!("{root}/ashore"));
    assert!(run(&dir, &["audit", "verify"]).1.contains("consistent, never anchored"));
    anchored(&dir, &key).await;
    let (code, out, err) = run(&dir, &["audit", "verify"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("intact, anchored at 2027-01-15T08:00:00"), "{out}");

    bend(&dir, "delete from record where seq > 2");
    let (code, out, _) = run(&dir, &["audit", "verify"]);
    assert_eq!(code, 15);
    assert!(out.contains("production: records 3 to 4 cut: expected record 4 with hash"), "{out}");
    bend(&dir, "delete from record");
    let (code, out, _) = run(&dir, &["audit", "verify"]);
    assert_eq!(code, 15);
    assert!(out.contains("production: records 1 to 4 cut"), "{out}");

    with(&format!("{root}/elsewhere"));
    let (code, out, _) = run(&dir, &["audit", "verify", "--env", "production"]);
    assert_eq!((code, out.contains("never anchored")), (0, true), "{out}");
    with(&format!("{root}"));
    let (code, _, err) = run(&dir, &["audit", "verify"]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("the anchors would be kept where the journal is"), "{err}");
}

/// From now on the project file names the place that [`anchored`] uses.
fn with_anchors(dir: &TempDir) {
    let store = format!(
        "{PROJECT}[store]\nurl = \"sqlite:u.db\"\nanchor = \"file://{}/ashore\"\n",
        dir.path().display()
    );
    std::fs::write(dir.path().join("understudy.toml"), store).unwrap();
}

#[tokio::test]
async fn p8_an_anchor_of_somebody_else_is_none() {
    let dir = project().await;
    with_anchors(&dir);
    anchored(&dir, &providers::ssh::passing_key().unwrap()).await;
    let (code, out, _) = run(&dir, &["audit", "verify"]);
    assert_eq!(code, 15);
    assert!(out.contains("production: record 4 anchor: expected an anchor, signed by"), "{out}");
}

/// An anchor stands for its record and all before it: one below it that nobody believes, because its key's time is over or
/// was never listed, takes nothing away. Above it, or where the later one does not fit, it is a finding as ever.
#[tokio::test]
async fn p8_an_anchor_that_does_not_count_is_no_finding_below_one_that_does() {
    let dir = project().await;
    with_anchors(&dir);
    let key = providers::ssh::read_or_make_key(&dir.path().join("u.attestor")).unwrap();
    let bent = Bent::new();
    let earlier = |n: usize| {
        let record = &bent.records()[n - 1];
        AnchorPoint { seq: record.seq, hash: record.hash.clone(), ..bent.anchor().clone() }
    };
    let stranger = providers::ssh::passing_key().unwrap();
    anchored_at(&dir, &stranger, &earlier(2)).await;
    anchored_at(&dir, &key, &earlier(3)).await;
    let (code, out, err) = run(&dir, &["audit", "verify"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("intact to record 3"), "{out}");
    assert!(
        out.contains("note: production: the anchor of record 2 does not count, and that of record 3"),
        "{out}"
    );
    let (_, out, _) = run(&dir, &["audit", "verify", "--json"]);
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(said["environments"][0]["notes"].as_array().unwrap().len(), 1, "{said}");

    anchored(&dir, &stranger).await;
    let (code, out, _) = run(&dir, &["audit", "verify"]);
    assert_eq!((code, out.contains("production: record 4 anchor")), (15, true), "{out}");
    bend(&dir, "delete from record where seq > 2");
    let (code, out, _) = run(&dir, &["audit", "verify"]);
    assert_eq!(code, 15);
    assert!(out.contains("production: record 2 anchor"), "what should make up for it does not fit: {out}");
}

/// Somebody promotes while the audit runs: a record and its anchor that come meanwhile are no cut tail. The anchor of
/// production is a pipe here, so that the audit waits at it for as long as that takes.
#[tokio::test]
async fn p8_a_record_that_is_anchored_while_the_audit_runs_is_no_finding() {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    let dir = project().await;
    with_anchors(&dir);
    let key = providers::ssh::read_or_make_key(&dir.path().join("u.attestor")).unwrap();
    let (bent, staging) = (Bent::new(), env("staging"));
    let at = bent.anchor().at;
    let entry = || Entry::BreakerReset {
        by: Person::new("ssh:SHA256:abc").unwrap(),
        reason: "looked".to_owned(),
        signed: None,
    };
    let sealed_record = |seq, prev| {
        let draft = Draft { promotion: None, at, entry: entry() };
        Record::seal(&staging, seq, None, draft, prev)
    };
    let first = sealed_record(1, Record::root(&staging));
    let second = sealed_record(2, first.hash.clone());
    let clock = std::sync::Arc::new(VirtualClock::new(at));
    let store = Sqlite::open(&dir.path().join("u.db"), clock, &StoreId::new("store-1").unwrap()).unwrap();
    store.import(&staging, 0, std::slice::from_ref(&first)).await.unwrap();
    let point = |record: &Record| AnchorPoint {
        environment: staging.clone(),
        seq: record.seq,
        hash: record.hash.clone(),
        ..bent.anchor().clone()
    };
    anchored_at(&dir, &key, &point(&first)).await;
    let place = dir.path().join("ashore/store-1/production");
    std::fs::create_dir_all(&place).unwrap();
    let pipe = place.join("00000000000000000004.json");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());

    let mut audit = command(&dir, &["audit", "verify"]);
    let audit = audit.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It can be opened so (O_NONBLOCK of Linux) once somebody reads it.
    let mut pipe = within(async {
        loop {
            match std::fs::OpenOptions::new().write(true).custom_flags(0o4000).open(&pipe) {
                Ok(pipe) => break pipe,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    })
    .await;
    store.import(&staging, 1, std::slice::from_ref(&second)).await.unwrap();
    anchored_at(&dir, &key, &point(&second)).await;
    pipe.write_all(sealed(&key, bent.anchor()).await.as_bytes()).unwrap();
    drop(pipe);
    let (code, out, err) = told(audit.wait_with_output().unwrap());
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.lines().any(|line| line.contains("staging") && line.contains("intact, anchored")), "{out}");
}

/// docs/guides/audit.md, "Anchors": nothing waits for that place. Who only reads, or rescues, needs no way there; an audit
/// does.
#[tokio::test]
async fn without_a_way_to_the_anchors_every_verb_but_the_audit_goes_on() {
    let dir = project().await;
    for anchor in ["env:ANCHORS", "s3://anchors/understudy?region=auto"] {
        let store = format!("{PROJECT}[store]\nurl = \"sqlite:u.db\"\nanchor = \"{anchor}\"\n");
        std::fs::write(dir.path().join("understudy.toml"), store).unwrap();
        let mut history = command(&dir, &["history", "--env", "production"]);
        history.envs([("FLY_TOKEN_PRODUCTION", "t"), ("FLY_TOKEN_STAGING", "t")]);
        let (code, _, err) = told(history.output().unwrap());
        assert_eq!(code, 0, "{anchor}: {err}");
        assert!(err.contains("nothing is anchored from here"), "{anchor}: {err}");
        let (code, _, err) = run(&dir, &["audit", "verify"]);
        assert_eq!(code, 2, "{anchor}: {err}");
    }
}
