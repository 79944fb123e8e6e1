//! Ctrl-C: the first one asks, the second one ends.

use crate::{Exit, Failure};
use std::io::Write;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Tells whether SIGINT or SIGTERM came.
///
/// The first signal only sets this, so that a run can come to rest at the next journal entry. The second one
/// ends the process at once with code 9: nothing is lost by that, since every step is journaled before it is
/// done.
#[derive(Clone, Debug)]
pub struct Interrupt {
    requested: watch::Receiver<bool>,
}

impl Interrupt {
    /// Takes over both signals for the life of the process. Must be called inside the runtime.
    ///
    /// # Errors
    /// Exit 8 if the system lets no handler be installed.
    pub fn install() -> Result<Self, Failure> {
        let handler = |kind| {
            signal(kind).map_err(|error| Failure::unavailable("cannot listen for signals").with_source(error))
        };
        let (sender, requested) = watch::channel(false);
        let listener = listen(handler(SignalKind::interrupt())?, handler(SignalKind::terminate())?, sender);
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

async fn listen(mut interrupt: Signal, mut terminate: Signal, sender: watch::Sender<bool>) {
    let mut n_signals = 0_u32;
    loop {
        tokio::select! {
            biased;
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        n_signals += 1;
        if n_signals == 1 {
            note("interrupted: coming to rest at the next safe point; a second signal ends it at once\n");
            sender.send_replace(true);
        } else {
            let failure = Failure::interrupted("interrupted twice: ended before the safe point")
                .with_why("every step is journaled before it is done, so nothing is lost")
                .with_hint("promote tick");
            note(&failure.render());
            leave();
        }
    }
}

fn note(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[expect(clippy::exit, reason = "the user asked twice: waiting for destructors would be a refusal")]
fn leave() -> ! {
    std::process::exit(Exit::Interrupted.number().into())
}
