//! A failure as the user meets it: what happened, why, which command helps, and the exit code.

use crate::Exit;
use crate::output::plain_text;
use std::error::Error;
use std::fmt;

type Source = Box<dyn Error + Send + Sync + 'static>;

/// Why a run ends with something else than success.
///
/// `Display` prints `what` alone and never the source; [`Failure::render`] prints everything.
#[derive(Debug)]
pub struct Failure {
    /// The code the process leaves with.
    pub exit: Exit,
    /// What happened: a lower-case fragment that names the thing and the place.
    pub what: String,
    /// Why it happened, if the caller knows more than the source says.
    pub why: Option<String>,
    /// The command that helps, ready to be pasted, or one short advice.
    pub hint: Option<String>,
    source: Option<Source>,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $exit:ident,)+) => {
        impl Failure {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(what: impl Into<String>) -> Self {
                Self::new(Exit::$exit, what)
            })+
        }
    };
}

constructors! {
    /// 1: a broken invariant of ours.
    bug => Bug,
    /// 2: bad usage or unreadable input.
    usage => Usage,
    /// 3: a gate refused.
    refused => Refused,
    /// 4: tests failed.
    tests_failed => TestsFailed,
    /// 5: failed and put back.
    rolled_back => RolledBack,
    /// 6: the way back failed.
    rollback_failed => RollbackFailed,
    /// 7: a human has to decide.
    waiting => Waiting,
    /// 8: a provider, the store or the disk is unavailable.
    unavailable => Unavailable,
    /// 9: interrupted, resumable.
    interrupted => Interrupted,
    /// 10: nothing ran.
    no_tests => NoTests,
    /// 11: the measurement is invalid.
    invalid_measurement => InvalidMeasurement,
    /// 12: slower than the baseline allows.
    regression => Regression,
    /// 13: flaky under `--fail-on-flaky`.
    flaky => Flaky,
    /// 14: neither yes nor no.
    inconclusive => Inconclusive,
    /// 15: a check found something.
    findings => Findings,
}

impl Failure {
    /// A failure with the code `exit`; `what` is a lower-case fragment.
    #[must_use]
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), why: None, hint: None, source: None }
    }

    /// Adds the reason, where it is not the source's text.
    #[must_use]
    pub fn with_why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// Adds the command that helps.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the error underneath; its whole chain is shown as reasons.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The reasons from the nearest to the deepest: `why`, then each source.
    ///
    /// A link that only repeats text already shown (as careless `Display` implementations do) is left out, and
    /// a tail that repeats the next link is cut off.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let mut shown = vec![plain_text(&self.what)];
        let own = self.why.as_deref().map(plain_text);
        for text in own.into_iter().chain(self.chain()) {
            let repeats = |s: &String| *s == text || s.ends_with(&format!(": {text}"));
            if !text.is_empty() && !shown.iter().any(repeats) {
                shown.push(text);
            }
        }
        shown.split_off(1)
    }

    fn chain(&self) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        let mut next: Option<&(dyn Error + 'static)> = match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        };
        while let Some(error) = next {
            texts.push(plain_text(&error.to_string()));
            next = error.source();
        }
        for i in 1..texts.len() {
            let (head, tail) = texts.split_at_mut(i);
            let (outer, inner) = (&mut head[i - 1], &tail[0]);
            if let Some(cut) =
                outer.strip_suffix(inner.as_str()).map(|s| s.trim_end_matches([':', ' ']).len())
                && cut > 0
            {
                outer.truncate(cut);
            }
        }
        texts
    }

    /// The text for people: `error:`, then `why:` per reason, then `help:`. Ends with a newline.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = block("error: ", &plain_text(&self.what));
        for reason in self.reasons() {
            text.push_str(&block("  why: ", &reason));
        }
        if let Some(hint) = &self.hint {
            text.push_str(&block("  help: ", &plain_text(hint)));
        }
        text
    }

    /// The object for programs: `{"ok":false,"error":{exit, name, what, why: […], hint}}`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "ok": false,
            "error": {
                "exit": self.exit.number(),
                "name": self.exit.name(),
                "what": self.what,
                "why": self.reasons(),
                "hint": self.hint,
            },
        })
    }
}

/// `label` and the text, with every further line set below the first one's text.
fn block(label: &str, text: &str) -> String {
    let margin = " ".repeat(label.len());
    let mut out = String::new();
    for (i, line) in text.trim_end().split('\n').enumerate() {
        let head = if i == 0 { label } else { &margin };
        out.push_str(format!("{head}{line}").trim_end());
        out.push('\n');
    }
    out
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

impl From<anyhow::Error> for Failure {
    /// A [`Failure`] inside comes out again; anything else was not classified by us, which is our bug.
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(failure) => failure,
            Err(other) => {
                let source: Source = other.into_boxed_dyn_error();
                Self::bug(source.to_string()).with_source(source)
            }
        }
    }
}

/// Turns any result into one that fails with a [`Failure`].
pub trait FailureExt<T> {
    /// On error: a failure with this exit code and `what`, and the error as its source.
    ///
    /// # Errors
    /// The error itself, wrapped.
    fn or_exit<W: Into<String>>(self, exit: Exit, what: impl FnOnce() -> W) -> Result<T, Failure>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync + 'static>>> FailureExt<T> for Result<T, E> {
    fn or_exit<W: Into<String>>(self, exit: Exit, what: impl FnOnce() -> W) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(exit, what()).with_source(error))
    }
}

#[cfg(test)]
mod tests;
