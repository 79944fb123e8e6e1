//! The arguments.

use clikit::Common;

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
    /// Exit codes: 0 nothing found, 15 findings, 2 a file cannot be read or is no TOML.
    Check,
}
