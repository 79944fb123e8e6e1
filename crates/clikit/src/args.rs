//! The arguments that every verb of every binary takes.

use std::path::PathBuf;

/// `--project FILE --store URL --json`, flattened into the top of a binary's arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// The project file
    #[arg(long, global = true, value_name = "FILE", default_value = "understudy.toml")]
    pub project: PathBuf,

    /// Where the journal lives; otherwise the project file decides
    #[arg(long, global = true, value_name = "URL")]
    pub store: Option<String>,

    /// One JSON object on stdout instead of text for people
    #[arg(long, global = true)]
    pub json: bool,
}
