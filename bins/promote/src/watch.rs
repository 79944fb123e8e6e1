//! Driving a promotion with eyes on it.

use clikit::{Context, Exit, Failure, Interrupt, Progress};
use promotion::engine::{Engine, EngineEvent, Events, Handle, Outcome};
use promotion::machine::Phase;

use crate::commands::Run;
use crate::find::engine_failure;
use crate::quiet::Quiet;

/// What Ctrl-C does while a verb drives: the first brings it to rest, the second ends it with these last words.
pub(crate) fn listen(run: &Run<'_>, what: &str) -> Result<Interrupt, Failure> {
    let last_words = Failure::interrupted(format!("interrupted; {what} stands where it stood"))
        .with_hint(run.paste("promote tick"));
    Interrupt::install_with(run.out, last_words)
}

/// Drives until it ends or waits.
pub(crate) async fn drive(
    context: &Context,
    interrupt: &Interrupt,
    engine: &Engine,
    handle: &Handle,
) -> Result<Outcome, Failure> {
    match attend(context, interrupt, engine, handle.drive()).await {
        Some(outcome) => outcome.map_err(engine_failure),
        None => Ok(Outcome::Interrupted),
    }
}

/// A call to a provider that does not answer is left after this long when somebody wants to go: ending there is like
/// dying there, and whoever comes next goes on.
const GRACE: std::time::Duration = std::time::Duration::from_secs(10);

/// Does `work` of the engine and tells what happens meanwhile; Ctrl-C brings it to rest at the next safe point, or ends
/// it after a while: none then.
pub(crate) async fn attend<T>(
    context: &Context,
    interrupt: &Interrupt,
    engine: &Engine,
    work: impl Future<Output = T>,
) -> Option<T> {
    let progress = Progress::stderr(context);
    let mut events = engine.events();
    let mut work = std::pin::pin!(work);
    let mut last = String::new();
    let mut quiet = Quiet::new();
    let mut told = tokio::time::Instant::now();
    let mut left = std::pin::pin!(async {
        interrupt.requested().await;
        engine.stop();
        tokio::time::sleep(GRACE).await;
    });
    loop {
        tokio::select! {
            biased;
            event = events.next() => if let Some(event) = event {
                // The same again, such as a provider that stays away, is told once.
                let line = line(&event);
                if line != last {
                    quiet.hear(&event);
                    told = tokio::time::Instant::now();
                    progress.line(&line);
                    last = line;
                }
            },
            came = &mut work => {
                drain(&mut events, &progress);
                return Some(came);
            }
            () = &mut left => return None,
            () = tokio::time::sleep_until(told + quiet.pause()) => {
                told = tokio::time::Instant::now();
                progress.line(quiet.tell());
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
            event = events.next() => if let Some(event) = event { tell(progress, &event) },
            outcome = &mut drive => {
                while let Some(event) = events.try_next() {
                    tell(progress, &event);
                }
                return outcome.map_err(engine_failure);
            }
        }
    }
}

/// A story tells the phases, what each component goes through, and what went wrong.
#[cfg(feature = "demo")]
fn tell(progress: &Progress, event: &EngineEvent) {
    let worth = match event {
        EngineEvent::Phase { .. } | EngineEvent::Stage { .. } => true,
        EngineEvent::Call { problem, .. } => problem.is_some(),
        EngineEvent::Copy { done, total, .. } => done == total,
        EngineEvent::Note { text, .. } => text.starts_with("suite"),
    };
    if worth {
        progress.line(line(event));
    }
}

fn drain(events: &mut Events, progress: &Progress) {
    while let Some(event) = events.try_next() {
        progress.line(line(&event));
    }
}

/// `12.0 of 240.0 MiB`.
pub(crate) fn bytes_of(done: u64, total: u64) -> String {
    let (unit, name) = scale(total);
    if unit == 1 {
        return format!("{done} of {total} bytes");
    }
    format!("{} of {} {name}", tenths(done, unit), tenths(total, unit))
}

/// `240.0 MiB`.
pub(crate) fn bytes(n: u64) -> String {
    let (unit, name) = scale(n);
    if unit == 1 { format!("{n} bytes") } else { format!("{} {name}", tenths(n, unit)) }
}

const fn scale(n: u64) -> (u64, &'static str) {
    if n >= 1 << 30 {
        (1 << 30, "GiB")
    } else if n >= 1 << 20 {
        (1 << 20, "MiB")
    } else if n >= 1 << 10 {
        (1 << 10, "KiB")
    } else {
        (1, "bytes")
    }
}

fn tenths(n: u64, unit: u64) -> String {
    let rest = n % unit * 10 / unit;
    format!("{}.{rest}", n / unit)
}

/// One event for people.
pub(crate) fn line(event: &EngineEvent) -> String {
    match event {
        EngineEvent::Phase { phase, why: Some(why), .. } => format!("{phase}: {why}"),
        EngineEvent::Phase { phase, why: None, .. } => phase.to_string(),
        EngineEvent::Stage { component, direction, stage, .. } => {
            format!("  {component}: {}", stage.title(*direction))
        }
        EngineEvent::Call { component, call, problem: None, .. } => format!("  {component}: {call}"),
        EngineEvent::Call { component, call, problem: Some(problem), .. } => {
            format!("  {component}: {call}: {problem}")
        }
        EngineEvent::Copy { component, done, total, .. } => {
            format!("  {component}: image {}", bytes_of(*done, *total))
        }
        EngineEvent::Note { text, .. } => format!("  {text}"),
    }
}

/// The exit code that tells how it came out.
pub(crate) fn exit(outcome: &Outcome, waiting: Exit) -> Exit {
    match outcome {
        Outcome::Waiting { .. } => waiting,
        // Nothing was done here, and whoever goes on in a script must not take it for done.
        Outcome::Busy { .. } | Outcome::Interrupted => Exit::Interrupted,
        Outcome::Ended(phase) => match phase {
            Phase::Succeeded => Exit::Done,
            Phase::RolledBack => Exit::RolledBack,
            Phase::RollbackFailed => Exit::RollbackFailed,
            _ => Exit::Refused,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_unit_of_the_whole() {
        assert_eq!(bytes_of(100, 1023), "100 of 1023 bytes");
        assert_eq!(bytes_of(0, 240 << 20), "0.0 of 240.0 MiB");
        assert_eq!(bytes_of(12 << 20, 240 << 20), "12.0 of 240.0 MiB");
        assert_eq!(
            (bytes(1536).as_str(), bytes(7).as_str(), bytes(5 << 30).as_str()),
            ("1.5 KiB", "7 bytes", "5.0 GiB")
        );
    }
}
