//! Where a project file is in its repository.

use std::path::{Path, PathBuf};

use clikit::Context;
use envconfig::pipeline::InRepository;

/// Where GitHub looks, from the top of the repository.
const FOLDER: &str = ".github/workflows";

/// The directory of workflows, as seen from the current one, and the project file's place below the top.
#[derive(Debug)]
pub(super) struct Top {
    pub(super) workflows: PathBuf,
    /// The same, as seen from the project file's directory.
    pub(super) from_project: PathBuf,
    pub(super) place: InRepository,
}

impl Top {
    /// The nearest directory with a `.git` is the top; where there is none, that of the project file is.
    pub(super) fn of(context: &Context, project: &Path) -> Self {
        let own = project.with_file_name("");
        let start = context.current_dir.join(&own);
        let start = start.canonicalize().unwrap_or(start);
        let is_top = |dir: &&Path| dir.join(".git").exists();
        let below = start.ancestors().find(is_top).and_then(|top| start.strip_prefix(top).ok());
        let below = below.unwrap_or(Path::new(""));
        let up: PathBuf = below.components().map(|_| "..").collect();
        let directory = below.to_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let file = project.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let from_project = up.join(FOLDER);
        let workflows = own.join(&from_project);
        Self { workflows, from_project, place: InRepository { directory, file } }
    }
}
