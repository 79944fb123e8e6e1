//! `receipt --verify`: a receipt that somebody kept, bent in every byte, and held against the journal.

use std::sync::Arc;

use promotion::engine::Outcome;
use promotion::machine::Phase;
use promotion::model::{Kind, STATEMENT_PAYLOAD};
use promotion::ports::Attestor as _;
use promotion::testing::{Manners, World, env};
use providers::ssh::{ATTESTATION_NAMESPACE, AllowedSigners, SshAttestor, passing_key, person, public_line};
use serde_json::json;
use wiring::receipts::check;

use crate::support::{Project, Stage, within};

/// P8's rule for records, for what is handed to somebody: a bent byte anywhere is found, and what it is about is named.
#[tokio::test]
async fn p8_a_receipt_with_any_byte_bent_is_no_receipt() {
    let world = World::new(1, Manners::default());
    // That of a promotion which a gate stopped is a short one, with all that an envelope has.
    let second = World::release("1.1.0", 2, 12);
    world.put("production", Kind::Bootstrap, &World::release("1.0.0", 1, 11)).await.unwrap();
    let (handle, outcome) = world.put("production", Kind::Promote, &second).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    let receipt = world.engine().receipt(&env("production"), &handle.id).await.unwrap();
    let key = passing_key().unwrap();
    let line = format!("runner namespaces=\"{ATTESTATION_NAMESPACE}\" {}\n", public_line(&key));
    let allowed = AllowedSigners::parse("signers", &line).unwrap();
    let attestor = SshAttestor::new(key.clone(), allowed.clone());
    let sealed = attestor.seal(STATEMENT_PAYLOAD, &receipt.payload()).await.unwrap();
    let text = Arc::new(sealed.text().into_bytes());

    let whole = check(&text, &allowed);
    assert_eq!((&whole.findings, whole.by), (&vec![], Some(person(key.public_key()))));
    assert_eq!(whole.receipt, Some(receipt));
    let (n, allowed) = (text.len(), &allowed);
    std::thread::scope(|scope| {
        for half in 0..2 {
            let text = text.clone();
            scope.spawn(move || {
                for at in (half..n).step_by(2) {
                    let mut bent = text.to_vec();
                    bent[at] ^= 1 << (at / 2 % 8);
                    let found = check(&bent, allowed).findings;
                    assert!(!found.is_empty(), "byte {at} bent, and nobody noticed");
                }
            });
        }
    });
    for cut in [0, 1, n / 2, n - 1] {
        assert!(!check(&text[..cut], allowed).findings.is_empty(), "cut at {cut}");
    }
    // Somebody else's signature, and white space that no signature covers.
    let stranger = SshAttestor::new(passing_key().unwrap(), AllowedSigners::default());
    let theirs = stranger.seal(STATEMENT_PAYLOAD, &sealed.payload).await.unwrap().text();
    assert_eq!(check(theirs.as_bytes(), allowed).findings[0].what, "the signature");
    let spaced = sealed.text().replacen('{', "{ ", 1);
    assert_eq!(check(spaced.as_bytes(), allowed).findings[0].what, "the spelling from byte 1 on");
    assert!(check(format!("{}\n", sealed.text()).as_bytes(), allowed).findings.is_empty());
}

/// On the command line: by the project's keys and by given ones, with the journal and without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_a_receipt_is_held_against_the_journal() {
    within(async {
        let (stage, _) = Stage::played(Project { approvals: 0, ..Project::default() }).await;
        let key = stage.key("developer");
        let done = stage.run(&["start", "--to", "production", "--key", &key, "--json"]).await.exits(0).json();
        let id = done["id"].as_str().unwrap();
        let text = stage.run(&["receipt", id, "--json"]).await.exits(0).out;
        std::fs::write(stage.path("receipt.json"), &text).unwrap();
        let verify = ["receipt", "--verify", "receipt.json", "--json"];
        let said = stage.run(&verify).await.exits(0).json();
        assert_eq!(
            (&said["ok"], &said["promotion"], &said["findings"]),
            (&json!(true), &json!(id), &json!([]))
        );
        assert_eq!(said["journal"]["compared"], true);
        let shown = stage.run(&verify[..3]).await.exits(0).out;
        assert!(shown.contains("signed     ssh:SHA256:") && shown.contains("journal    compared"), "{shown}");

        // Somebody who has the receipt and the runner's public key, and nothing else.
        let runner = providers::ssh::read_or_make_key(&stage.path("understudy.attestor")).unwrap();
        let line = format!("runner namespaces=\"{ATTESTATION_NAMESPACE}\" {}\n", public_line(&runner));
        std::fs::create_dir(stage.path("elsewhere")).unwrap();
        std::fs::write(stage.path("elsewhere/signers"), line).unwrap();
        std::fs::write(stage.path("elsewhere/receipt.json"), &text).unwrap();
        let args = ["receipt", "--verify", "receipt.json", "--keys", "signers", "--json"];
        let mut command = stage.command(&args);
        command.current_dir(stage.path("elsewhere"));
        let said = crate::support::ended(command.spawn().unwrap()).await.exits(0).json();
        assert_eq!((&said["findings"], &said["journal"]["compared"]), (&json!([]), &json!(false)));
        let nobody = stage.command(&["receipt", "--verify", "receipt.json", "--keys", "empty", "--json"]);
        std::fs::write(stage.path("empty"), "").unwrap();
        let mut nobody = nobody;
        let said = crate::support::ended(nobody.spawn().unwrap()).await.exits(15).json();
        assert_eq!(said["findings"][0]["what"], "the signature");

        // Another store knows nothing of it: that is no finding.
        let file = rusqlite::Connection::open(stage.path("understudy.db")).unwrap();
        let store: String =
            file.query_row("SELECT value FROM meta WHERE key = 'store'", [], |row| row.get(0)).unwrap();
        let is_store = |id: &str| {
            let changed = file.execute("UPDATE meta SET value = ?1 WHERE key = 'store'", [id]).unwrap();
            assert_eq!(changed, 1);
        };
        is_store("another");
        let said = stage.run(&verify).await.exits(0).json();
        let why = format!("it is of store {store}, and this is another");
        assert_eq!((&said["findings"], &said["journal"]["why"]), (&json!([]), &json!(why)));
        is_store(&store);

        // A journal that was written anew: the receipt is an anchor.
        let seq = whole_seq(&text);
        let sql = format!("DELETE FROM record WHERE environment = 'production' AND seq >= {seq}");
        assert!(file.execute(&sql, []).unwrap() > 0);
        let said = stage.run(&verify).await.exits(15).json();
        assert_eq!(said["findings"][0]["what"], json!(format!("record {seq}")), "{said}");
        stage.run(&["receipt", "--verify", "nowhere.json"]).await.exits(2);
        stage.end().await;
    })
    .await;
}

/// The number of the record that a receipt names.
fn whole_seq(text: &str) -> u64 {
    let envelope = promotion::model::Envelope::read(text).unwrap();
    let said: serde_json::Value = serde_json::from_slice(&envelope.payload).unwrap();
    said["predicate"]["record"]["seq"].as_u64().unwrap()
}
