//! What the disk takes to keep a few bytes for good.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use super::now;

/// A page, as databases write it.
const PAGE: [u8; 4096] = [7; 4096];

/// How long each of `n` pages takes that is appended to a file in `dir` and made to stay (fdatasync).
pub(super) fn syncs(dir: &Path, n: usize) -> io::Result<Vec<Duration>> {
    let mut file = File::options().create(true).append(true).open(dir.join("synced"))?;
    let mut times = Vec::with_capacity(n);
    for _ in 0..n {
        let begun = now();
        file.write_all(&PAGE)?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    Ok(times)
}
