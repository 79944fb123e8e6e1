//! What the disk takes to keep a few bytes for good.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use super::now;

/// A page of a write-ahead log.
const PAGE: [u8; 8192] = [7; 8192];
/// A file of so many is written over again and again, as write-ahead logs are: one that grows would also wait for what the
/// file system keeps of its size.
const PAGES: u32 = 256;

/// A file in which pages are made to stay.
#[derive(Debug)]
pub(super) struct Disk {
    file: File,
    n: u32,
}

impl Disk {
    /// Such a file in `dir`, written once.
    pub(super) fn new(dir: &Path) -> io::Result<Self> {
        let mut file = File::create(dir.join("synced"))?;
        for _ in 0..PAGES {
            file.write_all(&PAGE)?;
        }
        file.sync_all()?;
        Ok(Self { file, n: 0 })
    }

    /// How long it takes to write the next page and to make it stay (fdatasync).
    pub(super) fn sync(&mut self) -> io::Result<Duration> {
        let begun = now();
        self.file.seek(SeekFrom::Start(u64::from(self.n % PAGES) * PAGE.len() as u64))?;
        self.file.write_all(&PAGE)?;
        self.file.sync_data()?;
        self.n += 1;
        Ok(begun.elapsed())
    }
}
