//! Unpacks an image's layers, one over the other, as an unprivileged user.
//!
//! Kept: contents, modes (without set-uid and set-gid: the files belong to whoever unpacks), times, symbolic and
//! hard links. Left out: owners, device nodes, extended attributes. Whiteouts follow the OCI image spec, "Layer
//! Filesystem Changeset".

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs, io,
    io::Read,
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::{PermissionsExt as _, symlink},
    },
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::{
    ImageConfig, ImageError,
    config::{Descriptor, Manifest},
    digest,
    rooted::{self, Escape},
};

/// No image may unpack to more than this, so that a small archive cannot fill the disk.
const UNPACKED_BYTES_MAX: u64 = 32 << 30;

/// Unpacks an image into a directory, which is made when it is missing.
///
/// `blobs` gives a blob's bytes by digest; what it gives is checked against that digest. An artefact with the empty
/// configuration (a static bundle) is unpacked too and has an empty `argv`.
///
/// # Errors
/// A manifest or layer of an unknown form; a blob that is missing or damaged; an entry that would land outside
/// `into` (`..`, an absolute path, through a symbolic link). What was unpacked until then is left behind: unpack into
/// a temporary directory and rename it.
pub fn unpack(
    manifest_json: &[u8],
    blobs: &dyn Fn(&str) -> io::Result<Vec<u8>>,
    into: &Path,
) -> Result<ImageConfig, ImageError> {
    let manifest = Manifest::parse(manifest_json)?;
    let mut config = ImageConfig::parse(&fetch(blobs, &manifest.config)?)?;
    if manifest.config.media_type == super::EMPTY_TYPE {
        config.labels.clone_from(&manifest.annotations);
    }
    fs::create_dir_all(into).map_err(ImageError::file("make the directory", into))?;
    let mut unpacker = Unpacker { root: into, dir_modes: BTreeMap::new(), budget: UNPACKED_BYTES_MAX };
    for layer in &manifest.layers {
        let gzip = is_gzip(&layer.media_type)?;
        let bytes = fetch(blobs, layer)?;
        if gzip {
            unpacker.layer(&layer.digest, MultiGzDecoder::new(bytes.as_slice()))?;
        } else {
            unpacker.layer(&layer.digest, bytes.as_slice())?;
        }
    }
    unpacker.finish()?;
    Ok(config)
}

fn is_gzip(media_type: &str) -> Result<bool, ImageError> {
    match media_type {
        kind if kind.ends_with("+gzip") || kind.ends_with(".gzip") => Ok(true),
        kind if kind.ends_with(".tar") => Ok(false),
        other => Err(ImageError::Unsupported {
            what: "layer media type",
            found: other.to_owned(),
            expected: "layers must be tar or tar+gzip; rebuild the image with gzip compression",
        }),
    }
}

fn fetch(
    blobs: &dyn Fn(&str) -> io::Result<Vec<u8>>,
    descriptor: &Descriptor,
) -> Result<Vec<u8>, ImageError> {
    let expected = descriptor.digest.clone();
    let bytes = match blobs(&expected) {
        Ok(bytes) => bytes,
        Err(source) => return Err(ImageError::Fetch { digest: expected, source }),
    };
    let actual = digest::of(&bytes);
    if actual == expected { Ok(bytes) } else { Err(ImageError::Digest { expected, actual }) }
}

struct Unpacker<'a> {
    root: &'a Path,
    /// Applied last and children first: a directory without write permission must still be filled.
    dir_modes: BTreeMap<PathBuf, u32>,
    budget: u64,
}

/// One layer on its way; what it wrote itself its own opaque marker must not remove.
struct Layer<'a> {
    digest: &'a str,
    written: BTreeSet<PathBuf>,
}

impl Layer<'_> {
    fn refuse(&self, path: &[u8], why: impl Into<String>) -> ImageError {
        let path = String::from_utf8_lossy(path).into_owned();
        ImageError::Entry { digest: self.digest.to_owned(), path, why: why.into() }
    }

    fn escape(&self, path: &[u8], escape: Escape) -> ImageError {
        match escape {
            Escape::Refused(why) => self.refuse(path, why),
            Escape::Io { path, source } => ImageError::File { step: "unpack", path, source },
        }
    }
}

