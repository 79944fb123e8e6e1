//! A directory for one program, gone with it.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, chown},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

/// Names that others may have taken are passed over this often.
const NAMES_MAX: u32 = 1000;

#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Makes a directory that only `user` (else this process's user) may enter.
    pub(super) fn new(user: Option<u32>) -> io::Result<Self> {
        // A name is a convenience; two that meet are told apart by the file system.
        static N: AtomicU64 = AtomicU64::new(0);
        for _ in 0..NAMES_MAX {
            let n = N.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("run-{}-{n}", process::id()));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    let scratch = Self(path);
                    chown(&scratch.0, user, user)?;
                    return Ok(scratch);
                }
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn write(&self, name: &str, text: &str, user: Option<u32>) -> io::Result<()> {
        let file = self.0.join(name);
        fs::write(&file, text)?;
        chown(file, user, user)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
