//! Paths inside a directory that stands for `/`: symbolic links are followed as if that directory were the root,
//! and whatever would lead out of it is refused.

use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

/// As in the kernel's own walk (`MAXSYMLINKS`).
const LINKS_MAX: u32 = 40;

/// Why a path cannot be used inside a root.
#[derive(Debug)]
pub(crate) enum Escape {
    /// The path itself is bad; the text says why.
    Refused(String),
    /// The system refused a step.
    Io { path: PathBuf, source: io::Error },
}

/// The names of an archive entry's path. Absolute paths and `..` are refused; `.` and doubled slashes mean nothing.
pub(crate) fn names(path: &[u8]) -> Result<Vec<OsString>, Escape> {
    if path.starts_with(b"/") {
        return Err(Escape::Refused("its path is absolute".to_owned()));
    }
    let mut names = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(Escape::Refused("its path contains `..`".to_owned())),
            part if part.contains(&0) => {
                return Err(Escape::Refused("its path contains a NUL byte".to_owned()));
            }
            part => names.push(OsStr::from_bytes(part).to_owned()),
        }
    }
    Ok(names)
}

/// The real place of a directory inside `root`, following links, and making what is missing when `make` says so.
pub(crate) fn directory(root: &Path, names: &[OsString], make: bool) -> Result<PathBuf, Escape> {
    let mut todo: VecDeque<OsString> = names.iter().cloned().collect();
    let mut done: Vec<OsString> = Vec::new();
    let mut links = 0;
    while let Some(name) = todo.pop_front() {
        if name == ".." {
            if done.pop().is_none() {
                return Err(Escape::Refused("a symbolic link on its way leads out of the image".to_owned()));
            }
            continue;
        }
        let place = join(root, &done).join(&name);
        let found = match fs::symlink_metadata(&place) {
            Ok(found) => found,
            Err(error) if make && error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir(&place).map_err(|source| Escape::Io { path: place, source })?;
                done.push(name);
                continue;
            }
            Err(source) => return Err(Escape::Io { path: place, source }),
        };
        if found.is_symlink() {
            links += 1;
            if links > LINKS_MAX {
                return Err(Escape::Refused("more than 40 symbolic links on its way".to_owned()));
            }
            let target = fs::read_link(&place).map_err(|source| Escape::Io { path: place, source })?;
            follow(&target, &mut done, &mut todo);
        } else if found.is_dir() || (!make && todo.is_empty()) {
            done.push(name);
        } else {
            return Err(Escape::Refused(format!("`{}` on its way is no directory", name.to_string_lossy())));
        }
    }
    Ok(join(root, &done))
}

fn follow(target: &Path, done: &mut Vec<OsString>, todo: &mut VecDeque<OsString>) {
    if target.has_root() {
        done.clear();
    }
    let parts = target.as_os_str().as_bytes().split(|byte| *byte == b'/');
    for part in parts.rev().filter(|part| !matches!(*part, b"" | b".")) {
        todo.push_front(OsStr::from_bytes(part).to_owned());
    }
}

fn join(root: &Path, names: &[OsString]) -> PathBuf {
    let mut path = root.to_owned();
    path.extend(names);
    path
}

/// Where `path`, as a process with `root` as its `/` would see it, really is; `None` when there is nothing there.
pub(crate) fn resolve_existing(root: &Path, path: &str) -> Option<PathBuf> {
    let names: Vec<OsString> =
        path.split('/').filter(|part| !matches!(*part, "" | ".")).map(OsString::from).collect();
    let place = directory(root, &names, false).ok()?;
    place.exists().then_some(place)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn an_absolute_link_means_the_image_and_not_the_host() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("usr/lib")).unwrap();
        symlink("/usr/lib", dir.path().join("lib")).unwrap();
        fs::write(dir.path().join("usr/lib/x"), "").unwrap();
        assert_eq!(resolve_existing(dir.path(), "/lib/x").unwrap(), dir.path().join("usr/lib/x"));
        assert_eq!(resolve_existing(dir.path(), "/lib/y"), None);
    }

    #[test]
    fn a_link_above_the_root_and_a_circle_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        symlink("../..", dir.path().join("up")).unwrap();
        symlink("round", dir.path().join("round")).unwrap();
        for name in ["up", "round"] {
            let error = directory(dir.path(), &[OsString::from(name), OsString::from("x")], true);
            assert!(matches!(error, Err(Escape::Refused(_))), "{name}: {error:?}");
        }
    }
}
