//! `stagectl render workflows`: GitHub's workflows, written from the project file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use clikit::{Common, Context, Exit, Failure, Output};
use envconfig::EnvironmentName;
use envconfig::pipeline::{self, Hindrance};
use serde::Serialize;

use super::rendered::{Mode, Rendered};
use super::top::Top;
use super::{project, read};
use crate::args::Workflows;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    /// Whether the exit code is 0.
    ok: bool,
    files: Vec<Rendered>,
    /// Files that an earlier run wrote, and that nothing is written to any more.
    left: Vec<String>,
    /// The secrets that each environment of GitHub has to keep.
    secrets: BTreeMap<EnvironmentName, BTreeSet<String>>,
}

pub(crate) fn exec(
    context: &Context,
    out: &Output,
    common: &Common,
    args: &Workflows,
) -> Result<Exit, Failure> {
    let mode = Mode { is_check: args.check, is_dry: args.dry_run };
    let project = project(context, common)?;
    let top = Top::of(context, &common.project);
    let rendered = pipeline::render(&project, &top.place).map_err(hindered)?;
    let head = top.place.head();
    let mut files = Vec::new();
    for file in rendered.files {
        let file = Rendered::new(context, &top.workflows.join(&file.name), file.text)?;
        if file.before().is_some_and(|before| !is_ours(before, &head)) {
            return Err(Failure::usage(format!("`{}` is somebody else's", file.file))
                .with_why("its first line does not say that it was written from this project file, and it would be lost")
                .with_hint("move it away, and run it again"));
        }
        files.push(file);
    }
    let left = left(context, &top, &files)?;
    let differs = !left.is_empty() || files.iter().any(|file| file.differs);
    if !mode.is_check && !mode.is_dry {
        files.iter().try_for_each(|file| file.write(context))?;
        for file in &left {
            fs::remove_file(context.current_dir.join(file)).map_err(|error| {
                Failure::unavailable(format!("`{file}` cannot be removed")).with_source(error)
            })?;
        }
    }
    let exit = if mode.is_check && differs { Exit::Findings } else { Exit::Done };
    let report = Report { ok: exit == Exit::Done, files, left, secrets: rendered.secrets };
    out.conclude(exit, &report, |report| human(report, mode))
}

/// Why no workflow can be written, for people.
pub(super) fn hindered(it: Hindrance) -> Failure {
    Failure::usage(format!("no workflow can be written: {}", it.what)).with_why(it.why).with_hint(it.hint)
}

fn is_ours(text: &str, head: &str) -> bool {
    text.lines().next() == Some(head)
}

/// Our files that are not written any more: their environment is gone.
fn left(context: &Context, top: &Top, files: &[Rendered]) -> Result<Vec<String>, Failure> {
    let (dir, head) = (context.current_dir.join(&top.workflows), top.place.head());
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            let dir = top.workflows.display();
            return Err(Failure::usage(format!("`{dir}` cannot be read")).with_source(error));
        }
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let ours = names.filter(|name| name.starts_with("understudy-") && name.ends_with(".yml"));
    let paths = ours.map(|name| top.workflows.join(name));
    let is_left = |path: &PathBuf| {
        let shown = path.display().to_string();
        let is_written = files.iter().any(|file| file.file == shown);
        !is_written && read(&context.current_dir.join(path)).is_ok_and(|text| is_ours(&text, &head))
    };
    let mut left: Vec<String> = paths.filter(is_left).map(|path| path.display().to_string()).collect();
    left.sort();
    Ok(left)
}

fn human(report: &Report, mode: Mode) -> String {
    let mut text: String = report.files.iter().map(|file| file.told(mode)).collect();
    for file in &report.left {
        text.push_str(&match mode.is_check || mode.is_dry {
            true => format!("{file} is not written any more\n"),
            false => format!("{file} removed: it is not written any more\n"),
        });
    }
    if mode.is_dry {
        return text;
    }
    if !report.ok {
        text.push_str("\nto write them: stagectl render workflows\n");
    }
    for (environment, secrets) in &report.secrets {
        let names: Vec<&str> = secrets.iter().map(String::as_str).collect();
        text.push_str(&format!("\nGitHub's environment `{environment}` keeps: {}\n", names.join(", ")));
    }
    text
}
