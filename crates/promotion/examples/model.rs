//! Searches the model of the protocol further than the tests do, to its end.
//!
//! ```text
//! cargo run --release -p promotion --example model -- [--calls N] [--crashes N] [--expiries N] [--lost N] [--drifts N] [--json]
//! ```
//!
//! Three runners, one promotion whose rollout makes `--calls` calls, runners that die, leases that run out under living
//! runners, answers that never come, a world that changes before the first call, and a person who agrees, refuses and
//! withdraws. With `--json` one object: `{"runners", "calls", "steps", "crashes", "expiries", "lost", "drifts", "states",
//! "unique", "depth", "seconds", "violations"}`. `steps` is what a promotion takes that nothing disturbs. Ends with 4 when
//! a promise was broken.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that says how it went")]

use std::process::ExitCode;
use std::time::Instant;

use serde_json::json;
use stateright::{Checker as _, Model as _};

#[path = "../tests/it/model/protocol/mod.rs"]
mod protocol;

use protocol::{Bounds, Protocol, RUNNERS, Rules, promises};

struct Args {
    bounds: Bounds,
    is_json: bool,
}

fn args() -> Result<Args, String> {
    let mut args =
        Args { bounds: Bounds { steps: 4, crashes: 3, expiries: 3, lost: 0, drifts: 0 }, is_json: false };
    let mut given = std::env::args().skip(1);
    while let Some(arg) = given.next() {
        if arg == "--json" {
            args.is_json = true;
            continue;
        }
        let bounds = &mut args.bounds;
        let (bound, allowed) = match arg.as_str() {
            "--calls" => (&mut bounds.steps, 4..=16),
            "--crashes" => (&mut bounds.crashes, 0..=3),
            "--expiries" => (&mut bounds.expiries, 0..=3),
            "--lost" => (&mut bounds.lost, 0..=2),
            "--drifts" => (&mut bounds.drifts, 0..=1),
            _ => {
                return Err(format!(
                    "{arg} is not known: there are --calls, --crashes, --expiries, --lost, --drifts and --json"
                ));
            }
        };
        let number = given.next().and_then(|text| text.parse().ok()).filter(|n| allowed.contains(n));
        *bound = number.ok_or_else(|| format!("{arg} needs a number from {allowed:?}"))?;
    }
    Ok(args)
}

fn searched(protocol: Protocol) -> impl stateright::Checker<Protocol> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    protocol.checker().threads(threads).spawn_bfs().join()
}

/// How many steps it takes that nothing disturbs: the shortest way to success.
fn steps(bounds: Bounds) -> usize {
    let calm = Bounds { crashes: 0, expiries: 0, lost: 0, drifts: 0, ..bounds };
    searched(Protocol::new(Rules::ALL, calm))
        .discovery(promises::DONE)
        .map_or(0, |path| path.into_actions().len())
}

fn main() -> ExitCode {
    let Args { bounds, is_json } = match args() {
        Ok(args) => args,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    #[expect(clippy::disallowed_methods, reason = "how long it takes is measured here")]
    let begun = Instant::now();
    let search = searched(Protocol { looks: false, ..Protocol::new(Rules::ALL, bounds) });
    let seconds = begun.elapsed().as_secs_f64();
    let mut broken = Vec::new();
    for (name, path) in search.discoveries() {
        eprintln!("{name} is broken:\n{path:?}");
        broken.push(name);
    }
    let Bounds { steps: calls, crashes, expiries, lost, drifts } = bounds;
    let (states, unique, depth) = (search.state_count(), search.unique_state_count(), search.max_depth());
    let steps = steps(bounds);
    if is_json {
        let report = json!({
            "runners": RUNNERS, "calls": calls, "steps": steps, "crashes": crashes, "expiries": expiries,
            "lost": lost, "drifts": drifts, "states": states, "unique": unique, "depth": depth,
            "seconds": (seconds * 10.0).round() / 10.0, "violations": broken,
        });
        println!("{report}");
    } else {
        println!("{RUNNERS} runners, {calls} calls in {steps} steps, {crashes} crashes, {expiries} expiries");
        println!("{states} instants met, {unique} that differ, {depth} deep, in {seconds:.1} s");
        println!("{} promises broken", broken.len());
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(4) }
}
