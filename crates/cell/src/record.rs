//! What a cell leaves in its directory: `cell.json` while it runs, `exit` once it ended. Both are written whole or
//! not at all, so that a reader after a crash never sees half of one.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{clock, runtime::Cell};

const CELL: &str = "cell.json";
const EXIT: &str = "exit";
/// Standard output and error of the program, and what the shim has to say (`cell: …`).
pub(crate) const LOG: &str = "log";

/// The end of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exit {
    /// The exit code; 128 + signal when a signal ended it.
    pub(crate) code: i32,
    /// Milliseconds since 1970.
    pub(crate) at_ms: u64,
}

pub(crate) fn write_cell(dir: &Path, cell: &Cell) -> io::Result<()> {
    write(dir, CELL, cell)
}

pub(crate) fn read_cell(dir: &Path) -> Option<Cell> {
    read(dir, CELL)
}

pub(crate) fn write_exit(dir: &Path, code: i32) -> io::Result<()> {
    write(dir, EXIT, &Exit { code, at_ms: clock::unix_ms() })
}

pub(crate) fn read_exit(dir: &Path) -> Option<Exit> {
    read(dir, EXIT)
}

/// Makes room for the next start.
pub(crate) fn clear(dir: &Path) -> io::Result<()> {
    for name in [CELL, EXIT] {
        match fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn write(dir: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
    let unfinished = dir.join(format!(".{name}.new"));
    fs::write(&unfinished, serde_json::to_vec(value)?)?;
    fs::rename(unfinished, dir.join(name))
}

fn read<T: DeserializeOwned>(dir: &Path, name: &str) -> Option<T> {
    serde_json::from_slice(&fs::read(dir.join(name)).ok()?).ok()
}
