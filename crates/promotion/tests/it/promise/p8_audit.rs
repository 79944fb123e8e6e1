//! P8: the audit names any changed, missing, swapped or reordered record; against an anchor also a cut tail and a
//! rewritten chain. What is expected comes from what was bent, never from what the audit says.

use promotion::journal::{Fault, Finding, Holding, Record, Row, audit};
use promotion::machine::Phase;
use promotion::ports::Verbatim;
use promotion::testing::{Bent, World, env};

use crate::story::Story;

fn look(rows: Vec<Row>) -> Vec<Finding> {
    audit(&Holding { rows, faults: Vec::new() }).into_iter().flat_map(|chain| chain.findings).collect()
}

fn faults(rows: Vec<Row>) -> Vec<(i64, i64, Fault)> {
    look(rows).into_iter().map(|it| (it.seq, it.to, it.fault)).collect()
}

#[test]
fn p8_every_flipped_bit_of_every_record_and_column_is_named() {
    let bent = Bent::new();
    assert_eq!(look(bent.rows().to_vec()), [], "nothing is wrong before");
    assert!(bent.n_bits() > 12_000, "{}", bent.n_bits());
    let missed: Vec<_> = (0..bent.n_bits())
        .filter(|bit| !bent.names_flip(*bit))
        .map(|bit| String::from_utf8_lossy(&bent.flipped(bit).1.body).into_owned())
        .collect();
    assert_eq!(missed, [""; 0]);
}

/// A value that is the same and is spelled otherwise has the same hash: RFC 8259, section 7, has two spellings of one
/// character, and a field that no reader knows is in no hash.
#[test]
fn p8_what_the_hash_does_not_cover_is_named() {
    let bent = Bent::new();
    let (first, last) = (&bent.rows()[0], &bent.rows()[3]);
    let text = |row: &Row| String::from_utf8(row.body.clone()).unwrap();
    let changes = [
        (3, text(last).replace("\\u001b", "\\u001B")),
        (0, text(first).replace("\"promotion\":null,", "")),
        (0, text(first).replace("\"promotion\":null", "\"promotiom\":null")),
        (0, text(first).replacen('{', "{\"note\":1,", 1)),
        (0, text(first).replacen('{', "{ ", 1)),
        (0, format!("{} ", text(first))),
    ];
    for (n, body) in changes {
        let mut rows = bent.rows().to_vec();
        assert_ne!(rows[n].body, body.as_bytes());
        let read: Record = serde_json::from_str(&body).unwrap();
        assert_eq!(read, bent.records()[n], "the value is the same");
        rows[n].body = body.into_bytes();
        let at = n as i64 + 1;
        assert_eq!(faults(rows), [(at, at, Fault::Changed)]);
    }
}

/// Earlier versions may have written fields in another order; that is what was hashed, all the same.
#[test]
fn p8_another_order_of_fields_is_no_fault() {
    let bent = Bent::new();
    let mut rows = bent.rows().to_vec();
    let body = String::from_utf8(rows[1].body.clone()).unwrap();
    let body = body.replacen("{\"v\":1,", "{", 1);
    rows[1].body = format!("{},\"v\":1}}", body.strip_suffix('}').unwrap()).into_bytes();
    assert_eq!(look(rows), []);
}

