//! The journal and the audit log of a stage, read from where a promotion began.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use promotion::journal::Sqlite;
use promotion::model::{EnvironmentName, StoreId};
use promotion::ports::Journal as _;
use serde_json::Value;

use super::trace::Trace;
use crate::support::{PRODUCTION, Stage};

pub(super) struct Watch<'s> {
    stage: &'s Stage,
    journal: Sqlite,
    environment: EnvironmentName,
    head: u64,
    audited: u64,
    pub(super) trace: Trace,
}

impl<'s> Watch<'s> {
    pub(super) async fn new(stage: &'s Stage) -> Self {
        let clock = Arc::new(providers::SystemClock);
        let fresh = StoreId::new("st-watch").unwrap();
        let journal = Sqlite::open(&stage.path("understudy.db"), clock, &fresh).unwrap();
        let environment = EnvironmentName::new("production").unwrap();
        let mut watch = Self { stage, journal, environment, head: 0, audited: 0, trace: Trace::default() };
        watch.look().await;
        watch.trace = Trace::default();
        watch
    }

    pub(super) async fn look(&mut self) {
        let records = self.journal.read(&self.environment, self.head).await.unwrap();
        if let Some(last) = records.last() {
            self.head = last.seq;
        }
        self.trace.records.extend(records);
        let mut file = File::open(self.stage.audit()).unwrap();
        file.seek(SeekFrom::Start(self.audited)).unwrap();
        let mut text = Vec::new();
        file.read_to_end(&mut text).unwrap();
        // The last line may be on its way.
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for line in text[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line: Value = serde_json::from_slice(line).unwrap();
            if line["applied"] == true && line["app"] == PRODUCTION && Trace::takes(&line) {
                self.trace.lines.push(line);
            }
        }
        self.audited += whole as u64;
    }
}
