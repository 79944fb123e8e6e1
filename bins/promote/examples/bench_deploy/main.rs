//! The driver of `cargo xtask bench deploy`: puts a fleet of the old release into a stand-in with Fly's latency, boot
//! time, edge lag and rate limits, lets `promote` bring the new one while requests go through the edges, and prints one
//! JSON object per run. It judges nothing: what the runs come to is worked out from the stand-in's audit log elsewhere.
//!
//! `bench_deploy [--list] [NAME…]`; without names all runs but the large ones. Works in `target/bench-deploy`. Needs
//! `promote`, `localcloud-fixture` and `localcloud-fixture-app` of the same profile beside it.

#![expect(clippy::unwrap_used, reason = "a harness that cannot go on has failed")]

mod fleet;
mod process;
mod runs;
mod stage;
mod traffic;

use std::process::ExitCode;

use runs::{RUNS, Run};

/// The driver's clock is the audit log's: microseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a program that measures reads the clock")]
pub(crate) fn now_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// A line of data, or of progress.
pub(crate) fn say(mut out: impl std::io::Write, text: &str) {
    // A reader that went away does not stop the run.
    let _ = writeln!(out, "{text}");
}

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    if names.iter().any(|name| name == "--list") {
        RUNS.iter().for_each(|run| say(std::io::stdout(), run.name));
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&Run> = RUNS
        .iter()
        .filter(
            |run| if names.is_empty() { !run.is_large } else { names.iter().any(|name| name == run.name) },
        )
        .collect();
    if wanted.is_empty() || wanted.len() < names.len() {
        say(std::io::stderr(), "there is no such run; --list names them");
        return ExitCode::from(2);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for run in wanted {
        say(std::io::stderr(), run.name);
        match runtime.block_on(runs::perform(run)) {
            Ok(lines) => lines.iter().for_each(|line| say(std::io::stdout(), &line.to_string())),
            Err(why) => {
                say(std::io::stderr(), &why);
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
