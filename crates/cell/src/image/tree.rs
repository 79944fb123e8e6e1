//! The files of an image to be: a sorted tree, gathered from directories, single files and programs.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{PermissionsExt as _, symlink},
    },
    path::{Path, PathBuf},
};

use super::{ImageError, libraries};

/// Files by their place in the image. Modes are `0755` and `0644`, owners `0:0`, times zero, so that equal contents
/// make equal digests on every machine.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// Place without leading slash → what is there.
    nodes: BTreeMap<Vec<u8>, Node>,
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    Directory,
    File { content: Content, executable: bool },
    Symlink(OsString),
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    Bytes(Vec<u8>),
    Host(PathBuf),
}

impl Tree {
    /// No files yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A directory with all that is in it, as the image's `/`.
    ///
    /// # Errors
    /// An unreadable file, or one that is neither file, directory nor symbolic link.
    pub fn of_directory(dir: &Path) -> Result<Self, ImageError> {
        let mut tree = Self::new();
        tree.add_directory(dir, "/")?;
        Ok(tree)
    }

    /// Files given as bytes, by their place.
    #[must_use]
    pub fn of_files<P: AsRef<str>>(files: impl IntoIterator<Item = (P, Vec<u8>)>) -> Self {
        let mut tree = Self::new();
        for (place, bytes) in files {
            tree.add_bytes(place.as_ref(), bytes, false);
        }
        tree
    }

    /// A host's directory with all that is in it, below `place`.
    ///
    /// # Errors
    /// As [`Tree::of_directory`].
    pub fn add_directory(&mut self, dir: &Path, place: &str) -> Result<(), ImageError> {
        self.walk(dir, &key(place.as_bytes()))
    }

    /// One file of this host. A symbolic link is followed: the image gets the file it points to.
    ///
    /// # Errors
    /// An unreadable file.
    pub fn add_file(&mut self, file: &Path, place: &str) -> Result<(), ImageError> {
        let found = fs::metadata(file).map_err(ImageError::file("read", file))?;
        let executable = found.permissions().mode() & 0o111 != 0;
        self.put(key(place.as_bytes()), Node::File { content: Content::Host(file.to_owned()), executable });
        Ok(())
    }

    /// A file with these bytes.
    pub fn add_bytes(&mut self, place: &str, bytes: Vec<u8>, executable: bool) {
        self.put(key(place.as_bytes()), Node::File { content: Content::Bytes(bytes), executable });
    }

    /// A program with its shared libraries and its dynamic loader, which keep their paths (or, for a script, its
    /// interpreter). Answers the library directories that its loader would not search by itself.
    ///
    /// # Errors
    /// No program of this machine's kind, or a library that is not found.
    pub fn add_program(&mut self, program: &Path, place: &str) -> Result<Vec<String>, ImageError> {
        self.add_file(program, place)?;
        let needs = libraries::needs(program)?;
        for file in &needs.files {
            self.add_file(file, &file.to_string_lossy())?;
        }
        Ok(needs.unusual_directories)
    }

    /// Is there anything at this place?
    #[must_use]
    pub fn contains(&self, place: &str) -> bool {
        self.nodes.contains_key(&key(place.as_bytes()))
    }

    /// Writes the tree below a directory of this host, which is made when it is missing.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn write_to(&self, dir: &Path) -> Result<(), ImageError> {
        fs::create_dir_all(dir).map_err(ImageError::file("make the directory", dir))?;
        for (place, node) in &self.nodes {
            let to = dir.join(std::ffi::OsStr::from_bytes(place));
            let written = match node {
                Node::Directory => fs::create_dir_all(&to),
                Node::Symlink(target) => symlink(target, &to),
                Node::File { content: Content::Bytes(bytes), .. } => fs::write(&to, bytes),
                Node::File { content: Content::Host(from), .. } => fs::copy(from, &to).map(drop),
            };
            let moded = match node {
                Node::File { executable, .. } => {
                    let mode = if *executable { 0o755 } else { 0o644 };
                    written.and_then(|()| fs::set_permissions(&to, fs::Permissions::from_mode(mode)))
                }
                Node::Directory | Node::Symlink(_) => written,
            };
            moded.map_err(ImageError::file("write", &to))?;
        }
        Ok(())
    }

    pub(super) fn nodes(&self) -> &BTreeMap<Vec<u8>, Node> {
        &self.nodes
    }

    fn walk(&mut self, dir: &Path, at: &[u8]) -> Result<(), ImageError> {
        let list = fs::read_dir(dir).map_err(ImageError::file("list", dir))?;
        for child in list {
            let child = child.map_err(ImageError::file("list", dir))?;
            let mut place = at.to_vec();
            if !place.is_empty() {
                place.push(b'/');
            }
            place.extend_from_slice(child.file_name().as_bytes());
            self.take(&child.path(), place)?;
        }
        Ok(())
    }

    fn take(&mut self, from: &Path, place: Vec<u8>) -> Result<(), ImageError> {
        let found = fs::symlink_metadata(from).map_err(ImageError::file("read", from))?;
        if found.is_symlink() {
            let target = fs::read_link(from).map_err(ImageError::file("read the link", from))?;
            self.put(place, Node::Symlink(target.into_os_string()));
        } else if found.is_dir() {
            self.put(place.clone(), Node::Directory);
            self.walk(from, &place)?;
        } else if found.is_file() {
            let executable = found.permissions().mode() & 0o111 != 0;
            self.put(place, Node::File { content: Content::Host(from.to_owned()), executable });
        } else {
            let source = io::Error::other("it is a socket, a pipe or a device, which an image cannot hold");
            return Err(ImageError::File { step: "put into an image", path: from.to_owned(), source });
        }
        Ok(())
    }

    /// Puts a node and the directories above it.
    fn put(&mut self, place: Vec<u8>, node: Node) {
        for (at, byte) in place.iter().enumerate() {
            if *byte == b'/' {
                self.nodes.entry(place[..at].to_vec()).or_insert(Node::Directory);
            }
        }
        self.nodes.insert(place, node);
    }
}

fn key(place: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> =
        place.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
    parts.join(&b'/')
}
