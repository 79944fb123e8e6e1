//! `cargo xtask`: the repository's own chores.

use clap::{Parser, Subcommand};
use clikit::{Context, Exit, Failure, Output};
use std::process::ExitCode;
use xtask::process::Shell;
use xtask::repo::Repo;
use xtask::simulate::Wanted;

/// The repository's own chores
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Everything that must be green before a change is done; ends with `N passed, N failed, N skipped`
    Test {
        /// Only these steps, by the names in the table
        steps: Vec<String>,
    },
    /// Writes the generated files
    Gen {
        /// Only say what would change, and fail if anything would
        #[arg(long)]
        check: bool,
        /// Only these, by their paths
        paths: Vec<String>,
    },
    /// The house rules that the compiler does not know
    Tidy,
    /// Measures, and prints each figure beside its limit or a peer
    Bench {
        /// Only this one
        name: Option<String>,
    },
    /// Every order of lease, crash, approval and takeover among three runners, to the end
    Model {
        /// Calls of the rollout, 4 to 16; a promotion takes several times as many steps
        #[arg(long, default_value_t = 4)]
        calls: u8,
        /// Runners that die, up to 3
        #[arg(long, default_value_t = 3)]
        crashes: u8,
        /// Leases that run out under living runners, up to 3
        #[arg(long, default_value_t = 3)]
        expiries: u8,
        /// One object: bounds, `states`, `unique`, `depth`, `seconds`, `violations`
        #[arg(long)]
        json: bool,
    },
    /// Breaks each promise on purpose and wants its tests red
    Sabotage {
        /// Only this one: p1, p2, …
        name: Option<String>,
        /// Who else has to look: `torture` kills processes of a broken binary, which takes some minutes for each promise
        #[arg(long, value_name = "WHO", value_parser = ["torture"])]
        with: Option<String>,
        /// A list of `name`, `promise`, `caught`, `by` (test, simulation, model, torture), `tests`, `unnoticed`
        #[arg(long)]
        json: bool,
    },
    /// Plays promotions that chance makes up, and says which promises were broken
    Simulate {
        /// How many
        #[arg(long, default_value_t = 10_000)]
        schedules: u64,
        /// The seed of the first; each of the others has the next
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// One object: `schedules`, `crash_points`, `violations`, `schedules_per_second`, `trace_hash`, `ends`
        #[arg(long)]
        json: bool,
    },
    /// Kills whoever works on promotions, lets ticks finish them, and says what was done twice, lost or left over
    Torture {
        /// How many processes
        #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        kills: u64,
        /// What decides where it strikes
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// In how many stand-ins at once [default: one for five kills, at most 16]
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..=64))]
        lanes: Option<u64>,
        /// One object: `kills`, `double_effects`, `lost_approvals`, `mixed_fleets`, `unresumed`, `violations`, `landed`
        #[arg(long)]
        json: bool,
    },
}

fn exec(context: &Context, out: &Output, args: Args) -> Result<Exit, Failure> {
    let shell = Shell::new(context);
    let repo = Repo::find(&shell)?;
    match args.chore {
        Chore::Test { steps } => xtask::suite::run(&repo, &shell, out, &steps),
        Chore::Gen { check, paths } => xtask::pages::run(&repo, &shell, out, check, &paths),
        Chore::Tidy => xtask::tidy::run(&repo, &shell, out),
        Chore::Bench { name } => xtask::bench::run(&repo, &shell, out, name.as_deref()),
        Chore::Model { calls, crashes, expiries, json: is_json } => {
            xtask::model::run(&repo, &shell, out, &xtask::model::Wanted { calls, crashes, expiries, is_json })
        }
        Chore::Sabotage { name, with, json: is_json } => {
            let wanted = xtask::sabotage::Wanted { name, has_torture: with.is_some(), is_json };
            xtask::sabotage::run(&repo, &shell, out, &wanted)
        }
        Chore::Simulate { schedules, seed, json: is_json } => {
            xtask::simulate::run(&repo, &shell, out, Wanted { schedules, seed, is_json })
        }
        Chore::Torture { kills, seed, lanes, json: is_json } => {
            let wanted = xtask::torture::Wanted { kills, seed, lanes, is_json };
            xtask::torture::run(&repo, &shell, out, &wanted)
        }
    }
}

fn main() -> ExitCode {
    clikit::main(exec)
}
