//! A team's workflows, read from where GitHub looks for them.

use std::path::Path;

use clikit::Context;
use envconfig::{Code, Places, Problem, Severity, check_workflows, project::Project};

use super::top::Top;

/// Findings of the workflows of the project file's repository, if there are any. What is wrong with that file is told elsewhere.
pub(super) fn beside(context: &Context, project: &Path) -> Vec<Problem> {
    let dir = Top::of(context, project).workflows;
    if !context.current_dir.join(&dir).is_dir() {
        return Vec::new();
    }
    let places = places(context, project).unwrap_or_default();
    findings(context, &dir, &places)
}

/// Findings of the workflows in `dir` alone. Where there is a project file, it says whose apps and branches are whose, and
/// one that cannot be read says what is wrong with it.
pub(super) fn of_directory(context: &Context, project: &Path, dir: &Path) -> Vec<Problem> {
    match places(context, project) {
        Ok(places) => findings(context, dir, &places),
        Err(problems) => problems,
    }
}

fn places(context: &Context, project: &Path) -> Result<Places, Vec<Problem>> {
    let path = context.current_dir.join(project);
    if !path.exists() {
        return Ok(Places::default());
    }
    let file = project.display().to_string();
    let text = super::read(&path).map_err(|why| vec![unreadable(project, &why)])?;
    let parsed = Project::parse(&file, &text).map_err(|problems| problems.list)?;
    Ok(Places::of(&parsed.value))
}

fn unreadable(name: &Path, why: &str) -> Problem {
    let file = name.display().to_string();
    let what = format!("`{file}` cannot be read");
    Problem::about_file(Severity::Error, Code::Unreadable, &file, what).because(why)
}

fn findings(context: &Context, dir: &Path, places: &Places) -> Vec<Problem> {
    let mut names = match std::fs::read_dir(context.current_dir.join(dir)) {
        Ok(entries) => {
            entries.filter_map(|entry| Some(dir.join(entry.ok()?.file_name()))).collect::<Vec<_>>()
        }
        Err(error) => return vec![unreadable(dir, &error.to_string())],
    };
    names.retain(|name| name.extension().is_some_and(|extension| extension == "yml" || extension == "yaml"));
    names.sort();
    let mut findings = Vec::new();
    let mut files = Vec::new();
    for name in names {
        match super::read(&context.current_dir.join(&name)) {
            Ok(text) => files.push((name.display().to_string(), text)),
            Err(why) => findings.push(unreadable(&name, &why)),
        }
    }
    findings.extend(check_workflows(&files, places));
    findings
}
