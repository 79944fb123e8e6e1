//! The arguments.

use std::path::PathBuf;

use clikit::Common;
use envconfig::{ActionRef, ComponentName, EnvironmentName, ProcessGroup};
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
    /// Begins a project: looks at what the repository has, asks what only people know, and writes the first files
    ///
    /// Looked at are fly.toml files with their `fly.staging.toml`, public SSH keys, and directories of migrations; nothing is asked
    /// of Fly. No file that exists is changed: where one says something else than init would write, the difference is shown.
    /// A second run writes nothing. What is missing is asked at a terminal; every answer is an option, too. What looks like
    /// a secret of production is kept out of staging. Exit codes: 0 done, 2 something is not known or a file cannot be read
    /// or written.
    Init(Init),
    /// Checks the project file, every fly.toml that it names, and the workflows beside it
    ///
    /// Workflows are those of `.github/workflows` at the top of the repository, or beside the project file where there is none. Only regular files of at most 1 MiB are read. Exit codes: 0 nothing found, 15 findings, 2 a file cannot be read or
    /// parsed, 8 an image cannot be fetched or tried.
    Check(Check),
    /// Looks at everything that verbs need, one by one, and says what mends the rest
    ///
    /// The files, who may approve and who you are, the store and how long it takes, the clock, and for each environment its token,
    /// its apps, the image that runs and who answers at its address. Nothing is changed anywhere, so whether a token may
    /// write shows only with the first promotion. Exit codes: 0 nothing is broken, 15 something is, 2 there is no such
    /// environment.
    Doctor(Doctor),
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
pub(crate) struct Init {
    /// A fly.toml of production, from the project file's directory on; again for each
    ///
    /// Left out, it is every `fly.toml` below that directory.     /// Passed over are hidden directories, and those of what is built, fetched or for tests.
    #[arg(long = "config", value_name = "FILE")]
    pub(crate) configs: Vec<String>,
    /// Production's app, where fly.toml names none; the component may be left out where there is one
    #[arg(long = "app", value_name = "[COMPONENT=]APP")]
    pub(crate) apps: Vec<String>,
    /// Staging's app [default: as `fly.staging.toml` says, else production's with `-staging`]
    #[arg(long = "staging-app", value_name = "[COMPONENT=]APP")]
    pub(crate) staging_apps: Vec<String>,
    /// Who may approve: a public SSH key (FILE.pub), `ssh:SHA256:…`, or `github:ID`; again for each
    ///
    /// Approvals are signed with SSH keys; those of GitHub are not read by this version.
    /// Left out, it is your own key: $UNDERSTUDY_KEY, or id_ed25519 or id_ecdsa in ~/.ssh.
    #[arg(long = "lead", value_name = "WHO")]
    pub(crate) leads: Vec<String>,
    /// Writes workflows of GitHub Actions as well; names the action that brings our binaries, by its commit
    ///
    /// The journal and the runner's key are then those of CI: $UNDERSTUDY_STORE and $UNDERSTUDY_RUNNER_KEY.
    #[arg(long, value_name = "OWNER/REPO@COMMIT")]
    pub(crate) action: Option<ActionRef>,
    /// Writes nothing, and prints what would be written
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// This environment only
    #[arg(long, value_name = "E")]
    pub(crate) env: Option<EnvironmentName>,
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
    /// Writes the workflows of GitHub Actions that deploy, test, promote and rescue
    ///
    /// They stand in `.github/workflows` at the top of the repository, as `understudy-….yml`. [ci] of the project file says
    /// where the binaries come from and what builds. Of our own files those that nothing is written to any more are removed;
    /// nobody else's is touched. Exit codes: 0 done, 15 a file differs under `--check`, 2 the project file lacks something
    /// or a file is somebody else's.
    Workflows(Workflows),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Workflows {
    /// Writes nothing, and shows what differs from the files on disk
    #[arg(long)]
    pub(crate) check: bool,
    /// Writes nothing, and prints what would be written
    #[arg(long, conflicts_with = "check")]
    pub(crate) dry_run: bool,
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
