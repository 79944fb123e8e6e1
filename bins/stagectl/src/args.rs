//! The arguments.

use std::path::PathBuf;

use clikit::Common;
use envconfig::{ComponentName, EnvironmentName, ProcessGroup};
use wiring::keys::Who;

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
    /// Checks the project file, every fly.toml that it names, and the workflows beside it
    ///
    /// Workflows are those of `.github/workflows` in the project file's directory. Only regular files of at most 1 MiB are read. Exit codes: 0 nothing found, 15 findings, 2 a file cannot be read or
    /// parsed, 8 an image cannot be fetched or tried.
    Check(Check),
    /// Writes what follows from the project file and fly.toml
    #[command(subcommand)]
    Render(Render),
    /// Takes an environment out of our hands: our labels come off its machines, and nothing else changes
    ///
    /// No machine gets a new version or is restarted; `fly deploy` goes on as before. Parked machines are left and
    /// named. What was recorded stays in the journal, and the next promotion asks for `promote adopt` first. Exit
    /// codes: 0 done, 3 refused (a promotion is under way, another store's marks, somebody's lease, not allowed), 2 the
    /// files cannot be used, 8 the provider does not answer.
    Eject(Eject),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// Checks this fly.toml, fly.json or fly.yaml alone, without a project file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Checks the workflows of GitHub Actions in this directory alone
    ///
    /// A project file says which apps and branches are whose. Without one production runs from `main` or `master`.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub(crate) workflows: Option<PathBuf>,
    /// Starts this image here, without secrets and volumes, and asks it for the path of every check
    ///
    /// It runs as a process of this machine. A token for its registry is taken from FLY_API_TOKEN.
    #[cfg(feature = "probe")]
    #[arg(long, value_name = "REF", requires = "config", conflicts_with = "image_dir")]
    pub(crate) image: Option<flytypes::ImageRef>,
    /// The same with an image in a directory: an OCI layout, as `skopeo copy docker://IMAGE oci:DIR` writes it
    #[cfg(feature = "probe")]
    #[arg(long, value_name = "DIR", requires = "config")]
    pub(crate) image_dir: Option<PathBuf>,
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
pub(crate) struct Eject {
    /// The environment
    #[arg(long, value_name = "E")]
    pub(crate) env: EnvironmentName,
    /// Destroys the parked machines that carry our label: then there is no warm way back
    #[arg(long)]
    pub(crate) destroy_parked: bool,
    /// Why, for the record
    #[arg(long, value_name = "R")]
    pub(crate) reason: Option<String>,
    /// Shows what would be done and changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) who: Who,
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
