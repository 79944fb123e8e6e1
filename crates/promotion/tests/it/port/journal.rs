//! The journals of this crate against the suite of the port.

use std::sync::Arc;

use promotion::conformance;
use promotion::journal::Memory;
use promotion::model::StoreId;

use super::clock;

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_in_memory_conforms() {
    let clock = clock();
    let journal = Arc::new(Memory::new(StoreId::new("store-1").unwrap(), clock.clone()));
    conformance::journal(&*journal, &*clock).await;
    conformance::journal_shared(journal.clone(), journal, &*clock).await;
}

#[cfg(feature = "sqlite")]
mod file {
    use std::path::PathBuf;
    use std::sync::Arc;

    use async_trait::async_trait;
    use promotion::conformance::{self, JournalFixture};
    use promotion::journal::Sqlite;
    use promotion::model::{EnvironmentName, StoreId};
    use promotion::ports::{Clock, Journal};

    use super::clock;

    #[derive(Debug)]
    struct File {
        path: PathBuf,
        clock: Arc<dyn Clock>,
    }

    impl File {
        fn row<T>(&self, act: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>) -> T {
            act(&rusqlite::Connection::open(&self.path).unwrap()).unwrap()
        }
    }

    #[async_trait]
    impl JournalFixture for File {
        async fn open(&self, fresh: &StoreId) -> Arc<dyn Journal> {
            Arc::new(Sqlite::open(&self.path, self.clock.clone(), fresh).unwrap())
        }

        async fn body(&self, environment: &EnvironmentName, seq: u64) -> String {
            let key = (environment.as_str(), seq.cast_signed());
            let sql = "select body from record where environment = ?1 and seq = ?2";
            self.row(|file| file.query_row(sql, key, |row| row.get(0)))
        }

        async fn overwrite(&self, environment: &EnvironmentName, seq: u64, body: &str) {
            let values = (environment.as_str(), seq.cast_signed(), body);
            let sql = "update record set body = ?3 where environment = ?1 and seq = ?2";
            assert_eq!(self.row(|file| file.execute(sql, values)), 1);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_journal_in_a_file_conforms() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
        let fixture = File { path: dir.path().join("journal.db"), clock: clock.clone() };
        conformance::journal_store(&fixture, &*clock).await;
    }
}
