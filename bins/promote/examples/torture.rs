//! `cargo xtask torture`: SIGKILL of whoever works on a promotion, at moments spread over it, then `promote tick` only.
//! Prints where it struck and what was wrong, and leaves with 4 when anything was. Needs the binary beside it:
//! `cargo build -p promote -p localcloud-cli --bins --examples`.

#![expect(clippy::unwrap_used, reason = "a harness that cannot go on has failed")]

#[path = "../tests/it/support.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod support;
#[path = "../tests/it/torture/mod.rs"]
mod torture;

use std::io::Write as _;
use std::process::ExitCode;

use torture::{Moments, Wanted};

const USAGE: &str = "usage: torture [--kills N] [--seed N] [--lanes N] [--moments any|quiet] [--json]\n\
    40 kills by default, at any moment, from seed 1; lanes: how many stand-ins at once, 1 to 64, by default one for\n\
    five kills and at most 16; quiet: only while the runner waits";

/// Kills that one stand-in is made for: making it takes as long as a kill or two.
const KILLS_PER_LANE: usize = 5;
const LANES_MAX: usize = 16;

fn read(args: &[String]) -> Option<(Wanted, bool)> {
    let mut wanted = Wanted { kills: 40, lanes: 0, seed: 1, moments: Moments::Any, cloud: None };
    let mut is_json = false;
    let mut args = args.iter();
    while let Some(flag) = args.next() {
        match flag.as_str() {
            "--json" => is_json = true,
            "--kills" => wanted.kills = args.next()?.parse().ok().filter(|n| (1..=100_000).contains(n))?,
            "--seed" => wanted.seed = args.next()?.parse().ok()?,
            "--lanes" => wanted.lanes = args.next()?.parse().ok().filter(|n| (1..=64).contains(n))?,
            "--moments" => {
                wanted.moments = match args.next()?.as_str() {
                    "any" => Moments::Any,
                    "quiet" => Moments::Quiet,
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
    if wanted.lanes == 0 {
        wanted.lanes = (wanted.kills / KILLS_PER_LANE).clamp(1, LANES_MAX);
    }
    Some((wanted, is_json))
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // A reader that went away does not stop the run.
    let say = |text: &str| drop(writeln!(std::io::stderr(), "{text}"));
    let Some((wanted, is_json)) = read(&args) else {
        say(USAGE);
        return ExitCode::from(2);
    };
    // Where the stand-in was built too, it is killed too.
    let mut wanted = wanted;
    wanted.cloud = Some(support::exe().with_file_name("localcloud")).filter(|path| path.exists());
    if wanted.cloud.is_none() {
        say("`localcloud` is not beside `promote`: only runners are killed");
    }
    let seed = wanted.seed;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let report = runtime.block_on(torture::run(wanted, &say));
    let text = if is_json { format!("{}\n", report.json(seed)) } else { report.text() };
    let _ = std::io::stdout().write_all(text.as_bytes());
    // As every chore: 4 is what tests found.
    if report.wrong() == 0 { ExitCode::SUCCESS } else { ExitCode::from(4) }
}