impl Unpacker<'_> {
    fn layer(&mut self, digest: &str, bytes: impl Read) -> Result<(), ImageError> {
        let broken = |source| ImageError::Layer { digest: digest.to_owned(), source };
        let mut layer = Layer { digest, written: BTreeSet::new() };
        let mut archive = Archive::new(bytes);
        for entry in archive.entries().map_err(broken)? {
            self.entry(&mut layer, entry.map_err(broken)?)?;
        }
        Ok(())
    }

    fn entry<R: Read>(&mut self, layer: &mut Layer<'_>, mut entry: Entry<'_, R>) -> Result<(), ImageError> {
        let path = entry.path_bytes().into_owned();
        let mut names = rooted::names(&path).map_err(|escape| layer.escape(&path, escape))?;
        let Some(name) = names.pop() else { return Ok(()) };
        let parent =
            rooted::directory(self.root, &names, true).map_err(|escape| layer.escape(&path, escape))?;
        if let Some(hidden) = name.as_bytes().strip_prefix(b".wh.") {
            return whiteout(layer, &path, &parent, hidden);
        }
        let place = parent.join(&name);
        let kind = entry.header().entry_type();
        let mode = entry.header().mode().unwrap_or(0o644) & 0o1777;
        if !kind.is_dir() || !is_real_dir(&place) {
            remove(&place)?;
        }
        match kind {
            EntryType::Directory => self.directory(&place, mode)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.file(layer, &path, &mut entry, &place, mode)?;
            }
            EntryType::Symlink => {
                let target = OsString::from_vec(entry.link_name_bytes().unwrap_or_default().into_owned());
                symlink(target, &place).map_err(ImageError::file("make the link", &place))?;
            }
            EntryType::Link => self.hard_link(layer, &path, &entry, &place)?,
            EntryType::Char | EntryType::Block | EntryType::Fifo | EntryType::XGlobalHeader => return Ok(()),
            other => return Err(layer.refuse(&path, format!("it is of the unknown kind {other:?}"))),
        }
        layer.written.insert(place);
        Ok(())
    }

    fn directory(&mut self, place: &Path, mode: u32) -> Result<(), ImageError> {
        if !is_real_dir(place) {
            fs::create_dir(place).map_err(ImageError::file("make the directory", place))?;
        }
        // Its owner can always enter, fill and remove it: nobody here is root by right.
        self.dir_modes.insert(place.to_owned(), mode | 0o700);
        Ok(())
    }

    fn file<R: Read>(
        &mut self,
        layer: &Layer<'_>,
        path: &[u8],
        entry: &mut Entry<'_, R>,
        place: &Path,
        mode: u32,
    ) -> Result<(), ImageError> {
        self.budget = self
            .budget
            .checked_sub(entry.size())
            .ok_or_else(|| layer.refuse(path, "the image unpacks to more than 32 GiB"))?;
        let mtime = entry.header().mtime().unwrap_or(0);
        let step = ImageError::file("write", place);
        let written = fs::File::create_new(place).and_then(|mut file| {
            io::copy(entry, &mut file)?;
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(mtime.min(u64::from(u32::MAX))))
        });
        written.map_err(step)
    }

    fn hard_link<R: Read>(
        &self,
        layer: &Layer<'_>,
        path: &[u8],
        entry: &Entry<'_, R>,
        place: &Path,
    ) -> Result<(), ImageError> {
        let target = entry.link_name_bytes().unwrap_or_default().into_owned();
        let bad = |escape| match layer.escape(path, escape) {
            ImageError::Entry { digest, path, why } => {
                ImageError::Entry { digest, path, why: format!("the target of this hard link: {why}") }
            }
            other => other,
        };
        let mut names = rooted::names(&target).map_err(bad)?;
        let name = names.pop().ok_or_else(|| layer.refuse(path, "it is a hard link to nothing"))?;
        let parent = rooted::directory(self.root, &names, false).map_err(bad)?;
        // link(2) does not follow a symbolic link in the last place, so this cannot lead out.
        fs::hard_link(parent.join(name), place).map_err(ImageError::file("make the hard link", place))
    }

    fn finish(self) -> Result<(), ImageError> {
        for (place, mode) in self.dir_modes.into_iter().rev() {
            if is_real_dir(&place) {
                fs::set_permissions(&place, fs::Permissions::from_mode(mode))
                    .map_err(ImageError::file("set the mode of", &place))?;
            }
        }
        Ok(())
    }
}

/// `.wh.NAME` hides NAME of the layers below; `.wh..wh..opq` hides all that the layers below put there.
fn whiteout(layer: &Layer<'_>, path: &[u8], parent: &Path, hidden: &[u8]) -> Result<(), ImageError> {
    match hidden {
        b".wh..opq" => clear(parent, &layer.written),
        // Other names with this prefix are notes of aufs (`.wh..wh.plnk`), not files of the image.
        other if other.starts_with(b".wh.") => Ok(()),
        b"" | b"." | b".." => Err(layer.refuse(path, "it hides no file")),
        name => {
            let place = parent.join(OsString::from_vec(name.to_vec()));
            if layer.written.contains(&place) { Ok(()) } else { remove(&place) }
        }
    }
}

fn clear(dir: &Path, keep: &BTreeSet<PathBuf>) -> Result<(), ImageError> {
    let list = fs::read_dir(dir).map_err(ImageError::file("list", dir))?;
    for child in list {
        let place = child.map_err(ImageError::file("list", dir))?.path();
        let inside = keep.range(place.clone()..).next().is_some_and(|next| next.starts_with(&place));
        if !inside {
            remove(&place)?;
        } else if is_real_dir(&place) {
            clear(&place, keep)?;
        }
    }
    Ok(())
}

fn is_real_dir(place: &Path) -> bool {
    fs::symlink_metadata(place).is_ok_and(|found| found.is_dir())
}

fn remove(place: &Path) -> Result<(), ImageError> {
    let gone = if is_real_dir(place) { fs::remove_dir_all(place) } else { fs::remove_file(place) };
    match gone {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ImageError::File { step: "remove", path: place.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}
