//! The state directory: one server at a time, every record replaced whole.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{error::StartError, ids};

/// Where everything lies.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn app(&self, app: &str) -> PathBuf {
        self.root.join("apps").join(format!("{app}.json"))
    }

    pub(crate) fn apps(&self) -> PathBuf {
        self.root.join("apps")
    }

    pub(crate) fn machines(&self) -> PathBuf {
        self.root.join("machines")
    }

    pub(crate) fn machine(&self, id: &str) -> PathBuf {
        self.machines().join(id)
    }

    pub(crate) fn image(&self, digest: &str) -> PathBuf {
        self.root.join("images").join(digest.replace(':', "-"))
    }

    pub(crate) fn sites(&self) -> PathBuf {
        self.root.join("sites")
    }

    pub(crate) fn site(&self, site: &str) -> PathBuf {
        self.sites().join(site)
    }

    pub(crate) fn registry(&self) -> PathBuf {
        self.root.join("registry")
    }

    pub(crate) fn s3(&self) -> PathBuf {
        self.root.join("s3")
    }
}

/// Makes a directory and its parents, readable by the owner only.
pub(crate) fn make_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Replaces a file whole: temporary file, `fsync` when `durable`, rename.
pub(crate) fn replace(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    let parent = path.parent().ok_or_else(|| io::Error::other("path has no parent"))?;
    make_dir(parent)?;
    let temporary = parent.join(format!(".{}.tmp", ids::nonce()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        if durable {
            file.sync_all()?;
        }
        drop(file);
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Replaces a JSON record. Not synced: it must survive the death of the process, not of the host.
pub(crate) fn save<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let bytes = serde_json::to_vec(value).map_err(io::Error::other)?;
    replace(path, &bytes, false)
}

/// The same for a record that changes often: what it was before stays beside it, to be written over the next time. One
/// writer at a time for each path, and no reader that keeps it open over two changes.
pub(crate) fn save_often<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let bytes = serde_json::to_vec(value).map_err(io::Error::other)?;
    let missing = || io::Error::other("path has no parent or no name");
    let (parent, name) =
        path.parent().zip(path.file_name().and_then(|name| name.to_str())).ok_or_else(missing)?;
    let spare = parent.join(format!(".{name}.spare"));
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&spare)?;
        file.write_all(&bytes)
    };
    let written = match write() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_dir(parent).and_then(|()| write()),
        other => other,
    };
    let saved = written.and_then(|()| take_turns(&spare, path));
    if saved.is_err() {
        let _ = fs::remove_file(&spare);
    }
    saved
}

/// Puts `spare` in the place of `path`, and what was there in the place of `spare`, to be written over the next time. A
/// new file each time would be dear: ext4 does not use the number of a file again that was removed a moment ago, and
/// searches on and on where thousands were.
fn take_turns(spare: &Path, path: &Path) -> io::Result<()> {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
        if renameat2(AT_FDCWD, spare, AT_FDCWD, path, RenameFlags::RENAME_EXCHANGE).is_ok() {
            return Ok(());
        }
        // There is nothing to change places with, or the file system cannot.
    }
    fs::rename(spare, path)
}

/// Reads a JSON record; `None` when there is no such file.
pub(crate) fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StartError> {
    let state =
        |step: &str, source| StartError::State { path: path.to_owned(), step: step.to_owned(), source };
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|e| state(&format!("its JSON is damaged: {e}"), io::Error::from(e))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(state("reading", e)),
    }
}

/// The names in a directory, sorted; none when it does not exist.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<_> = entries
        .filter_map(|e| e.ok()?.file_name().into_string().ok())
        .filter(|n| !n.starts_with('.'))
        .collect();
    names.sort();
    names
}

/// How long a dead server's lock is waited for, a hundred times.
const HANDED_DOWN: Duration = Duration::from_millis(20);
const HANDED_DOWN_TRIES: u32 = 100;

/// Holds the state directory until dropped; released by the system when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Drop for Lock {
    /// Said outright: a process that is being started just now has the file as well, until it becomes another program.
    fn drop(&mut self) {
        // Where that fails it is free as soon as nobody has the file open.
        let _ = self.file.unlock();
    }
}

impl Lock {
    pub(crate) fn take(root: &Path) -> Result<Self, StartError> {
        let path = root.join("lock");
        let state =
            |step: &str, source| StartError::State { path: path.clone(), step: step.to_owned(), source };
        make_dir(root).map_err(|e| state("making the state directory", e))?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|e| state("opening the lock", e))?;
        let mut tries = 0;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(e)) => return Err(state("locking", e)),
                Err(TryLockError::WouldBlock) => {}
            }
            let mut pid = String::new();
            let _ = file.rewind().and_then(|()| file.read_to_string(&mut pid));
            // A server that was killed while it started a machine leaves its lock, for the moment until the new
            // process becomes another program, to that process.
            let dead = Path::new("/proc/self").exists() && !Path::new("/proc").join(pid.trim()).exists();
            tries += 1;
            if !dead || tries > HANDED_DOWN_TRIES {
                return Err(StartError::InUse { dir: root.to_owned(), pid: pid.trim().to_owned() });
            }
            std::thread::sleep(HANDED_DOWN);
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(|e| state("writing the lock", e))?;
        Ok(Self { file })
    }
}

#[cfg(test)]
mod tests {
    use super::Lock;

    #[test]
    fn a_lock_that_was_given_back_is_free_although_a_process_that_starts_has_the_file_too() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        assert!(Lock::take(dir.path()).is_err(), "somebody has it");
        // As between `fork` and `exec`.
        let inherited = lock.file.try_clone().unwrap();
        drop(lock);
        Lock::take(dir.path()).unwrap();
        drop(inherited);
    }
}
