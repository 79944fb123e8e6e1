//! Data for people and programs on stdout.

use crate::step::{Step, tame, tame_json};
use crate::{Context, Exit, Failure};
use serde::Serialize;
use std::fmt;
use std::io::{ErrorKind, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where a run's data goes: stdout, as text or as exactly one JSON object.
///
/// Clones share the stream. A reader that has closed the pipe is no failure: what is written afterwards is
/// dropped, since nobody waits for it.
#[derive(Clone)]
pub struct Output {
    json: bool,
    step: Option<Arc<Step>>,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    sink: Box<dyn Write + Send>,
    has_written: bool,
    is_closed: bool,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("json", &self.json).finish_non_exhaustive()
    }
}

impl Output {
    /// Stdout; colours go away where it is no terminal or `NO_COLOR` is set.
    #[must_use]
    pub fn stdout(json: bool) -> Self {
        Self::to(json, anstream::AutoStream::auto(std::io::stdout()))
    }

    /// Stdout as a run has it: JSON where `--json` stands among its arguments; inside a step of GitHub Actions the result is told
    /// there, too.
    #[must_use]
    pub fn of(context: &Context) -> Self {
        Self { step: Step::of(context).map(Arc::new), ..Self::stdout(context.wants_json()) }
    }

    /// Any other writer, for tests.
    #[must_use]
    pub fn to(json: bool, sink: impl Write + Send + 'static) -> Self {
        let shared = Shared { sink: Box::new(sink), has_written: false, is_closed: false };
        Self { json, step: None, shared: Arc::new(Mutex::new(shared)) }
    }

    /// Whether the run was asked for JSON.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether anything was written.
    #[must_use]
    pub fn has_written(&self) -> bool {
        self.lock().has_written
    }

    /// The result of the run: `value` as one line of JSON under `--json`, else the text that `human` makes.
    ///
    /// # Errors
    /// Exit 2 if stdout cannot be written (a full disk behind a redirect); exit 1 if `value` has no JSON form, or
    /// if a second object is written under `--json`.
    pub fn emit<T: Serialize>(&self, value: &T, human: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        let no_json = |error| Failure::bug("the result has no JSON form").with_source(error);
        if let Some(step) = &self.step {
            let text = human(value);
            step.tell(&serde_json::to_value(value).map_err(no_json)?, &text);
            if !self.json {
                return self.text(&text);
            }
        } else if !self.json {
            return self.text(&human(value));
        }
        if self.has_written() {
            return Err(Failure::bug("a second JSON object was written to stdout in one run"));
        }
        let mut line = serde_json::to_string(value).map_err(no_json)?;
        if self.step.is_some() {
            line = tame_json(line);
        }
        line.push('\n');
        self.write(line.as_bytes())
    }

    /// As [`Self::emit`], for a run that ends with `exit`: how it came out says more than that nobody could read it, so
    /// only a run that is done turns into a failure.
    ///
    /// # Errors
    /// As [`Self::emit`], where `exit` is [`Exit::Done`].
    pub fn conclude<T: Serialize>(
        &self,
        exit: Exit,
        value: &T,
        human: impl FnOnce(&T) -> String,
    ) -> Result<Exit, Failure> {
        if let Some(step) = self.step.as_ref().filter(|_| exit != Exit::Done) {
            let value = serde_json::to_value(value).unwrap_or_default();
            let _unread = std::io::stderr().write_all(step.annotation_of(exit, &value).as_bytes());
        }
        match self.emit(value, human) {
            Err(failure) if exit != Exit::Done => {
                crate::report(self, &failure);
                Ok(exit)
            }
            told => told.map(|()| exit),
        }
    }

    /// Text for people. Under `--json` it is dropped, so that stdout stays one object.
    ///
    /// # Errors
    /// Exit 2 if stdout cannot be written.
    pub fn text(&self, text: &str) -> Result<(), Failure> {
        match (self.json, &self.step) {
            (true, _) => Ok(()),
            (false, Some(_)) => self.write(tame(text).as_bytes()),
            (false, None) => self.write(text.as_bytes()),
        }
    }

    /// Raw bytes, whatever the mode: one line of a stream that is documented as such (logs, audit lines).
    ///
    /// # Errors
    /// Exit 2 if stdout cannot be written.
    pub fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.write(bytes)
    }

    /// Whether this is a step of GitHub Actions.
    pub(crate) fn is_in_step(&self) -> bool {
        self.step.is_some()
    }

    /// How a failure is told on stderr.
    pub(crate) fn told(&self, failure: &Failure) -> String {
        let text = failure.render();
        match &self.step {
            Some(step) => {
                step.tell(&failure.to_json(), &text);
                format!("{}{}", tame(&text), step.annotation(failure))
            }
            None => text,
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut shared = self.lock();
        shared.has_written = true;
        if shared.is_closed {
            return Ok(());
        }
        match shared.sink.write_all(bytes).and_then(|()| shared.sink.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                shared.is_closed = true;
                Ok(())
            }
            Err(error) => Err(unwritable().with_source(error)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stdout is where the caller pointed it, so it is input that cannot be used, and no provider that comes back. What the
/// run did is done all the same.
#[must_use]
pub fn unwritable() -> Failure {
    Failure::usage("cannot write to stdout")
        .with_hint("what was done is done; point stdout elsewhere and ask again")
}

/// The text without the control characters that could drive a terminal; newlines and tabs stay.
#[must_use]
pub fn plain_text(text: &str) -> String {
    let is_harmless = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    anstream::adapter::strip_str(text).to_string().chars().filter(is_harmless).collect()
}

#[cfg(test)]
mod tests;
