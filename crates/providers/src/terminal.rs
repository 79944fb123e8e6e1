//! Notices to whoever started us.

use std::io::Write;
use std::sync::Mutex;

use async_trait::async_trait;
use promotion::ports::{Notice, Notifier, PortError};

/// Writes one line per notice.
pub struct TerminalNotices {
    out: Mutex<Box<dyn Write + Send>>,
}

impl std::fmt::Debug for TerminalNotices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TerminalNotices")
    }
}

impl TerminalNotices {
    /// Writes to `out`, for a binary its standard error.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out: Mutex::new(out) }
    }
}

/// What a provider or a check said may stand in a notice: nothing of it drives the terminal or fakes a line of ours.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[async_trait]
impl Notifier for TerminalNotices {
    async fn notify(&self, notice: &Notice) -> Result<(), PortError> {
        let mark = if notice.urgent { "!!" } else { "--" };
        let mut out = self.out.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        writeln!(out, "{mark} {}", one_line(&notice.text))
            .and_then(|()| out.flush())
            .map_err(|error| PortError::not_sent(format!("the terminal cannot be written: {error}")))
    }
}
