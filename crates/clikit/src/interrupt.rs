//! Ctrl-C: the first one asks, the second one ends.

use crate::{Exit, Failure, Output, report};
use std::io::Write;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Tells whether SIGINT or SIGTERM came.
///
/// The first signal only sets this, so that a run can come to rest at a safe point of its own. The second one
/// ends the process at once with the last words that the binary has chosen: what is lost by that, and which
/// command helps.
#[derive(Clone, Debug)]
pub struct Interrupt {
    requested: watch::Receiver<bool>,
}

impl Interrupt {
    /// [`Interrupt::install_with`] with last words that promise nothing.
    ///
    /// # Errors
    /// As there.
    pub fn install() -> Result<Self, Failure> {
        let last_words = Failure::interrupted("interrupted twice: ended before the safe point");
        Self::install_with(&Output::stdout(false), last_words)
    }

    /// Takes over both signals for the life of the process. Must be called inside the runtime.
    ///
    /// `last_words` are reported on the second signal, and their code is the one to leave with; usually
    /// [`Failure::interrupted`].
    ///
    /// # Errors
    /// Exit 8 if the system lets no handler be installed.
    pub fn install_with(out: &Output, last_words: Failure) -> Result<Self, Failure> {
        let handler = |kind| {
            signal(kind).map_err(|error| Failure::unavailable("cannot listen for signals").with_source(error))
        };
        let (sender, requested) = watch::channel(false);
        let signals = [handler(SignalKind::interrupt())?, handler(SignalKind::terminate())?];
        let listener = listen(signals, sender, out.clone(), last_words);
        #[expect(clippy::disallowed_methods, reason = "the listener lives exactly as long as the process")]
        tokio::spawn(listener);
        Ok(Self { requested })
    }

    /// Whether the first signal has come.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.requested.borrow()
    }

    /// Resolves when the first signal comes, at once if it has come already. Cancel-safe.
    pub async fn requested(&self) {
        let mut receiver = self.requested.clone();
        if receiver.wait_for(|is_requested| *is_requested).await.is_err() {
            // The listener has ended with the runtime: no signal will be told any more.
            std::future::pending::<()>().await;
        }
    }
}

async fn listen(mut signals: [Signal; 2], sender: watch::Sender<bool>, out: Output, last_words: Failure) {
    any(&mut signals).await;
    let text = "interrupted: coming to rest at the next safe point; a second signal ends it at once\n";
    let _ = std::io::stderr().write_all(text.as_bytes());
    sender.send_replace(true);
    any(&mut signals).await;
    report(&out, &last_words);
    leave(last_words.exit);
}

async fn any([interrupt, terminate]: &mut [Signal; 2]) {
    tokio::select! {
        biased;
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[expect(clippy::exit, reason = "the user asked twice: waiting for destructors would be a refusal")]
fn leave(exit: Exit) -> ! {
    std::process::exit(exit.number().into())
}