#[test]
fn p8_missing_swapped_moved_repeated_replaced_and_foreign_records_are_named_by_number() {
    let bent = Bent::new();
    let whole = bent.rows().to_vec();
    let change = |change: &dyn Fn(&mut Vec<Row>)| {
        let mut rows = whole.clone();
        change(&mut rows);
        faults(rows)
    };
    assert_eq!(change(&|rows| drop(rows.remove(0))), [(1, 1, Fault::Missing)]);
    assert_eq!(change(&|rows| drop(rows.drain(1..3))), [(2, 3, Fault::Missing)]);
    let swap = |rows: &mut Vec<Row>| (rows[1].seq, rows[2].seq) = (3, 2);
    assert_eq!(change(&swap), [(2, 2, Fault::Swapped), (3, 3, Fault::Swapped)]);
    let turn = |rows: &mut Vec<Row>| (rows[1].seq, rows[2].seq, rows[3].seq) = (3, 4, 2);
    assert_eq!(change(&turn), [(2, 2, Fault::Moved), (3, 3, Fault::Moved), (4, 4, Fault::Moved)]);
    let again = |rows: &mut Vec<Row>| {
        let twice = Row { seq: 5, ..rows[1].clone() };
        rows.push(twice);
    };
    assert_eq!(change(&again), [(5, 5, Fault::Repeated)]);
    let lost =
        look(whole.iter().map(|row| Row { environment: "staging".to_owned(), ..row.clone() }).collect());
    assert_eq!(lost.len(), 4);
    assert!(lost.iter().all(|it| it.fault == Fault::Foreign && it.environment == "staging"));
    // Sealed anew, so that it is sound by itself: what comes after was written behind another one.
    for n in 0..3_usize {
        let record = &bent.records()[n];
        let draft = promotion::journal::Draft {
            promotion: None,
            at: promotion::model::At(record.at.0 + 1),
            entry: record.entry.clone(),
        };
        let forged = Record::seal(&record.environment, record.seq, record.epoch, draft, record.prev.clone());
        let forge = |rows: &mut Vec<Row>| {
            rows[n].body = serde_json::to_vec(&forged).unwrap();
            rows[n].hash = Some(forged.hash.as_str().as_bytes().to_vec());
        };
        let at = n as i64 + 1;
        assert_eq!(change(&forge), [(at, at, Fault::Replaced)], "record {at}");
    }
}

#[test]
fn p8_against_an_anchor_a_cut_tail_and_a_rewritten_chain_are_named() {
    let bent = Bent::new();
    for n in 0..bent.rows().len() {
        assert!(bent.names_cut(n), "{n} records left");
        assert!(bent.names_rewrite(n), "rewritten from record {}", n + 1);
    }
    let mut whole = audit(&Holding { rows: bent.rows().to_vec(), faults: Vec::new() }).remove(0);
    whole.compare(bent.anchor());
    assert_eq!(whole.findings, [], "an anchor of the chain as it is finds nothing");
}

/// A chain whose hashes all fit and which tells what the table of phases has no row for.
#[tokio::test]
async fn p8_a_chain_that_fits_and_tells_what_cannot_have_happened_is_named() {
    use promotion::journal::{Draft, Entry};
    let asked = Story::PromoteThatFails.asked().await;
    asked.play(&asked.world.engine()).await.unwrap();
    let production = env("production");
    let records = asked.world.journal.read(&production, 0).await.unwrap();
    let (mut prev, mut rows, mut bent) = (Record::root(&production), Vec::new(), None);
    for record in &records {
        let mut entry = record.entry.clone();
        if let Entry::Stepped { phase, .. } = &mut entry
            && *phase == Phase::RolledBack
        {
            *phase = Phase::Succeeded;
            bent = Some(record.seq.cast_signed());
        }
        let draft = Draft { promotion: record.promotion.clone(), at: record.at, entry };
        let sealed = Record::seal(&production, record.seq, record.epoch, draft, prev);
        prev = sealed.hash.clone();
        let body = serde_json::to_vec(&sealed).unwrap();
        rows.push(Row {
            environment: "production".to_owned(),
            seq: record.seq.cast_signed(),
            body,
            hash: None,
        });
    }
    let bent = bent.unwrap();
    assert_eq!(faults(rows), [(bent, bent, Fault::Forbidden)]);
}

