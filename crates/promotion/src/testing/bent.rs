//! A small journal, and everything that somebody could do to it who writes into its store.

use std::collections::BTreeMap;

use crate::journal::{Audited, Draft, Entry, Holding, Record, Row, audit};
use crate::model::{AnchorPoint, At, ComponentName, EnvironmentName, Person, Signed, StoreId, UnitId};

/// A journal of a few records that has not been bent yet.
#[derive(Debug, Clone)]
pub struct Bent {
    records: Vec<Record>,
    rows: Vec<Row>,
    anchor: AnchorPoint,
}

impl Default for Bent {
    fn default() -> Self {
        Self::new()
    }
}

impl Bent {
    /// Four records of one environment, with what can be left out there and left out.
    pub fn new() -> Self {
        let environment = EnvironmentName::new("production").expect("a name");
        let by = Person::new("ssh:SHA256:abc").expect("a name");
        let component = ComponentName::new("api").expect("a name");
        let units = vec![UnitId::new("unit-1").expect("a name")];
        let at = At(1_800_000_000_000);
        let signed = Signed { at, proof: "-----BEGIN\n\u{1b}".to_owned() };
        let entries = [
            Entry::ParkedEnded { component: component.clone(), units: units.clone() },
            Entry::BreakerReset { by: by.clone(), reason: "looked".to_owned(), signed: None },
            Entry::Ejected {
                by: by.clone(),
                reason: None,
                signed: None,
                freed: BTreeMap::from([(component, units)]),
                destroyed: BTreeMap::new(),
            },
            Entry::BreakerReset { by, reason: "again".to_owned(), signed: Some(signed) },
        ];
        let mut prev = Record::root(&environment);
        let mut records = Vec::new();
        for (seq, entry) in (1..).zip(entries) {
            let draft = Draft { promotion: None, at, entry };
            let epoch = (seq == 1).then_some(3);
            let record = Record::seal(&environment, seq, epoch, draft, prev);
            prev = record.hash.clone();
            records.push(record);
        }
        let rows = records.iter().map(row).collect();
        let seq = records.len() as u64;
        let store = StoreId::new("store-1").expect("a name");
        Self { records, rows, anchor: AnchorPoint { store, environment, seq, hash: prev, at } }
    }

    /// The records as they were written.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The rows as they stand in a store that keeps the hash beside the text.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The whole chain's anchor.
    pub const fn anchor(&self) -> &AnchorPoint {
        &self.anchor
    }

    /// How many bits there are to flip, of all rows and columns.
    pub fn n_bits(&self) -> u64 {
        self.rows.iter().map(bits).sum()
    }

    /// One row with bit `bit` flipped: which one, and what it is then.
    pub fn flipped(&self, bit: u64) -> (usize, Row) {
        let mut bit = bit % self.n_bits();
        let mut n = 0;
        while let Some(row) = self.rows.get(n).filter(|row| bits(row) <= bit) {
            bit -= bits(row);
            n += 1;
        }
        let mut row = self.rows[n].clone();
        let mut environment = row.environment.clone().into_bytes();
        let mut hash = row.hash.clone().unwrap_or_default();
        let parts = [&mut environment, &mut row.body, &mut hash];
        let mut is_done = false;
        for part in parts {
            let len = part.len() as u64 * 8;
            if bit < len && !is_done {
                part[(bit / 8) as usize] ^= 1 << (bit % 8);
                is_done = true;
            }
            bit = if is_done { bit } else { bit - len };
        }
        if !is_done {
            row.seq ^= 1 << bit;
        }
        row.environment = String::from_utf8_lossy(&environment).into_owned();
        row.hash = Some(hash);
        (n, row)
    }

    /// Whether an audit names the record in which bit `bit` is flipped.
    pub fn names_flip(&self, bit: u64) -> bool {
        let (n, row) = self.flipped(bit);
        let mut rows = self.rows.clone();
        rows[n] = row;
        self.is_named(rows, n as i64 + 1)
    }

    /// Whether the audit names every record of a tail that is cut so that `kept` of them are left.
    pub fn names_cut(&self, kept: usize) -> bool {
        let (kept, n) = (kept % self.rows.len(), self.rows.len() as i64);
        let mut audited = match self.look(self.rows[..kept].to_vec()).pop() {
            Some(audited) => audited,
            None => Audited::empty(self.anchor.environment.as_str()),
        };
        let is_silent_before = audited.findings.is_empty();
        audited.compare(&self.anchor);
        let names = |seq| audited.findings.iter().any(|it| it.names(self.anchor.environment.as_str(), seq));
        is_silent_before && (kept as i64 + 1..=n).all(names) && !(1..=kept as i64).any(names)
    }

    /// Whether the audit names a chain that somebody wrote anew from record `from` on, with hashes that fit.
    pub fn names_rewrite(&self, from: usize) -> bool {
        let from = from % self.records.len();
        let mut prev = from
            .checked_sub(1)
            .and_then(|before| self.records.get(before))
            .map_or_else(|| Record::root(&self.anchor.environment), |record| record.hash.clone());
        let mut rows = self.rows[..from].to_vec();
        for record in &self.records[from..] {
            let draft = Draft { promotion: None, at: At(record.at.0 + 1), entry: record.entry.clone() };
            let forged = Record::seal(&record.environment, record.seq, record.epoch, draft, prev);
            prev = forged.hash.clone();
            rows.push(row(&forged));
        }
        let Some(mut audited) = self.look(rows).pop() else { return false };
        let is_silent_before = audited.findings.is_empty();
        audited.compare(&self.anchor);
        is_silent_before && !audited.findings.is_empty()
    }

    /// Whether an audit of `rows` names record `seq`.
    pub fn is_named(&self, rows: Vec<Row>, seq: i64) -> bool {
        let environment = self.anchor.environment.as_str();
        let audited = self.look(rows);
        audited.iter().flat_map(|it| &it.findings).any(|it| it.names(environment, seq))
    }

    fn look(&self, rows: Vec<Row>) -> Vec<Audited> {
        audit(&Holding { rows, faults: Vec::new() })
    }
}

fn row(record: &Record) -> Row {
    Row {
        environment: record.environment.to_string(),
        seq: record.seq.cast_signed(),
        body: serde_json::to_vec(record).expect("a record has a JSON form"),
        hash: Some(record.hash.as_str().as_bytes().to_vec()),
    }
}

fn bits(row: &Row) -> u64 {
    let bytes = row.environment.len() + row.body.len() + row.hash.as_ref().map_or(0, Vec::len);
    bytes as u64 * 8 + 64
}
