//! A team's workflows, read from where GitHub looks for them.

use std::path::Path;

use clikit::Context;
use envconfig::{Code, Places, Problem, Severity, check_workflows, project::Project};

/// Where GitHub looks, from the top of the repository.
const FOLDER: &str = ".github/workflows";

/// Findings of the workflows beside the project file, if there are any.
pub(super) fn beside(context: &Context, project: &Path) -> Vec<Problem> {
    let dir = project.with_file_name("").join(FOLDER);
    if !context.current_dir.join(&dir).is_dir() {
        return Vec::new();
    }
    of_directory(context, project, &dir)
}

/// Findings of the workflows in `dir`. What the project file says of apps and branches counts, where it can be read.
pub(super) fn of_directory(context: &Context, project: &Path, dir: &Path) -> Vec<Problem> {
    let file = project.display().to_string();
    let text = super::read(&context.current_dir.join(project)).ok();
    let parsed = text.and_then(|text| Project::parse(&file, &text).ok());
    let places = parsed.map(|parsed| Places::of(&parsed.value)).unwrap_or_default();
    let unreadable = |name: &Path, why: String| {
        let file = name.display().to_string();
        let what = format!("`{file}` cannot be read");
        Problem::about_file(Severity::Error, Code::Unreadable, &file, what).because(why)
    };
    let mut names = match std::fs::read_dir(context.current_dir.join(dir)) {
        Ok(entries) => {
            entries.filter_map(|entry| Some(dir.join(entry.ok()?.file_name()))).collect::<Vec<_>>()
        }
        Err(error) => return vec![unreadable(dir, error.to_string())],
    };
    names.retain(|name| name.extension().is_some_and(|extension| extension == "yml" || extension == "yaml"));
    names.sort();
    let mut findings = Vec::new();
    let mut files = Vec::new();
    for name in names {
        match super::read(&context.current_dir.join(&name)) {
            Ok(text) => files.push((name.display().to_string(), text)),
            Err(why) => findings.push(unreadable(&name, why)),
        }
    }
    findings.extend(check_workflows(&files, &places));
    findings
}
