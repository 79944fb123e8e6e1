//! `audit verify`: what it says of a journal that is whole, and of one that somebody bent.

use std::process::Command;

use promotion::journal::Sqlite;
use promotion::model::StoreId;
use promotion::ports::Import as _;
use promotion::testing::{Bent, VirtualClock, env};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::exe;

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
    let mut command = Command::new(exe());
    command.args(args).args(["--store", "sqlite:u.db"]).current_dir(dir.path()).env_clear();
    let output = command.output().unwrap();
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

/// An anchor of record `seq` as a runner with `key` puts it, for the chain as it was written.
async fn anchored(dir: &TempDir, key: &ssh_key::PrivateKey) {
    use promotion::model::STATEMENT_PAYLOAD;
    use promotion::ports::{Anchors as _, Attestor as _};
    use providers::ssh::{AllowedSigners, SshAttestor};

    let bent = Bent::new();
    let point = bent.anchor();
    let attestor = SshAttestor::new(key.clone(), AllowedSigners::default());
    let envelope = attestor.seal(STATEMENT_PAYLOAD, &point.payload()).await.unwrap();
    let text = serde_json::to_string(&envelope).unwrap();
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

#[tokio::test]
async fn p8_an_anchor_of_somebody_else_is_none() {
    let dir = project().await;
    let store = format!(
        "{PROJECT}[store]\nurl = \"sqlite:u.db\"\nanchor = \"file://{}/ashore\"\n",
        dir.path().display()
    );
    std::fs::write(dir.path().join("understudy.toml"), store).unwrap();
    anchored(&dir, &providers::ssh::passing_key().unwrap()).await;
    let (code, out, _) = run(&dir, &["audit", "verify"]);
    assert_eq!(code, 15);
    assert!(out.contains("production: record 4 anchor: expected an anchor, signed by"), "{out}");
}
