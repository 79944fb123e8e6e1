//! SHA-256 content digests, streaming and at once.

use std::io::{self, Write};

use sha2::{Digest as _, Sha256};

/// `sha256:` and the hex digits of the bytes' hash.
pub(crate) fn of(bytes: &[u8]) -> String {
    finish(Sha256::new_with_prefix(bytes))
}

fn finish(hash: Sha256) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity("sha256:".len() + 64);
    text.push_str("sha256:");
    for byte in hash.finalize() {
        write!(text, "{byte:02x}").expect("because writing to a string cannot fail");
    }
    text
}

/// Hashes what passes through to another writer.
pub(crate) struct Hashing<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Hashing<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, hash: Sha256::new() }
    }

    /// The inner writer and the digest of all that was written.
    pub(crate) fn finish(self) -> (W, String) {
        (self.inner, finish(self.hash))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_json_object_has_the_digest_of_the_image_spec() {
        // OCI image spec 1.1, "Guidance for an Empty Descriptor".
        assert_eq!(of(b"{}"), "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    }

    #[test]
    fn streaming_and_at_once_agree() {
        let mut writer = Hashing::new(Vec::new());
        writer.write_all(b"under").unwrap();
        writer.write_all(b"study").unwrap();
        let (bytes, digest) = writer.finish();
        assert_eq!((bytes.as_slice(), digest), (b"understudy".as_slice(), of(b"understudy")));
    }
}
