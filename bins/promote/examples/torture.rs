//! `cargo run -p promote --example torture -- --points 40`: SIGKILL of `promote start` at points spread over a
//! promotion, then `promote tick` only. Prints where it struck, and leaves with 1 when anything ended otherwise than
//! the undisturbed run. Needs the binary beside it: `cargo build -p promote --bins --examples`.

#![expect(clippy::unwrap_used, reason = "a harness that cannot go on has failed")]

#[path = "../tests/it/support.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod support;
#[path = "../tests/it/torture.rs"]
mod torture;

use std::io::Write as _;
use std::process::ExitCode;

use torture::Kills;

fn say(text: &str) {
    // A reader that went away does not stop the run.
    let _ = writeln!(std::io::stdout(), "{text}");
}

const USAGE: &str = "usage: torture [--points N] [--lanes N] [--kills any|quiet]\n\
    N from 1 to 1000; default 40 points in 4 stand-ins at once, at any moment; quiet: only while the runner waits";

fn read(args: &[String]) -> Option<(usize, usize, Kills)> {
    let (mut points, mut lanes, mut kills) = (40, 4, Kills::Any);
    let number = |text: &String| text.parse().ok().filter(|n| (1..=1000).contains(n));
    for pair in args.chunks(2) {
        let [flag, value] = pair else { return None };
        match (flag.as_str(), value.as_str()) {
            ("--points", _) => points = number(value)?,
            ("--lanes", _) => lanes = number(value)?,
            ("--kills", "any") => kills = Kills::Any,
            ("--kills", "quiet") => kills = Kills::Quiet,
            _ => return None,
        }
    }
    Some((points, lanes, kills))
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((points, lanes, kills)) = read(&args) else {
        say(USAGE);
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let report = runtime.block_on(torture::run(points, lanes, kills, &say));
    say(&report.text());
    if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
