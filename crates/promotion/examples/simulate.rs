//! Plays many simulated promotions and says which promises were broken.
//!
//! ```text
//! cargo run --release -p promotion --features conformance --example simulate -- --schedules 10000 [--seed S] [--json]
//! ```
//!
//! With `--json` one object on stdout: `{"schedules", "crash_points", "violations", "schedules_per_second", "trace_hash",
//! "ends"}`; `violations` is a list of `{"seed", "promise", "what"}`. Ends with 4 when a promise was broken.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that says how it went")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use promotion::simulation::{Plays, Season};
use serde_json::json;

/// A play is many small texts and maps that come and go.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Plays that one thread takes at a time. Part of what the trace is over: another number gives another hash.
const AT_A_TIME: u64 = 100;

struct Args {
    schedules: u64,
    seed: u64,
    is_json: bool,
}

fn args() -> Result<Args, String> {
    let mut args = Args { schedules: 1_000, seed: 1, is_json: false };
    let mut given = std::env::args().skip(1);
    while let Some(arg) = given.next() {
        let mut number = |what: &str| {
            let text = given.next().ok_or_else(|| format!("{what} needs a number"))?;
            text.parse::<u64>().map_err(|error| format!("{what} {text}: {error}"))
        };
        match arg.as_str() {
            "--schedules" => args.schedules = number("--schedules")?,
            "--seed" => args.seed = number("--seed")?,
            "--json" => args.is_json = true,
            _ => return Err(format!("{arg} is not known: there are --schedules N, --seed S and --json")),
        }
    }
    args.seed.checked_add(args.schedules).ok_or("the last seed would be beyond 2^64")?;
    Ok(args)
}

/// Every part by its number, so that the whole does not depend on who was quicker.
fn plays(seed: u64, schedules: u64) -> Season {
    let (next, parts) = (AtomicU64::new(0), Mutex::new(BTreeMap::new()));
    let work = || {
        let mut plays = Plays::default();
        loop {
            let n = next.fetch_add(1, Ordering::SeqCst);
            let from = n * AT_A_TIME;
            if from >= schedules {
                return;
            }
            let season = plays.season(seed + from..seed + (from + AT_A_TIME).min(schedules));
            for (seed, broken) in &season.violations {
                eprintln!("P{} is broken by seed {seed}: {}", broken.promise, broken.what);
                eprintln!("  cargo xtask simulate --schedules 1 --seed {seed}");
            }
            if let Ok(mut parts) = parts.lock() {
                parts.insert(n, season);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let mut whole = Season::default();
    parts.into_inner().unwrap_or_default().into_values().for_each(|season| whole.join(season));
    whole
}

fn main() -> ExitCode {
    let args = match args() {
        Ok(args) => args,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    #[expect(clippy::disallowed_methods, reason = "how fast it goes is measured here")]
    let begun = Instant::now();
    let season = plays(args.seed, args.schedules);
    let per_second = season.plays as f64 / begun.elapsed().as_secs_f64();
    if args.schedules == 1 {
        let play = Plays::default().tell(args.seed);
        eprintln!("{}", play.story);
        play.told.iter().for_each(|line| eprintln!("{line}"));
    }
    if args.is_json {
        let found = season.violations.iter();
        let found = found.map(|(seed, it)| json!({"seed": seed, "promise": it.promise, "what": it.what}));
        let ends: BTreeMap<&str, u64> = season.ends.iter().map(|(end, n)| (end.name(), *n)).collect();
        let report = json!({
            "schedules": season.plays,
            "crash_points": season.deaths,
            "violations": found.collect::<Vec<_>>(),
            "schedules_per_second": per_second.round(),
            "trace_hash": season.trace().to_string(),
            "ends": ends,
        });
        println!("{report}");
    } else {
        println!("{} schedules, {:.0} per second", season.plays, per_second);
        println!("{} runners killed at work", season.deaths);
        season.ends.iter().for_each(|(end, n)| println!("{n:>8} ended {end}"));
        println!("{} violations", season.violations.len());
        println!("trace {}", season.trace());
    }
    if season.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(4) }
}
