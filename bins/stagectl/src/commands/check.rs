//! `stagectl check`: the files of a project, without asking any provider.

use std::path::Path;

use clikit::{Common, Context, Exit, Failure, Output, Table};
#[cfg(feature = "probe")]
use envconfig::fly_toml::FlyToml;
use envconfig::{Code, Problem, SecretRef, Severity};
use serde::Serialize;

use super::{read, read_beside, suites, workflows};
use crate::args::Check;

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

pub(crate) fn exec(context: &Context, out: &Output, common: &Common, args: &Check) -> Result<Exit, Failure> {
    let mut findings = match (&args.config, &args.workflows) {
        (Some(config), _) => find_in(context, config),
        (None, Some(dir)) => workflows::of_directory(context, &common.project, dir),
        (None, None) => {
            let mut findings = find(context, &common.project);
            findings.extend(workflows::beside(context, &common.project));
            findings
        }
    };
    findings.extend(tried(context, args)?);
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
    // As far as the files and variables of here say what is behind a reference; nothing of it is kept or shown.
    let value = |reference: &SecretRef| match reference {
        SecretRef::Variable(name) => context.var(name.as_str()).map(str::to_owned),
        SecretRef::File(named) => read(&beside(&path, named.as_str())).ok(),
    };
    let mut findings = envconfig::check(
        &file,
        &text,
        |relative| (beside(project, relative).display().to_string(), read(&beside(&path, relative))),
        |config, named| read_beside(&beside(&path, config), named),
        value,
    );
    findings.extend(suites::findings(&path, &file, &text));
    findings
}

/// What an image that was named says to the checks. A file that cannot be used was told of already.
#[cfg(feature = "probe")]
fn tried(context: &Context, args: &Check) -> Result<Vec<Problem>, Failure> {
    use crate::probe::{Image, probe};
    let image = match (&args.image, &args.image_dir) {
        (Some(reference), _) => Image::Reference(reference.clone()),
        (None, Some(dir)) => Image::Layout(context.current_dir.join(dir)),
        (None, None) => return Ok(Vec::new()),
    };
    let Some(config) = &args.config else { return Ok(Vec::new()) };
    let (file, path) = (config.display().to_string(), context.current_dir.join(config));
    let Ok(text) = read(&path) else { return Ok(Vec::new()) };
    match FlyToml::parse_beside(&file, &text, &|named| read_beside(&path, named)) {
        Ok(fly) => probe(context, &file, &fly.value, &image),
        Err(_) => Ok(Vec::new()),
    }
}

#[cfg(not(feature = "probe"))]
fn tried(_: &Context, _: &Check) -> Result<Vec<Problem>, Failure> {
    Ok(Vec::new())
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
