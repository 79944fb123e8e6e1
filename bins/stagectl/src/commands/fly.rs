//! `stagectl render fly`: an environment's fly.toml, written over production's.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clikit::{Common, Context, Exit, Failure, Output};
use envconfig::project::{Component, Project};
use serde::Serialize;

use super::{diff::diff, read};
use crate::args::Fly;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    /// Whether the exit code is 0.
    ok: bool,
    files: Vec<Rendered>,
}

#[derive(Serialize)]
struct Rendered {
    component: String,
    /// As seen from the current directory.
    file: String,
    /// Whether the file on disk was another one, or absent.
    differs: bool,
    text: String,
    #[serde(skip)]
    before: Option<String>,
}

pub(crate) fn exec(context: &Context, out: &Output, common: &Common, args: &Fly) -> Result<Exit, Failure> {
    let files = render(context, common, args)?;
    let differs = files.iter().any(|file| file.differs);
    if !args.check && !args.dry_run {
        for file in files.iter().filter(|file| file.differs) {
            fs::write(context.current_dir.join(&file.file), &file.text).map_err(|error| {
                Failure::unavailable(format!("`{}` cannot be written", file.file)).with_source(error)
            })?;
        }
    }
    let exit = if args.check && differs { Exit::Findings } else { Exit::Done };
    out.emit(&Report { ok: exit == Exit::Done, files }, |report| human(&report.files, args))?;
    Ok(exit)
}

fn render(context: &Context, common: &Common, args: &Fly) -> Result<Vec<Rendered>, Failure> {
    let project_file = common.project.display().to_string();
    let text = read(&context.current_dir.join(&common.project)).map_err(|why| {
        let failure =
            Failure::usage(format!("the project file `{project_file}` cannot be read")).with_why(why);
        failure.with_hint("run in the project's directory, or name the file with `--project FILE`")
    })?;
    let project = Project::parse(&project_file, &text).map_err(|problems| {
        let failure = Failure::usage(format!("`{project_file}` cannot be used")).with_source(problems);
        failure.with_hint("stagectl check")
    })?;
    let project = project.value;
    let Some(environment) = project.environment(args.env.as_str()) else {
        let known: Vec<String> = project.environments().keys().map(|name| format!("`{name}`")).collect();
        let failure = Failure::usage(format!("`{project_file}` has no environment `{}`", args.env));
        return Err(failure.with_hint(format!("known there: {}", known.join(", "))));
    };
    let mut sources: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, component) in project.components() {
        if let Component::Fly { config, .. } = component {
            sources.entry(config.value.as_str()).or_default().push(name.as_str());
        }
    }
    let mut files = Vec::new();
    for (name, binding) in environment.fly_apps() {
        let Some(Component::Fly { config, .. }) = project.component(name.as_str()) else { continue };
        if args.component.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let source = common.project.with_file_name("").join(config.value.as_str());
        let shown = source.display().to_string();
        let production = read(&context.current_dir.join(&source)).map_err(|why| {
            let failure = Failure::usage(format!("`{shown}` cannot be read")).with_why(why);
            failure.with_hint("the path is relative to the project file")
        })?;
        let text = binding.overlay.write_over(&shown, &production, &binding.app.value).map_err(|error| {
            Failure::usage(format!("`{shown}` cannot be written over")).with_source(error)
        })?;
        // Two components of one file would write to one place.
        let is_shared = sources.get(config.value.as_str()).is_some_and(|names| names.len() > 1);
        let target = target(&source, args.env.as_str(), is_shared.then_some(name.as_str()));
        let command = format!("stagectl render fly --env {}", args.env);
        let text = format!(
            "# Written by `{command}` from {} and the project file; changes here are lost.\n{text}",
            config.value
        );
        let before = read(&context.current_dir.join(&target)).ok();
        files.push(Rendered {
            component: name.to_string(),
            file: target.display().to_string(),
            differs: before.as_deref() != Some(text.as_str()),
            text,
            before,
        });
    }
    if files.is_empty() {
        let failure = Failure::usage(format!("nothing of `{}` is a Fly app to render", args.env));
        return Err(failure.with_hint("its apps are bound in the project file: `api.app = \"NAME\"`"));
    }
    Ok(files)
}

/// `fly.toml` → `fly.staging.toml`.
fn target(source: &Path, environment: &str, component: Option<&str>) -> PathBuf {
    let stem = source.file_stem().unwrap_or_default().to_string_lossy();
    let component = component.map(|name| format!(".{name}")).unwrap_or_default();
    source.with_file_name(format!("{stem}{component}.{environment}.toml"))
}

fn human(files: &[Rendered], args: &Fly) -> String {
    let mut shown = String::new();
    for file in files {
        if args.dry_run {
            shown.push_str(&file.text);
            continue;
        }
        let line = match (file.differs, args.check) {
            (false, _) => format!("{} is up to date\n", file.file),
            (true, false) => format!("{} written\n", file.file),
            (true, true) => {
                let before = file.before.as_deref().unwrap_or_default();
                diff(&file.file, before, &file.text, "as it should be")
            }
        };
        shown.push_str(&line);
    }
    if args.check && files.iter().any(|file| file.differs) {
        shown.push_str(&format!("\nto write it: stagectl render fly --env {}\n", args.env));
    }
    shown
}
