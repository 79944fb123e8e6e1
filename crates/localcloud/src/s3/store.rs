//! Buckets and objects on disk. An object is one file, a line that says what it is and then its content, so that both
//! change at once; the index in memory is made of those lines when the server starts.
//!
//! Nothing is synced: as all records here it survives the death of the process, not of the host.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufRead, BufReader, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Refusal, conditions::Condition, names};
use crate::{disk, error::StartError, registry::store::hex};

/// An object but for its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Object {
    pub(super) key: String,
    /// With its quotes.
    pub(super) etag: String,
    pub(super) size: u64,
    pub(super) modified_s: u64,
    /// What the writer said and readers are told again.
    pub(super) headers: BTreeMap<String, String>,
    /// Where the content begins in its file.
    #[serde(skip)]
    pub(super) from: u64,
}

/// A bucket's objects by key, in the order of their bytes.
pub(super) type Objects = BTreeMap<String, Object>;

#[derive(Debug, Serialize, Deserialize)]
struct Bucket {
    org: String,
    #[serde(skip)]
    objects: Objects,
}

/// All buckets. Whoever changes one holds the lock from the look at what is there to the change.
#[derive(Debug)]
pub(crate) struct Store {
    root: PathBuf,
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

impl Store {
    /// Reads what is there.
    pub(crate) fn open(root: &Path) -> Result<Self, StartError> {
        let state = |path: &Path, step: &str, source| StartError::State {
            path: path.to_owned(),
            step: step.to_owned(),
            source,
        };
        disk::make_dir(root).map_err(|e| state(root, "making", e))?;
        let mut buckets = BTreeMap::new();
        for name in disk::names(root) {
            let dir = root.join(&name);
            let Some(mut bucket) = disk::load::<Bucket>(&dir.join("bucket.json"))? else { continue };
            for file in disk::names(&dir.join("objects")) {
                let path = dir.join("objects").join(file);
                let object = read(&path).map_err(|e| state(&path, "reading an object", e))?;
                bucket.objects.insert(object.key.clone(), object);
            }
            buckets.insert(name, bucket);
        }
        Ok(Self { root: root.to_owned(), buckets: Mutex::new(buckets) })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keys are longer than names of files may be, and have slashes.
    fn path(&self, bucket: &str, key: &str) -> PathBuf {
        self.root.join(bucket).join("objects").join(hex(&Sha256::digest(key)))
    }

    /// Makes a bucket; `false` where the organisation has it already.
    pub(crate) fn make_bucket(&self, name: &str, org: &str) -> Result<bool, Refusal> {
        if !names::is_bucket(name) {
            let why =
                format!("`{name}` is no name for a bucket: 3 to 63 small letters, digits, dots and hyphens");
            return Err(Refusal::bad("InvalidBucketName", why));
        }
        let mut buckets = self.lock();
        match buckets.get(name) {
            Some(bucket) if bucket.org == org => return Ok(false),
            Some(_) => {
                let why = format!("the bucket `{name}` belongs to another organisation");
                return Err(Refusal::new(StatusCode::CONFLICT, "BucketAlreadyExists", why));
            }
            None => {}
        }
        let bucket = Bucket { org: org.to_owned(), objects: Objects::new() };
        disk::save(&self.root.join(name).join("bucket.json"), &bucket)?;
        buckets.insert(name.to_owned(), bucket);
        Ok(true)
    }

    /// Refuses a bucket that is not there, or another organisation's.
    pub(super) fn check(&self, bucket: &str, org: &str) -> Result<(), Refusal> {
        match self.lock().get(bucket) {
            Some(bucket) if bucket.org == org => Ok(()),
            Some(_) => {
                let why = format!("the bucket `{bucket}` belongs to another organisation");
                Err(Refusal::forbidden("AccessDenied", why))
            }
            None => Err(Refusal::no_bucket(bucket)),
        }
    }

    /// Writes an object, if the condition holds.
    pub(super) fn put(
        &self,
        bucket: &str,
        mut object: Object,
        content: &[u8],
        condition: &Condition,
    ) -> Result<(), Refusal> {
        let mut bytes = serde_json::to_vec(&object).map_err(io::Error::other)?;
        bytes.push(b'\n');
        object.from = bytes.len() as u64;
        bytes.extend_from_slice(content);
        let mut buckets = self.lock();
        let objects = &mut buckets.get_mut(bucket).ok_or_else(|| Refusal::no_bucket(bucket))?.objects;
        condition.check(&object.key, objects.get(&object.key))?;
        disk::replace(&self.path(bucket, &object.key), &bytes, false)?;
        objects.insert(object.key.clone(), object);
        Ok(())
    }

    /// An object, and its file where the content begins: it stays readable whatever is written meanwhile.
    pub(super) fn find(&self, bucket: &str, key: &str) -> Result<(Object, File), Refusal> {
        let buckets = self.lock();
        let there = buckets.get(bucket).ok_or_else(|| Refusal::no_bucket(bucket))?;
        let object = there.objects.get(key).ok_or_else(|| Refusal::no_key(key))?.clone();
        let mut file = File::open(self.path(bucket, key))?;
        file.seek(SeekFrom::Start(object.from))?;
        Ok((object, file))
    }

    /// Takes an object away, if it is there.
    pub(super) fn delete(&self, bucket: &str, key: &str) -> Result<(), Refusal> {
        let mut buckets = self.lock();
        let objects = &mut buckets.get_mut(bucket).ok_or_else(|| Refusal::no_bucket(bucket))?.objects;
        if objects.contains_key(key) {
            fs::remove_file(self.path(bucket, key))?;
            objects.remove(key);
        }
        Ok(())
    }

    /// Looks at all of a bucket's objects.
    pub(super) fn look<T>(&self, bucket: &str, with: impl FnOnce(&Objects) -> T) -> Result<T, Refusal> {
        let buckets = self.lock();
        Ok(with(&buckets.get(bucket).ok_or_else(|| Refusal::no_bucket(bucket))?.objects))
    }
}

/// Reads an object's line, and looks whether all of its content is there.
fn read(path: &Path) -> io::Result<Object> {
    let mut file = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    file.read_until(b'\n', &mut line)?;
    let mut object: Object = serde_json::from_slice(&line)?;
    object.from = line.len() as u64;
    let there = file.get_ref().metadata()?.len();
    if there != object.from + object.size {
        let why = format!("`{}` has {there} bytes instead of {}", object.key, object.from + object.size);
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(object)
}
