//! One file per verb.

pub(crate) mod check;
mod diff;
pub(crate) mod doctor;
pub(crate) mod eject;
pub(crate) mod fly;
pub(crate) mod init;
pub(crate) mod machines;
pub(crate) mod pipeline;
mod rendered;
mod suites;
mod top;
mod workflows;

use std::path::Path;

use clikit::{Common, Context, Failure};
use envconfig::project::Project;

fn read(path: &Path) -> Result<String, String> {
    clikit::read_text(path).map_err(|error| error.to_string())
}

/// The project file, for what is written from it.
fn project(context: &Context, common: &Common) -> Result<Project, Failure> {
    let file = common.project.display().to_string();
    let text = read(&context.current_dir.join(&common.project)).map_err(|why| {
        let failure = Failure::usage(format!("the project file `{file}` cannot be read")).with_why(why);
        failure.with_hint("run in the project's directory, or name the file with `--project FILE`")
    })?;
    let project = Project::parse(&file, &text).map_err(|problems| {
        let failure = Failure::usage(format!("`{file}` cannot be used")).with_source(problems);
        failure.with_hint("stagectl check")
    })?;
    Ok(project.value)
}

/// A file that `config` names, relative to it.
fn read_beside(config: &Path, named: &str) -> Result<Vec<u8>, String> {
    clikit::read_bytes(&config.with_file_name("").join(named)).map_err(|error| error.to_string())
}
