//! A tree as one layer: tar, then gzip, without anything that depends on the machine or the moment.

use std::{
    ffi::OsStr,
    fs, io,
    io::{Read, Write},
    os::unix::ffi::OsStrExt as _,
    path::Path,
};

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

use super::{
    ImageError,
    digest::Hashing,
    tree::{Content, Node, Tree},
};

/// RFC 1952, "OS": 255 is "unknown", so that the bytes do not tell where they were made.
const GZIP_OS_UNKNOWN: u8 = 255;

/// A compressed layer.
pub(super) struct Layer {
    pub(super) bytes: Vec<u8>,
    /// Of the compressed bytes.
    pub(super) digest: String,
    /// Of the tar archive (`rootfs.diff_ids` of the configuration).
    pub(super) diff_id: String,
}

pub(super) fn layer(tree: &Tree) -> Result<Layer, ImageError> {
    let gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(GZIP_OS_UNKNOWN)
        .write(Hashing::new(Vec::new()), Compression::fast());
    let mut archive = Builder::new(Hashing::new(gzip));
    for (place, node) in tree.nodes() {
        let place = Path::new(OsStr::from_bytes(place));
        append(&mut archive, place, node).map_err(ImageError::file("pack", place))?;
    }
    let done = || -> io::Result<Layer> {
        let (gzip, diff_id) = archive.into_inner()?.finish();
        let (bytes, digest) = gzip.finish()?.finish();
        Ok(Layer { bytes, digest, diff_id })
    };
    done().map_err(ImageError::file("pack", "/"))
}

fn append<W: Write>(archive: &mut Builder<W>, place: &Path, node: &Node) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    match node {
        Node::Directory => {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(0o755);
            header.set_size(0);
            archive.append_data(&mut header, place, io::empty())
        }
        Node::Symlink(target) => {
            header.set_entry_type(EntryType::Symlink);
            header.set_mode(0o777);
            header.set_size(0);
            archive.append_link(&mut header, place, target)
        }
        Node::File { content, executable } => {
            header.set_entry_type(EntryType::Regular);
            header.set_mode(if *executable { 0o755 } else { 0o644 });
            match content {
                Content::Bytes(bytes) => {
                    header.set_size(bytes.len() as u64);
                    archive.append_data(&mut header, place, bytes.as_slice())
                }
                Content::Host(path) => {
                    let file = fs::File::open(path)?;
                    let size = file.metadata()?.len();
                    header.set_size(size);
                    archive.append_data(&mut header, place, Exactly { file, left: size })
                }
            }
        }
    }
}

/// As many bytes as the header says; a file that changes its length meanwhile is an error and no broken archive.
struct Exactly {
    file: fs::File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let n = self.file.read(&mut buffer[..most])?;
        if n == 0 {
            return Err(io::Error::other("the file became shorter while it was read"));
        }
        self.left -= n as u64;
        Ok(n)
    }
}
