//! Bends a small journal in every way and counts what the audit names (P8).
//!
//! ```text
//! cargo run --release -p promotion --features conformance --example bent -- --flips 100000 --cuts 10000 --json
//! ```
//!
//! A flip is one bit of one record as it stands in a store, its columns too; a cut takes records off the end, and a
//! rewrite makes a chain anew whose hashes fit: these two are held against an anchor. With `--json` one object on stdout:
//! `{"bits", "flips": {"done", "named"}, "cuts": {…}, "rewrites": {…}}`. Ends with 4 when one is not named.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that says how it went")]

use std::process::ExitCode;

use promotion::testing::Bent;
use serde_json::{Value, json};

struct Args {
    flips: u64,
    cuts: u64,
    is_json: bool,
}

fn args() -> Result<Args, String> {
    let mut args = Args { flips: 100_000, cuts: 10_000, is_json: false };
    let mut given = std::env::args().skip(1);
    while let Some(arg) = given.next() {
        let mut number = |what: &str| {
            let text = given.next().ok_or_else(|| format!("{what} needs a number"))?;
            text.parse::<u64>().map_err(|error| format!("{what} {text}: {error}"))
        };
        match arg.as_str() {
            "--flips" => args.flips = number("--flips")?,
            "--cuts" => args.cuts = number("--cuts")?,
            "--json" => args.is_json = true,
            _ => return Err(format!("{arg} is not known: there are --flips N, --cuts N and --json")),
        }
    }
    Ok(args)
}

/// How many of `n` were named; the first that was not.
fn count(n: u64, is_named: impl Fn(u64) -> bool) -> (Value, Option<u64>) {
    let missed: Vec<u64> = (0..n).filter(|which| !is_named(*which)).collect();
    (json!({"done": n, "named": n - missed.len() as u64}), missed.first().copied())
}

fn main() -> ExitCode {
    let args = match args() {
        Ok(args) => args,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    let bent = Bent::new();
    // Every bit comes once before one comes twice.
    let (flips, flip) = count(args.flips, |bit| bent.names_flip(bit));
    let (cuts, cut) = count(args.cuts, |n| bent.names_cut(n as usize));
    let (rewrites, rewrite) = count(args.cuts, |n| bent.names_rewrite(n as usize));
    let value = json!({"bits": bent.n_bits(), "flips": flips, "cuts": cuts, "rewrites": rewrites});
    if args.is_json {
        println!("{value}");
    } else {
        println!("{} bits; flips {flips}, cuts {cuts}, rewrites {rewrites}", bent.n_bits());
    }
    let missed = [("flip", flip), ("cut", cut), ("rewrite", rewrite)];
    let mut exit = ExitCode::SUCCESS;
    for (what, n) in missed.into_iter().filter_map(|(what, n)| n.map(|n| (what, n))) {
        eprintln!("{what} {n} is not named");
        exit = ExitCode::from(4);
    }
    exit
}
