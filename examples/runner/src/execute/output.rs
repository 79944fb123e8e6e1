//! A program's output, up to a limit.

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// One stream on its way; it may be left and taken up again.
#[derive(Debug)]
pub(super) struct Capture<R> {
    from: Option<R>,
    bytes: Vec<u8>,
    limit: usize,
}

impl<R: AsyncRead + Unpin> Capture<R> {
    pub(super) fn new(from: Option<R>, limit: usize) -> Self {
        Self { from, bytes: Vec::new(), limit }
    }

    /// Reads until the end, or until there is more than the limit: then it says so.
    pub(super) async fn fill(&mut self) -> bool {
        let mut piece = vec![0u8; 8192];
        while let Some(from) = &mut self.from {
            match from.read(&mut piece).await {
                Ok(0) | Err(_) => self.from = None,
                Ok(n) => {
                    let room = self.limit - self.bytes.len();
                    self.bytes.extend_from_slice(&piece[..n.min(room)]);
                    if n > room {
                        self.from = None;
                        return true;
                    }
                }
            }
        }
        false
    }

    /// What was read; bytes that are no UTF-8 are replaced.
    pub(super) fn into_text(self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn exactly_the_limit_is_no_overflow_and_one_more_is() {
        let mut fits = Capture::new(Some(&b"12345"[..]), 5);
        assert!(!fits.fill().await);
        assert_eq!(fits.into_text(), "12345");
        let mut over = Capture::new(Some(&b"123456"[..]), 5);
        assert!(over.fill().await);
        assert_eq!(over.into_text(), "12345");
    }
}
