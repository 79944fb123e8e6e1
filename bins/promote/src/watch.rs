//! Driving a promotion with eyes on it.

use clikit::{Context, Exit, Failure, Interrupt, Output, Progress};
use promotion::engine::{EngineEvent, Events, Handle, Outcome};
use promotion::machine::Phase;
use promotion::rollout::Direction;

use crate::find::engine_failure;

/// Drives until it ends or waits; Ctrl-C brings it to rest at the next safe point.
pub(crate) async fn drive(
    context: &Context,
    out: &Output,
    engine: &promotion::engine::Engine,
    handle: &Handle,
) -> Result<Outcome, Failure> {
    let last_words = Failure::interrupted(format!("interrupted; {} stands where it stood", handle.id))
        .with_hint("promote tick");
    let interrupt = Interrupt::install_with(out, last_words)?;
    let progress = Progress::stderr(context);
    let mut events = handle.events();
    let mut drive = std::pin::pin!(handle.drive());
    let mut asked = false;
    loop {
        tokio::select! {
            biased;
            event = events.next() => if let Some(event) = event { progress.line(line(&event)) },
            () = interrupt.requested(), if !asked => {
                asked = true;
                engine.stop();
            }
            outcome = &mut drive => {
                drain(&mut events, &progress);
                return outcome.map_err(engine_failure);
            }
        }
    }
}

/// Drives with every event as a line of a commentary.
#[cfg(feature = "demo")]
pub(crate) async fn watch(progress: &Progress, handle: &Handle) -> Result<Outcome, Failure> {
    let mut events = handle.events();
    let mut drive = std::pin::pin!(handle.drive());
    loop {
        tokio::select! {
            biased;
            event = events.next() => if let Some(event) = event { progress.line(line(&event)) },
            outcome = &mut drive => {
                drain(&mut events, progress);
                return outcome.map_err(engine_failure);
            }
        }
    }
}

fn drain(events: &mut Events, progress: &Progress) {
    while let Some(event) = events.try_next() {
        progress.line(line(&event));
    }
}

/// One event for people.
pub(crate) fn line(event: &EngineEvent) -> String {
    match event {
        EngineEvent::Phase { phase, why: Some(why), .. } => format!("{phase}: {why}"),
        EngineEvent::Phase { phase, why: None, .. } => phase.to_string(),
        EngineEvent::Stage { component, direction, stage, .. } => {
            let way = if *direction == Direction::Back { " (back)" } else { "" };
            format!("  {component}{way}: {}", format!("{stage:?}").to_lowercase())
        }
        EngineEvent::Call { component, call, problem: None, .. } => format!("  {component}: {call}"),
        EngineEvent::Call { component, call, problem: Some(problem), .. } => {
            format!("  {component}: {call}: {problem}")
        }
        EngineEvent::Note { text, .. } => format!("  {text}"),
    }
}

/// The exit code that tells how it came out.
pub(crate) fn exit(outcome: &Outcome, waiting: Exit) -> Exit {
    match outcome {
        Outcome::Waiting { .. } | Outcome::Busy { .. } => waiting,
        Outcome::Interrupted => Exit::Interrupted,
        Outcome::Ended(phase) => match phase {
            Phase::Succeeded => Exit::Done,
            Phase::RolledBack => Exit::RolledBack,
            Phase::RollbackFailed => Exit::RollbackFailed,
            _ => Exit::Refused,
        },
    }
}
