//! P8: the journal replays to the same state, and a change to it is found and named.

use std::collections::BTreeSet;

use promotion::engine::Outcome;
use promotion::journal::{EnvironmentView, Record};
use promotion::machine::Phase;
use promotion::model::{Decision, EnvironmentName, Millis};
use promotion::ports::JournalError;
use promotion::testing::{World, env};
use serde_json::Value;

use crate::story::Story;

async fn journal() -> (World, EnvironmentName, Vec<Record>) {
    let asked = Story::PromoteThatFails.asked().await;
    asked.play(&asked.world.engine()).await.unwrap();
    let production = env("production");
    let records = asked.world.journal.read(&production, 0).await.unwrap();
    (asked.world, production, records)
}

/// Reads the records as one would after a restart; the number of the record at fault.
fn fault(production: &EnvironmentName, records: &[Record]) -> Option<u64> {
    let mut view = EnvironmentView::new(production.clone());
    match view.extend(records) {
        Ok(()) => None,
        Err(JournalError::Damaged { seq, .. }) => Some(seq),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn p8_reading_again_gives_the_same_state_in_one_piece_or_record_by_record() {
    let (world, production, records) = journal().await;
    let live = world.bystander().view(&production).await.unwrap();
    let mut whole = EnvironmentView::new(production.clone());
    whole.extend(&records).unwrap();
    assert_eq!(whole, *live);
    let mut single = EnvironmentView::new(production.clone());
    for record in &records {
        let text = serde_json::to_string(record).unwrap();
        let read: Record = serde_json::from_str(&text).unwrap();
        assert_eq!(read, *record, "a record reads back as it was written");
        single.extend(&[read]).unwrap();
    }
    assert_eq!(single, *live);
}

/// Every leaf of a JSON value, as a path.
fn leaves(value: &Value, path: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                leaves(value, &format!("{path}/{key}"), out);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                leaves(item, &format!("{path}/{n}"), out);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => out.push(path.to_owned()),
    }
}

/// The smallest change to a leaf that still reads as the same kind of value.
fn change(leaf: &mut Value) {
    *leaf = match &*leaf {
        Value::Bool(bit) => Value::Bool(!bit),
        Value::Number(number) => Value::from(number.as_u64().unwrap_or(0) ^ 1),
        Value::String(text) => {
            // One character for its neighbour, digits for digits.
            let mut chars: Vec<char> = text.chars().collect();
            match chars.last_mut() {
                Some(last) => *last = if *last == '1' { '2' } else { '1' },
                None => chars.push('1'),
            }
            Value::String(chars.into_iter().collect())
        }
        other => other.clone(),
    };
}

#[tokio::test]
async fn p8_a_changed_field_is_named_whatever_record_and_field_it_is() {
    let (_, production, records) = journal().await;
    let (mut n_changed, mut n_unreadable) = (0, 0);
    for (n, record) in records.iter().enumerate() {
        let value = serde_json::to_value(record).unwrap();
        let mut paths = Vec::new();
        leaves(&value, "", &mut paths);
        // Fields of the frame in every record; of long contents a spread of them.
        let step = (paths.len() / 12).max(1);
        let paths: BTreeSet<&String> = paths
            .iter()
            .filter(|path| path.matches('/').count() == 1)
            .chain(paths.iter().step_by(step))
            .collect();
        for path in paths {
            let mut changed = value.clone();
            change(changed.pointer_mut(path).unwrap());
            if changed == value {
                continue;
            }
            let Ok(changed) = serde_json::from_value::<Record>(changed) else {
                n_unreadable += 1;
                continue;
            };
            // Only what follows from this record on is read again: the part before it is untouched.
            let mut view = EnvironmentView::new(production.clone());
            let mut all = records.clone();
            all[n] = changed;
            let found = match view.extend(&all[..=n]) {
                Err(JournalError::Damaged { seq, .. }) => Some(seq),
                _ => None,
            };
            assert_eq!(found, Some(n as u64 + 1), "{path} of record {}", n + 1);
            n_changed += 1;
            if n_changed % 40 == 0 {
                assert_eq!(fault(&production, &all), Some(n as u64 + 1));
            }
        }
    }
    println!("{n_changed} changes found, {n_unreadable} did not even read as a record");
    assert!(n_changed > 500, "{n_changed}");
}

#[tokio::test]
async fn p8_missing_swapped_repeated_and_foreign_records_are_named() {
    let (world, production, records) = journal().await;
    let staging = world.journal.read(&env("staging"), 0).await.unwrap();
    for n in 0..records.len() - 1 {
        let at = Some(n as u64 + 1);
        let mut missing = records.clone();
        missing.remove(n);
        assert_eq!(fault(&production, &missing[..=n]), at, "without record {}", n + 1);
        let mut swapped = records.clone();
        swapped.swap(n, n + 1);
        assert_eq!(fault(&production, &swapped[..=n]), at, "{} and {} swapped", n + 1, n + 2);
        let mut repeated = records.clone();
        repeated.insert(n, records[n].clone());
        assert_eq!(fault(&production, &repeated[..=n + 1]), Some(n as u64 + 2), "{} twice", n + 1);
        let mut foreign = records.clone();
        foreign[n] = staging[n % staging.len()].clone();
        assert_eq!(fault(&production, &foreign[..=n]), at, "record {} of another chain", n + 1);
    }
}

/// Whoever can compute hashes can write a chain that fits; the rules still say what cannot have happened.
#[tokio::test]
async fn p8_a_chain_that_fits_and_tells_what_the_rules_forbid_is_found() {
    use promotion::journal::{Draft, Entry};
    let (_, production, records) = journal().await;
    let forged = |change: &dyn Fn(&mut Entry) -> bool| {
        let (mut prev, mut all, mut done) = (Record::root(&production), Vec::new(), None);
        for record in &records {
            let mut entry = record.entry.clone();
            if done.is_none() && change(&mut entry) {
                done = Some(record.seq);
            }
            let draft = Draft { promotion: record.promotion.clone(), at: record.at, entry };
            let sealed = Record::seal(&production, record.seq, record.epoch, draft, prev);
            prev = sealed.hash.clone();
            all.push(sealed);
        }
        assert_eq!(fault(&production, &all), done);
        assert!(done.is_some());
    };
    forged(&|entry| match entry {
        Entry::Stepped { phase, .. } if *phase == Phase::RolledBack => {
            *phase = Phase::Succeeded;
            true
        }
        _ => false,
    });
    forged(&|entry| match entry {
        Entry::Stepped { effects, .. } if !effects.is_empty() => {
            effects.clear();
            true
        }
        _ => false,
    });
    forged(&|entry| match entry {
        Entry::EffectDone { n, .. } => {
            *n += 7;
            true
        }
        _ => false,
    });
    forged(&|entry| match entry {
        Entry::Came { outcomes, .. } => {
            let (key, outcome) = outcomes.pop_first().unwrap();
            outcomes.insert(format!("{key}-of-nobody"), outcome);
            true
        }
        _ => false,
    });
}

/// The store on disk is read with the same suspicion.
#[cfg(feature = "sqlite")]
#[tokio::test]
async fn p8_a_row_changed_in_the_file_is_named() {
    use promotion::journal::Sqlite;
    use promotion::model::StoreId;
    use promotion::ports::Journal;

    let (world, production, records) = journal().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let open = || Sqlite::open(&path, world.clock.clone(), &StoreId::new("store-1").unwrap()).unwrap();
    let store = open();
    for record in &records {
        let draft = promotion::journal::Draft {
            promotion: record.promotion.clone(),
            at: record.at,
            entry: record.entry.clone(),
        };
        store.append(&production, record.seq - 1, None, vec![draft]).await.unwrap();
    }
    drop(store);
    for seq in [1, records.len() as u64 / 2, records.len() as u64] {
        let file = rusqlite::Connection::open(&path).unwrap();
        let old: String = file
            .query_row("select body from record where seq = ?1", [seq.cast_signed()], |row| row.get(0))
            .unwrap();
        let write = |body: &str| {
            file.execute(
                "update record set body = ?2 where seq = ?1",
                rusqlite::params![seq.cast_signed(), body],
            )
            .unwrap()
        };
        let changed = old.replacen("production", "productioN", 1);
        assert_ne!(changed, old);
        write(&changed);
        let seen = open().read(&production, 0).await.unwrap();
        assert_eq!(fault(&production, &seen), Some(seq));
        write("{}");
        let unreadable = open().read(&production, 0).await.unwrap_err();
        assert!(matches!(unreadable, JournalError::Damaged { seq: at, .. } if at == seq), "{unreadable}");
        write(&old);
    }
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute("delete from record where seq = 5", []).unwrap();
    let seen = open().read(&production, 0).await.unwrap();
    assert_eq!(fault(&production, &seen), Some(5));
}

/// A store that comes back with fewer records than were read from it is not written on.
#[tokio::test]
async fn p8_a_tail_that_is_cut_while_we_run_is_noticed() {
    use promotion::journal::Memory;
    use promotion::model::StoreId;

    let (mut world, production, records) = journal().await;
    let memory = std::sync::Arc::new(Memory::new(StoreId::new("store-1").unwrap(), world.clock.clone()));
    memory.load(&production, records.clone());
    world.journal = memory.clone();
    let engine = world.engine();
    engine.view(&production).await.unwrap();
    memory.load(&production, records[..records.len() - 3].to_vec());
    let (who, reason) = (World::lead(), "looked");
    let signed = world.word(&who, &promotion::model::Wish::ResetBreaker { environment: &production, reason });
    let error = engine.reset_breaker(&production, who, reason.to_owned(), signed).await.unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("the journal ends at record"), "{text}");
}

/// P8: nobody is asked to approve a rollback, and a no to one that waits for the environment was always taken in. Journals
/// have such records, and replay to the same.
#[tokio::test]
async fn p8_a_rejected_rollback_replays_as_rejected() {
    let asked = Story::BackByPerson.asked().await;
    let (world, handle) = (&asked.world, &asked.handle);
    let production = env("production");
    world.journal.take_lease(&production, "somebody who works there", Millis::secs(600)).await.unwrap();
    assert!(matches!(handle.drive().await.unwrap(), Outcome::Busy { .. }));
    assert_eq!(asked.phase().await, Phase::Queued);
    let no = world.claim(handle, &World::lead(), Decision::Reject).await;
    world.engine().decide(&production, no).await.unwrap();
    let records = world.journal.read(&production, 0).await.unwrap();
    let mut replayed = EnvironmentView::new(production);
    replayed.extend(&records).unwrap();
    assert_eq!(replayed.promotions[&handle.id].state.phase, Phase::Rejected);
}
