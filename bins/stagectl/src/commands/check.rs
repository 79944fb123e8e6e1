//! `stagectl check`: the files of a project, without asking any provider.

use std::path::Path;

use clikit::{Common, Context, Exit, Failure, Output, Table};
use envconfig::{Code, Problem, Severity};
use serde::Serialize;

use super::{read, read_beside};

/// What `--json` prints: a list of these, empty where nothing was found. The exit code says how it came out.
#[derive(Serialize)]
struct Finding {
    severity: Severity,
    code: Code,
    /// What, why and what to do, on one line.
    message: String,
    file: String,
    /// From 1; 0 when it is about the file as a whole.
    line: u32,
    column: u32,
}

pub(crate) fn exec(
    context: &Context,
    out: &Output,
    common: &Common,
    config: Option<&Path>,
) -> Result<Exit, Failure> {
    let findings = match config {
        Some(config) => find_in(context, config),
        None => find(context, &common.project),
    };
    let exit = verdict(&findings);
    let findings: Vec<Finding> = findings.iter().map(Finding::from).collect();
    out.conclude(exit, &findings, |findings| human(findings))
}

/// The findings of one fly.toml.
fn find_in(context: &Context, config: &Path) -> Vec<Problem> {
    let file = config.display().to_string();
    let path = context.current_dir.join(config);
    match read(&path) {
        Ok(text) => envconfig::check_fly_beside(&file, &text, &|named| read_beside(&path, named)),
        Err(why) => {
            let what = format!("`{file}` cannot be read");
            vec![Problem::about_file(Severity::Error, Code::Unreadable, &file, what).because(why)]
        }
    }
}

fn find(context: &Context, project: &Path) -> Vec<Problem> {
    let file = project.display().to_string();
    let path = context.current_dir.join(project);
    let text = match read(&path) {
        Ok(text) => text,
        Err(why) => {
            let what = format!("the project file `{file}` cannot be read");
            let problem = Problem::about_file(Severity::Error, Code::Unreadable, &file, what);
            let hint = "run in the project's directory, or name the file with `--project FILE`";
            return vec![problem.because(why).with_hint(hint)];
        }
    };
    let beside = |project: &Path, relative: &str| project.with_file_name("").join(relative);
    envconfig::check(
        &file,
        &text,
        |relative| (beside(project, relative).display().to_string(), read(&beside(&path, relative))),
        |config, named| read_beside(&beside(&path, config), named),
    )
}

/// Input that cannot be read goes before findings, and notes are none.
fn verdict(findings: &[Problem]) -> Exit {
    if findings.iter().any(|problem| matches!(problem.code, Code::Unreadable | Code::Syntax)) {
        Exit::Usage
    } else if findings.iter().any(|problem| problem.severity > Severity::Note) {
        Exit::Findings
    } else {
        Exit::Done
    }
}

impl From<&Problem> for Finding {
    fn from(problem: &Problem) -> Self {
        Self {
            severity: problem.severity,
            code: problem.code,
            message: problem.message(),
            file: problem.file.clone(),
            line: problem.line,
            column: problem.column,
        }
    }
}

fn human(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "nothing found\n".to_owned();
    }
    let mut table = Table::new(["severity", "code", "place", "message"]);
    for finding in findings {
        let place = match finding.line {
            0 => finding.file.clone(),
            line => format!("{}:{line}:{}", finding.file, finding.column),
        };
        table.row([&finding.severity.to_string(), &finding.code.to_string(), &place, &finding.message]);
    }
    format!("{table}\ndocs/errors/<CODE>.md explains each code\n")
}
