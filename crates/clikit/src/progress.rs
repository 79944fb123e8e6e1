//! Lines on stderr that say what is going on and since when.

use crate::Context;
use crate::output::plain_text;
use crate::step::{Step, tame};
use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The running commentary of a long piece of work: `[  12.3s] what happens`, one line each, on stderr.
///
/// No cursor movement, so it reads the same in a terminal, a file and a workflow's log. Writing never fails: a
/// commentary that nobody can read must not stop the work.
#[derive(Clone)]
pub struct Progress {
    begun: Instant,
    monotonic: fn() -> Instant,
    /// Inside a step of GitHub Actions no line may be a command.
    is_tame: bool,
    sink: Arc<Mutex<Box<dyn Write + Send>>>,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress").field("begun", &self.begun).finish_non_exhaustive()
    }
}

impl Progress {
    /// Starts counting now and writes to stderr.
    #[must_use]
    pub fn stderr(context: &Context) -> Self {
        Self::to(context, anstream::AutoStream::auto(std::io::stderr()))
    }

    /// Starts counting now and writes to any writer, for tests.
    #[must_use]
    pub fn to(context: &Context, sink: impl Write + Send + 'static) -> Self {
        let sink: Box<dyn Write + Send> = Box::new(sink);
        Self {
            begun: context.instant(),
            monotonic: context.clock.monotonic,
            is_tame: Step::of(context).is_some(),
            sink: Arc::new(Mutex::new(sink)),
        }
    }

    /// Since when this commentary runs.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        (self.monotonic)().saturating_duration_since(self.begun)
    }

    /// One line. Control characters are dropped, further lines are set below the first one's text.
    pub fn line(&self, text: impl AsRef<str>) {
        let head = format!("[{:>7}] ", elapsed_text(self.elapsed()));
        let margin = format!("\n{}", " ".repeat(head.len()));
        let body = plain_text(text.as_ref());
        let body = if self.is_tame { tame(&body) } else { Cow::Borrowed(body.as_str()) };
        let body = body.trim_end().replace('\n', &margin);
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(sink, "{head}{body}").and_then(|()| sink.flush());
    }
}

/// Standard error for whoever writes whole lines there: inside a step of GitHub Actions none of them is a command.
#[must_use]
pub fn stderr(context: &Context) -> Box<dyn Write + Send> {
    let errors = anstream::AutoStream::auto(std::io::stderr());
    match Step::of(context) {
        Some(_) => Box::new(Tamed { errors, line: Vec::new() }),
        None => Box::new(errors),
    }
}

/// Passes lines on, each as a whole.
struct Tamed<W> {
    errors: W,
    line: Vec<u8>,
}

impl<W: Write> Write for Tamed<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if let Some(end) = self.line.iter().rposition(|byte| *byte == b'\n') {
            let rest = self.line.split_off(end + 1);
            let lines = std::mem::replace(&mut self.line, rest);
            self.errors.write_all(tame(&String::from_utf8_lossy(&lines)).as_bytes())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.errors.flush()
    }
}

/// A duration for people: `0.4s`, `12.3s`, `3m07s`, `2h05m`.
#[must_use]
pub fn elapsed_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}.{}s", duration.subsec_millis() / 100),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::{Tamed, elapsed_text};
    use std::io::Write as _;
    use std::time::Duration;

    #[test]
    fn lines_that_come_in_parts_are_tamed_as_wholes() {
        let mut tamed = Tamed { errors: Vec::new(), line: Vec::new() };
        for part in ["a\n:", ":stop-comm", "ands::x\n##", "[group]\nrest"] {
            tamed.write_all(part.as_bytes()).unwrap();
        }
        assert_eq!(String::from_utf8(tamed.errors).unwrap(), "a\n: :stop-commands::x\n## [group]\n");
    }

    #[test]
    fn durations_read_well_at_every_size() {
        let text = |ms| elapsed_text(Duration::from_millis(ms));
        assert_eq!(
            [0, 480, 12_345, 59_999, 60_000, 187_000, 7_500_000].map(text),
            ["0.0s", "0.4s", "12.3s", "59.9s", "1m00s", "3m07s", "2h05m"]
        );
    }
}
