//! `cargo xtask`: the repository's own chores.

use clap::{Parser, Subcommand};
use clikit::{Context, Exit, Failure, Output};
use std::process::ExitCode;
use xtask::process::Shell;
use xtask::repo::Repo;

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
    /// Searches the model of the protocol further than the tests do
    Model,
    /// Breaks each promise on purpose and wants its tests red
    Sabotage {
        /// Only this one: p1, p2, …
        name: Option<String>,
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
        Chore::Model => xtask::model::run(&repo, &shell),
        Chore::Sabotage { name } => xtask::sabotage::run(&repo, &shell, out, name.as_deref()),
    }
}

fn main() -> ExitCode {
    clikit::main(exec)
}
