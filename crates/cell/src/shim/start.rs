//! The starter: reads the order, forks the supervisor, waits for "started" or a failure, and passes it on.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::fd::OwnedFd,
};

use nix::{sys::wait::waitpid, unistd::setsid};

use super::{
    failure::{Failure, Report, Step as _},
    spec::{Answer, Mode, Spec},
    stdio,
};
use crate::sys::{Fork, exit_now, fork};

pub(super) fn run() -> ! {
    let answer = match start() {
        Ok(answer) => answer,
        Err(text) => Answer::Failed { step: "start the shim".to_owned(), errno: None, text },
    };
    let mut line = serde_json::to_vec(&answer).unwrap_or_default();
    line.push(b'\n');
    drop(io::stdout().write_all(&line));
    exit_now(0)
}

fn start() -> Result<Answer, String> {
    let mut order = Vec::new();
    io::stdin().read_to_end(&mut order).map_err(|error| error.to_string())?;
    let spec: Spec =
        serde_json::from_slice(&order).map_err(|error| format!("its order is unreadable: {error}"))?;
    #[cfg(target_os = "linux")]
    crate::sys::close_all_on_exec();
    let (mut answers, report) = io::pipe().map_err(|error| error.to_string())?;
    let supervisor = match fork().map_err(|error| error.to_string())? {
        Fork::Child => {
            drop(answers);
            supervise(&spec, Report::new(File::from(OwnedFd::from(report))))
        }
        Fork::Parent(supervisor) => supervisor,
    };
    drop(report);
    let mut text = String::new();
    answers.read_to_string(&mut text).map_err(|error| error.to_string())?;
    let answer = first_failure_or_start(&text);
    if matches!(answer, Answer::Failed { .. }) {
        let _ = waitpid(supervisor, None);
    }
    Ok(answer)
}

/// "Started" is sent when all is set up; the program's own start can still fail after it.
fn first_failure_or_start(text: &str) -> Answer {
    let mut started = None;
    for line in text.lines() {
        match serde_json::from_str(line) {
            Ok(Answer::Started(cell)) => started = Some(cell),
            Ok(failed @ Answer::Failed { .. }) => return failed,
            Err(_) => {}
        }
    }
    match started {
        Some(cell) => Answer::Started(cell),
        None => Answer::Failed {
            step: "supervise the program".to_owned(),
            errno: None,
            text: "the supervisor ended without a word".to_owned(),
        },
    }
}

/// In the supervisor: a session of its own, then what the mode says, until the program ended.
fn supervise(spec: &Spec, mut report: Report) -> ! {
    let prepared = setsid().step("make a session").and_then(|_| stdio::redirect(&spec.dir));
    let done = match (prepared, &spec.mode) {
        (Err(failure), _) => Err((failure, report)),
        (Ok(()), Mode::Plain) => super::plain::supervise(spec, report),
        (Ok(()), Mode::Isolated { .. }) => isolated(spec, report),
    };
    match done {
        Ok(()) => exit_now(0),
        Err((failure, kept)) => {
            report = kept;
            report.failed(failure);
            exit_now(1)
        }
    }
}

#[cfg(target_os = "linux")]
fn isolated(spec: &Spec, report: Report) -> Result<(), (Failure, Report)> {
    super::isolated::supervise(spec, report)
}

#[cfg(not(target_os = "linux"))]
fn isolated(_spec: &Spec, report: Report) -> Result<(), (Failure, Report)> {
    Err((Failure::new("make namespaces", io::Error::from(io::ErrorKind::Unsupported)), report))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_after_started_wins_and_silence_is_a_failure() {
        let started = r#"{"started":{"pid":7,"started_ticks":1,"endpoints":{}}}"#;
        let failed = r#"{"failed":{"step":"start `x`","errno":2,"text":"no such file"}}"#;
        assert!(matches!(first_failure_or_start(started), Answer::Started(cell) if cell.pid == 7));
        let both = first_failure_or_start(&format!("{started}\n{failed}\n"));
        assert!(matches!(both, Answer::Failed { errno: Some(2), .. }));
        assert!(matches!(first_failure_or_start(""), Answer::Failed { errno: None, .. }));
    }
}
