//! Reading files that people write.

use std::fs::File;
use std::io::{Error, ErrorKind, Read as _, Result};
use std::path::Path;

/// The most that is read of one file: 1 MiB. What people write by hand is a thousandth of that, and what is larger is
/// another file than the one that was meant.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// The content of a regular file of at most [`FILE_BYTES_MAX`]. Devices and pipes may never end, so they are refused.
///
/// # Errors
/// As the system says, or why the file is none of those.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let too_large = || {
        let why = format!("it is larger than {} MiB, and no more is read of a file", FILE_BYTES_MAX >> 20);
        Error::new(ErrorKind::InvalidData, why)
    };
    let found = std::fs::metadata(path)?;
    if found.is_dir() {
        return Err(Error::new(ErrorKind::IsADirectory, "it is a directory"));
    }
    if !found.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is no regular file, and others may never end"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|n| n <= FILE_BYTES_MAX) { Ok(bytes) } else { Err(too_large()) }
}

/// The same as text.
///
/// # Errors
/// As [`read_bytes`], and for what is not UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    let not_text = |_| Error::new(ErrorKind::InvalidData, "it is no text in UTF-8");
    String::from_utf8(read_bytes(path)?).map_err(not_text)
}
