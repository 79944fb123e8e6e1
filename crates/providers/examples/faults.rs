//! `cargo run -p providers --example faults -- --pairs 50`: promotions under every fault alone and under random pairs,
//! blue-green and rolling. Prints the table, and leaves with 1 when one ended neither on the new release nor back on the
//! old one. Needs the machines' program beside it: `cargo build -p providers --examples`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a harness that cannot go on has failed, and it prints"
)]

#[path = "../tests/it/faulted/mod.rs"]
mod faulted;
#[path = "../tests/it/support.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod support;

use std::process::ExitCode;

const USAGE: &str = "usage: faults [--pairs N] [--seed N[,N…]] [--lanes N]\n\
    N pairs from 0 to 1000, for each strategy and seed, default 50; the same seed draws the same pairs;\n\
    N promotions at once, from 1 to 100, default 32: fewer where the host is busy with something else";
/// The seed of the pairs, where none is given.
const SEED: u64 = 20_261_121;

struct Wanted {
    pairs: usize,
    seeds: Vec<u64>,
    lanes: usize,
}

fn read(args: &[String]) -> Option<Wanted> {
    let mut wanted = Wanted { pairs: 50, seeds: vec![SEED], lanes: faulted::LANES };
    for pair in args.chunks(2) {
        let [flag, value] = pair else { return None };
        match flag.as_str() {
            "--pairs" => wanted.pairs = value.parse().ok().filter(|n| *n <= 1000)?,
            "--seed" => {
                wanted.seeds = value.split(',').map(|seed| seed.parse().ok()).collect::<Option<_>>()?;
            }
            "--lanes" => wanted.lanes = value.parse().ok().filter(|n| (1..=100).contains(n))?,
            _ => return None,
        }
    }
    Some(wanted)
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(Wanted { pairs, seeds, lanes }) = read(&args) else {
        println!("{USAGE}");
        return ExitCode::from(2);
    };
    let mut cases = faulted::alone();
    cases.extend(seeds.iter().flat_map(|seed| faulted::pairs(*seed, pairs)));
    let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
    println!("{} promotions; --seed {} draws these pairs again", cases.len(), seeds.join(","));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let faulted::Table { text, wrong } = runtime.block_on(faulted::table(cases, lanes));
    println!("{text}\n{wrong}");
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
