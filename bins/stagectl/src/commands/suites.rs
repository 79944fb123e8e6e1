//! What suites ask, against the components that there are.

use std::path::Path;

use envconfig::{Code, Problem, Severity, project::Project};
use providers::SuiteFile;

/// Suites of the project file at `path` that ask somebody who is no component. What cannot be read is told elsewhere.
pub(super) fn findings(path: &Path, file: &str, text: &str) -> Vec<Problem> {
    let Ok(project) = Project::parse(file, text) else { return Vec::new() };
    let components: Vec<&str> = project.value.components().keys().map(|name| name.as_str()).collect();
    let mut list = Vec::new();
    for suite in project.value.suites().values() {
        let beside = |path: &Path| path.with_file_name("").join(suite.file.value.as_str());
        let Ok(text) = super::read(&beside(path)) else { continue };
        let shown = beside(Path::new(file)).display().to_string();
        let suite = SuiteFile { file: shown.clone(), text };
        for stranger in suite.strangers(&components) {
            let what = format!("a request goes to `{stranger}`, which is no component");
            let mut problem = Problem::about_file(Severity::Error, Code::SuiteTarget, &shown, what);
            (problem.line, problem.column) = place(&suite.text, &stranger).unwrap_or_default();
            let known = components.join("`, `");
            list.push(
                problem
                    .because(
                        "a suite asks the components of a release, at the addresses of their environment",
                    )
                    .with_hint(format!("there are `{known}`")),
            );
        }
    }
    list
}

/// Line and column of the first `target` of this name, both from 1.
fn place(text: &str, target: &str) -> Option<(u32, u32)> {
    let quoted = format!("\"{target}\"");
    let mut lines = text.lines().enumerate();
    let (n, line) =
        lines.find(|(_, line)| line.trim_start().starts_with("target") && line.contains(&quoted))?;
    let column = line.find(&quoted).map(|at| line[..at].chars().count() + 1)?;
    Some((u32::try_from(n + 1).ok()?, u32::try_from(column).ok()?))
}
