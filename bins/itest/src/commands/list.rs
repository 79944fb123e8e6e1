//! `itest list`

use std::fmt::Write as _;

use clikit::{Context, Exit, Failure, Output, Progress, plain_text};
use itest::{CaseInfo, Problem, Problems, Suite};
use serde::Serialize;

use crate::{args::ListArgs, files};

/// The whole listing; as JSON one object.
#[derive(Serialize)]
struct Listing {
    schema: u32,
    suites: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    file: String,
    /// `null` if the file cannot be read.
    name: Option<String>,
    targets: Vec<String>,
    inputs: Vec<String>,
    cases: Vec<CaseInfo>,
    problems: Vec<Problem>,
}

pub(crate) fn exec(context: &Context, out: &Output, args: &ListArgs) -> Result<Exit, Failure> {
    let suites = files::suites(&context.current_dir, &args.paths);
    files::miss(&suites, &args.paths, &Progress::stderr(context));
    let listing = Listing { schema: 1, suites: suites.iter().map(listed).collect() };
    out.emit(&listing, text)?;
    let is_readable = suites.iter().all(Result::is_ok);
    Ok(if is_readable { Exit::Done } else { Exit::Usage })
}

fn listed(suite: &Result<Suite, Problems>) -> Listed {
    match suite {
        Ok(suite) => Listed {
            file: suite.file().to_owned(),
            name: Some(suite.name().to_owned()),
            targets: suite.targets().into_iter().map(str::to_owned).collect(),
            inputs: suite.inputs().map(str::to_owned).collect(),
            cases: suite.cases().collect(),
            problems: Vec::new(),
        },
        Err(problems) => Listed {
            file: problems.file.clone(),
            name: None,
            targets: Vec::new(),
            inputs: Vec::new(),
            cases: Vec::new(),
            problems: problems.problems.clone(),
        },
    }
}

fn text(listing: &Listing) -> String {
    let mut text = String::new();
    for suite in &listing.suites {
        for case in &suite.cases {
            let tags =
                if case.tags.is_empty() { String::new() } else { format!("  [{}]", case.tags.join(", ")) };
            let name = suite.name.as_deref().unwrap_or_default();
            let _ = writeln!(text, "{name}::{}  ({}:{}){tags}", case.name, suite.file, case.line);
        }
        if !suite.problems.is_empty() {
            let problems = Problems { file: suite.file.clone(), problems: suite.problems.clone() };
            let _ = writeln!(text, "{problems}");
        }
    }
    plain_text(&text)
}
