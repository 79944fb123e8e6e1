//! Blobs by digest, and per repository which blobs, manifests and tags belong to it.
//!
//! A repository sees a blob only after it was pushed or mounted there, so that organisations stay apart although
//! the bytes are stored once.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::names;
use crate::disk;

/// The store on disk.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    root: PathBuf,
}

/// A manifest as it was pushed.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    pub(crate) digest: String,
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
}

impl Store {
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        disk::make_dir(&root.join("blobs"))?;
        disk::make_dir(&root.join("uploads"))?;
        Ok(Self { root: root.to_owned() })
    }

    pub(crate) fn blob_path(&self, digest: &str) -> PathBuf {
        self.root.join("blobs").join(digest.replace(':', "-"))
    }

    pub(crate) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    fn repository(&self, name: &str) -> PathBuf {
        self.root.join("repos").join(name.replace('/', "~"))
    }

    fn entry(&self, repository: &str, kind: &str, name: &str) -> PathBuf {
        self.repository(repository).join(kind).join(name.replace(':', "-"))
    }

    /// Who pushed first to a repository that belongs to no app or site.
    pub(crate) fn owner(&self, repository: &str) -> Option<String> {
        fs::read_to_string(self.repository(repository).join("owner")).ok()
    }

    /// Whether any repository under this first segment belongs to somebody else than `org`.
    pub(crate) fn claimed_by_other(&self, segment: &str, org: &str) -> bool {
        let repos = disk::names(&self.root.join("repos"));
        repos
            .iter()
            .filter(|r| r.split('~').next() == Some(segment))
            .any(|r| self.owner(&r.replace('~', "/")).is_some_and(|owner| owner != org))
    }

    /// Notes the owner, unless there is one.
    pub(crate) fn claim(&self, repository: &str, org: &str) -> io::Result<()> {
        if self.owner(repository).is_none() {
            disk::replace(&self.repository(repository).join("owner"), org.as_bytes(), true)?;
        }
        Ok(())
    }

    /// Whether the repository has the blob.
    pub(crate) fn has_blob(&self, repository: &str, digest: &str) -> bool {
        self.entry(repository, "blobs", digest).exists() && self.blob_path(digest).exists()
    }

    /// Makes a stored blob part of a repository.
    pub(crate) fn link_blob(&self, repository: &str, digest: &str) -> io::Result<()> {
        disk::replace(&self.entry(repository, "blobs", digest), b"", true)
    }

    /// Takes a blob out of a repository; the bytes stay.
    pub(crate) fn unlink_blob(&self, repository: &str, digest: &str) -> io::Result<()> {
        fs::remove_file(self.entry(repository, "blobs", digest))
    }

    /// Moves a finished file into the store; it is synced first.
    pub(crate) fn adopt_file(&self, file: &Path, digest: &str) -> io::Result<()> {
        File::open(file)?.sync_all()?;
        fs::rename(file, self.blob_path(digest))
    }

    /// The whole blob, its digest verified.
    pub(crate) fn read_blob(&self, digest: &str) -> io::Result<Vec<u8>> {
        let bytes = fs::read(self.blob_path(digest))?;
        if digest_of(&bytes) != digest {
            return Err(io::Error::other(format!("blob {digest} is damaged on disk")));
        }
        Ok(bytes)
    }

    /// Stores a manifest under its digest.
    pub(crate) fn put_manifest(&self, repository: &str, manifest: &Manifest) -> io::Result<()> {
        disk::replace(&self.blob_path(&manifest.digest), &manifest.bytes, true)?;
        let entry = self.entry(repository, "manifests", &manifest.digest);
        disk::replace(&entry, manifest.media_type.as_bytes(), true)
    }

    /// Points a tag at a manifest.
    pub(crate) fn tag(&self, repository: &str, tag: &str, digest: &str) -> io::Result<()> {
        disk::replace(&self.entry(repository, "tags", tag), digest.as_bytes(), true)
    }

    /// Whether the repository has this manifest.
    pub(crate) fn has_manifest(&self, repository: &str, digest: &str) -> bool {
        self.entry(repository, "manifests", digest).exists()
    }

    /// The manifest behind a tag or digest.
    pub(crate) fn manifest(&self, repository: &str, reference: &str) -> io::Result<Option<Manifest>> {
        let digest = if names::is_digest(reference) {
            reference.to_owned()
        } else if names::is_tag(reference) {
            match fs::read_to_string(self.entry(repository, "tags", reference)) {
                Ok(digest) => digest,
                Err(_) => return Ok(None),
            }
        } else {
            return Ok(None);
        };
        let Ok(media_type) = fs::read_to_string(self.entry(repository, "manifests", &digest)) else {
            return Ok(None);
        };
        let bytes = self.read_blob(&digest)?;
        Ok(Some(Manifest { digest, media_type, bytes }))
    }

    /// All tags of a repository, sorted.
    pub(crate) fn tags(&self, repository: &str) -> Vec<String> {
        disk::names(&self.repository(repository).join("tags"))
    }

    /// All repositories, sorted.
    pub(crate) fn repositories(&self) -> Vec<String> {
        disk::names(&self.root.join("repos")).iter().map(|name| name.replace('~', "/")).collect()
    }

    /// Removes every manifest that neither a tag names nor an index that one names; answers their digests.
    pub(crate) fn prune(&self, repository: &str) -> io::Result<Vec<String>> {
        let mut kept = BTreeSet::new();
        let mut open: Vec<String> = self.tags(repository);
        while let Some(reference) = open.pop() {
            let Some(manifest) = self.manifest(repository, &reference)? else { continue };
            if kept.insert(manifest.digest) {
                let json: Value = serde_json::from_slice(&manifest.bytes).unwrap_or_default();
                let children = json.get("manifests").and_then(Value::as_array).into_iter().flatten();
                open.extend(children.filter_map(|child| Some(child.get("digest")?.as_str()?.to_owned())));
            }
        }
        let mut pruned = Vec::new();
        for name in disk::names(&self.repository(repository).join("manifests")) {
            let digest = name.replace('-', ":");
            if !kept.contains(&digest) && self.delete_manifest(repository, &digest)? {
                pruned.push(digest);
            }
        }
        Ok(pruned)
    }

    /// Removes a tag, or a manifest with all tags that point at it; false when there is none.
    pub(crate) fn delete_manifest(&self, repository: &str, reference: &str) -> io::Result<bool> {
        if !names::is_digest(reference) {
            return Ok(names::is_tag(reference)
                && fs::remove_file(self.entry(repository, "tags", reference)).is_ok());
        }
        for tag in disk::names(&self.repository(repository).join("tags")) {
            let path = self.entry(repository, "tags", &tag);
            if fs::read_to_string(&path).is_ok_and(|d| d == reference) {
                fs::remove_file(path)?;
            }
        }
        Ok(fs::remove_file(self.entry(repository, "manifests", reference)).is_ok())
    }
}

/// `sha256:…` of bytes.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

/// `sha256:…` of a file.
pub(crate) fn digest_of_file(path: &Path) -> io::Result<String> {
    let (mut file, mut hash, mut buffer) = (File::open(path)?, Sha256::new(), vec![0u8; 64 * 1024]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(format!("sha256:{}", hex(&hash.finalize()))),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, b| {
        use std::fmt::Write;
        let _ = write!(out, "{b:02x}");
        out
    })
}