/// The journal of a whole promotion, in the store in memory: nothing is found in it, and any bit of it that is another
/// value is named.
#[tokio::test]
async fn p8_the_store_in_memory_is_audited_as_it_is() {
    use promotion::journal::Memory;
    use promotion::model::StoreId;

    let world: World = Story::PromoteThatFails.asked().await.world;
    let bent = Bent::new();
    let production = env("production");
    let memory = Memory::new(StoreId::new("store-1").unwrap(), world.clock.clone());
    let (mut n_flipped, mut missed) = (0, Vec::new());
    for bit in (0..bent.n_bits()).step_by(7) {
        let (n, row) = bent.flipped(bit);
        let Ok(record) = serde_json::from_slice::<Record>(&row.body) else { continue };
        if record == bent.records()[n] {
            continue;
        }
        let mut records = bent.records().to_vec();
        records[n] = record;
        memory.load(&production, records);
        n_flipped += 1;
        if !bent.is_named(memory.verbatim().await.unwrap().rows, n as i64 + 1) {
            missed.push(bit);
        }
    }
    assert_eq!(missed, [0; 0]);
    assert!(n_flipped > 300, "{n_flipped}");
    memory.load(&production, bent.records().to_vec());
    assert_eq!(look(memory.verbatim().await.unwrap().rows), []);
}

/// Bits flipped in the file of the store itself, in every column of its rows.
#[cfg(feature = "sqlite")]
#[tokio::test]
async fn p8_every_bit_flipped_in_the_file_is_named() {
    use promotion::journal::Sqlite;
    use promotion::model::StoreId;
    use promotion::ports::{Import, Journal};

    let (world, bent) = (Story::PromoteThatFails.asked().await.world, Bent::new());
    let production = env("production");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let store = Sqlite::open(&path, world.clock.clone(), &StoreId::new("store-1").unwrap()).unwrap();
    store.import(&production, 0, bent.records()).await.unwrap();
    assert_eq!(store.verbatim().await.unwrap().rows, bent.rows());
    let vandal = rusqlite::Connection::open(&path).unwrap();
    vandal.pragma_update(None, "synchronous", "off").unwrap();
    let write = |seq: i64, row: &Row| {
        let sql = "update record set environment = cast(?2 as text), seq = ?3, body = cast(?4 as text), \
                   hash = cast(?5 as text) where rowid_of = ?1";
        let sql = sql.replace("rowid_of", "environment = 'production' and seq");
        let values = rusqlite::params![seq, row.environment.as_bytes(), row.seq, row.body, row.hash];
        vandal.execute(&sql, values)
    };
    let (mut n_flipped, mut missed) = (0, Vec::new());
    // A step that meets every bit of a byte and every column.
    for bit in (0..bent.n_bits()).step_by(3) {
        let (n, row) = bent.flipped(bit);
        let seq = n as i64 + 1;
        // Two rows with one number are nothing that the file takes.
        let Ok(changed) = write(seq, &row) else { continue };
        assert_eq!(changed, 1);
        let rows = store.verbatim().await.unwrap().rows;
        if !bent.is_named(rows, seq) {
            missed.push(bit);
        }
        // A changed text or hash is refused by whoever reads on, too.
        if n_flipped % 16 == 0 && row.environment == "production" && row.seq == seq {
            let read = store.read(&production, 0).await;
            let view = read.and_then(|records| {
                promotion::journal::EnvironmentView::new(production.clone()).extend(&records)
            });
            assert!(view.is_err(), "bit {bit}");
        }
        n_flipped += 1;
        let sql = "delete from record";
        vandal.execute(sql, []).unwrap();
        for row in bent.rows() {
            let values = rusqlite::params![
                row.environment,
                row.seq,
                String::from_utf8_lossy(&row.body),
                row.hash.as_deref().map(String::from_utf8_lossy)
            ];
            vandal.execute("insert into record values (?1, ?2, ?3, ?4)", values).unwrap();
        }
    }
    assert_eq!(missed, [0; 0]);
    assert!(n_flipped > 4_000, "{n_flipped}");
}
