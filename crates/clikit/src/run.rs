//! What `main` does: parse, call, render, leave with a code.

use crate::{Context, Exit, Failure, Output, panic, shipped};
use clap::Parser;
use clap::error::ErrorKind;
use std::future::Future;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

/// The whole `main` of a binary: takes the snapshot of the process, parses `A`, calls `exec`, renders a failure
/// and returns the exit code. A panic inside `exec` ends with [`Exit::Bug`].
pub fn main<A: Parser>(exec: impl FnOnce(&Context, &Output, A) -> Result<Exit, Failure>) -> ExitCode {
    panic::install();
    let context = Context::of_this_process();
    let out = Output::of(&context);
    let args = match parse::<A>(&context, &out) {
        Ok(args) => args,
        Err(exit) => return exit.into(),
    };
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| exec(&context, &out, args)));
    match result {
        Ok(result) => run(&out, result),
        Err(_) => {
            if out.is_json() && !out.has_written() {
                let _ = out.emit(&Failure::bug("a panic; stderr says where").to_json(), |_| String::new());
            }
            Exit::Bug.into()
        }
    }
}

/// Parses the arguments of `context`.
///
/// # Errors
/// The code to leave with, after everything was printed: 0 for `--help`, `--version`, `completions SHELL` and `man`
/// (stdout), 2 for bad usage (stderr, and one JSON object on stdout where `--json` was given).
pub fn parse<A: Parser>(context: &Context, out: &Output) -> Result<A, Exit> {
    let mut command = shipped::with_verbs(A::command());
    let parsed = command.try_get_matches_from_mut(&context.args).and_then(|mut matches| {
        if let Some(done) = shipped::asked(&shipped::with_verbs(A::command()), &matches, out) {
            return Ok(Err(done));
        }
        A::from_arg_matches_mut(&mut matches).map(Ok).map_err(|error| error.format(&mut command))
    });
    let error = match parsed {
        Ok(Ok(args)) => return Ok(args),
        Ok(Err(Ok(()))) => return Err(Exit::Done),
        Ok(Err(Err(failure))) => {
            report(out, &failure);
            return Err(failure.exit);
        }
        Err(error) => error,
    };
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let text = error.render();
        let shown = if context.terminals.stdout { text.ansi().to_string() } else { text.to_string() };
        return Err(match out.raw(shown.as_bytes()) {
            Ok(()) => Exit::Done,
            Err(failure) => {
                report(out, &failure);
                failure.exit
            }
        });
    }
    let text = error.render();
    let failure = Failure::usage(said(&text.to_string())).with_hint(format!("{} --help", context.program()));
    let mut stderr = anstream::AutoStream::auto(std::io::stderr());
    let _ = match out.is_in_step() {
        true => stderr.write_all(out.told(&failure).as_bytes()),
        false => write!(stderr, "{}", text.ansi()),
    };
    if out.is_json() {
        let _ = out.emit(&failure.to_json(), |_| String::new());
    }
    Err(Exit::Usage)
}

/// What is wrong with the arguments, on one line: the first paragraph, which names them; usage and tips come after it.
fn said(text: &str) -> String {
    let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join(" ");
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

/// Renders the end of a run and turns it into the process's exit code.
#[must_use]
pub fn run(out: &Output, result: Result<Exit, Failure>) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            report(out, &failure);
            failure.exit.into()
        }
    }
}

/// Prints a failure: for people on stderr; under `--json` also as the one object on stdout, unless the run has
/// already written its result there.
pub fn report(out: &Output, failure: &Failure) {
    let mut stderr = anstream::AutoStream::auto(std::io::stderr());
    let _ = stderr.write_all(out.told(failure).as_bytes());
    if out.is_json() && !out.has_written() {
        let _ = out.emit(&failure.to_json(), |_| String::new());
    }
}

/// Runs a future on a new multi-threaded runtime with all drivers, to its end. Tasks still alive afterwards are
/// dropped without waiting for blocking calls.
///
/// # Errors
/// Exit 8 if the system gives no threads or no epoll handle; else what the future returns.
pub fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unavailable("cannot start the runtime").with_source(error))?;
    let result = runtime.block_on(future);
    runtime.shutdown_background();
    result
}

#[cfg(test)]
mod tests {
    use super::said;

    #[test]
    fn what_is_missing_is_named() {
        let text = "error: the following required arguments were not provided:\n  --to <E>\n  --reason <R>\n\n\
                    Usage: promote start --to <E>\n\nFor more information, try '--help'.\n";
        assert_eq!(said(text), "the following required arguments were not provided: --to <E> --reason <R>");
        assert_eq!(said("error: invalid value 'abc'\n"), "invalid value 'abc'");
    }
}
