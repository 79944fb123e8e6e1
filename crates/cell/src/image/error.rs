//! What can be wrong with an image.

use std::{io, path::PathBuf};

/// Why an image could not be read, unpacked or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A manifest, index or configuration that is not what the image spec describes.
    #[error("the image's {what} is no valid JSON of its kind")]
    Json {
        /// `manifest`, `index` or `configuration`.
        what: &'static str,
        /// What the decoder said, with line and column.
        source: serde_json::Error,
    },
    /// A form of image that this crate does not read.
    #[error("the image's {what} is `{found}`, which cannot be read here: {expected}")]
    Unsupported {
        /// The part with the unknown form.
        what: &'static str,
        /// What was found.
        found: String,
        /// What can be read.
        expected: &'static str,
    },
    /// A blob could not be fetched.
    #[error("cannot fetch blob {digest}")]
    Fetch {
        /// The blob.
        digest: String,
        /// What the caller's source said.
        source: io::Error,
    },
    /// A blob's bytes are not what its descriptor says.
    #[error("blob {expected} has the content of {actual}: it was damaged or replaced on its way")]
    Digest {
        /// What the manifest names.
        expected: String,
        /// What the bytes are.
        actual: String,
    },
    /// A layer is no readable tar archive.
    #[error("layer {digest} is no readable tar archive")]
    Layer {
        /// The layer.
        digest: String,
        /// What the reader said.
        source: io::Error,
    },
    /// A layer's entry that must not be unpacked.
    #[error("layer {digest} has an entry `{path}` that is refused: {why}")]
    Entry {
        /// The layer.
        digest: String,
        /// The entry's path as written in the archive.
        path: String,
        /// Why it is refused.
        why: String,
    },
    /// A file of this host could not be read or written.
    #[error("cannot {step} `{}`", path.display())]
    File {
        /// What was being done.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An index without an image for this machine.
    #[error("the image has no variant for {wanted}; it offers {offered}")]
    NoPlatform {
        /// This machine's platform.
        wanted: String,
        /// The platforms of the index.
        offered: String,
    },
    /// A program that cannot be put into an image.
    #[error("cannot make an image of `{}`: {why}", path.display())]
    Program {
        /// The program.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}

impl ImageError {
    /// For `map_err` on file operations.
    pub(crate) fn file(step: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { step, path, source }
    }
}
