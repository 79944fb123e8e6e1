//! P8 over time: "The journal replays to the same state", whatever version of the engine wrote it.
//!
//! `tests/corpus` holds journals that the engine of that time wrote, in runs of the tests of that time, and beside each
//! one what it added up to. Neither is ever changed: what a later version cannot replay, it cannot resume. A new kind of
//! record brings a new journal (`cargo run -p promotion --example corpus`).

mod kept;
mod kinds;
mod told;

use std::path::Path;

use kept::Kept;
use serde_json::Value;

fn corpus() -> Vec<Kept> {
    let mut paths = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    for age in std::fs::read_dir(&root).unwrap() {
        for file in std::fs::read_dir(age.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.to_string_lossy().ends_with(".journal.jsonl") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths.iter().map(|path| Kept::read(path).unwrap()).collect()
}

/// P8: "The journal replays to the same state."
#[test]
fn p8_journals_of_every_age_replay_to_the_state_they_had() {
    let corpus = corpus();
    assert!(!corpus.is_empty(), "journals are kept");
    for kept in corpus {
        let path = kept.state_path();
        let text = std::fs::read_to_string(&path).unwrap();
        let then: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let now = told::told(&kept.replayed().unwrap());
        for (then, now) in then.iter().zip(&now) {
            assert_eq!(now, then, "{}", path.display());
        }
        assert_eq!(now.len(), then.len(), "{}: environments and promotions", path.display());
    }
}

/// P8: "names any changed, missing … record", also in a journal that was written long ago.
#[test]
fn p8_an_old_journal_with_a_record_less_does_not_replay() {
    let (corpus, mut n_missed) = (corpus(), 0);
    let n_kept = corpus.len();
    for mut kept in corpus {
        let middle = kept.records.len() / 2;
        let (gone, rest) = (kept.records.remove(middle), &kept.records);
        // A chain's last record is missed by nobody but an anchor.
        if rest.iter().any(|record| record.environment == gone.environment && record.seq > gone.seq) {
            assert!(kept.replayed().is_err(), "{}: record {} is gone", kept.path.display(), gone.seq);
            n_missed += 1;
        }
    }
    assert!(n_missed * 2 > n_kept, "{n_missed} of {n_kept}: most are taken out of the middle");
}
