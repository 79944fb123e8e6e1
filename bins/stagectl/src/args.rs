//! The arguments.

use std::path::PathBuf;

use clikit::Common;
use envconfig::{ComponentName, EnvironmentName, ProcessGroup};

/// Makes, keeps and checks the environments of a project
#[derive(Debug, clap::Parser)]
#[command(name = "stagectl", version)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Checks the project file and every fly.toml that it names
    ///
    /// Exit codes: 0 nothing found, 15 findings, 2 a file cannot be read or parsed.
    Check {
        /// Checks this fly.toml, fly.json or fly.yaml alone, without a project file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Writes what follows from the project file and fly.toml
    #[command(subcommand)]
    Render(Render),
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Render {
    /// Prints the machine configuration of each process group, as the Machines API takes it
    ///
    /// Without what only a release knows: no image, no release id, no version. Exit codes: 0 done, 2 the file cannot
    /// be used.
    Machines(Machines),
    /// Writes an environment's fly.toml: production's, with the environment's overlay and app written into it
    ///
    /// It stands beside production's and has the environment in its name: `fly.staging.toml`. Comments and order stay.
    /// Exit codes: 0 done, 15 a file differs under `--check`, 2 a file cannot be used.
    Fly(Fly),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Machines {
    /// A fly.toml, fly.json or fly.yaml
    #[arg(long, value_name = "FILE", default_value = "fly.toml")]
    pub(crate) config: PathBuf,
    /// This process group only
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<ProcessGroup>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Fly {
    /// The environment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: EnvironmentName,
    /// This component only
    #[arg(long, value_name = "NAME")]
    pub(crate) component: Option<ComponentName>,
    /// Writes nothing, and shows what differs from the files on disk
    #[arg(long)]
    pub(crate) check: bool,
    /// Writes nothing, and prints what would be written
    #[arg(long, conflicts_with = "check")]
    pub(crate) dry_run: bool,
}
