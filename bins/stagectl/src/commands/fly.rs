//! `stagectl render fly`: an environment's fly.toml, written over production's.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clikit::{Common, Context, Exit, Failure, Output};
use envconfig::project::Component;
use serde::Serialize;

use super::rendered::{Mode, Rendered};
use super::{project, read};
use crate::args::Fly;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    /// Whether the exit code is 0.
    ok: bool,
    files: Vec<OfComponent>,
}

#[derive(Serialize)]
struct OfComponent {
    component: String,
    #[serde(flatten)]
    rendered: Rendered,
}

pub(crate) fn exec(context: &Context, out: &Output, common: &Common, args: &Fly) -> Result<Exit, Failure> {
    let files = render(context, common, args)?;
    let differs = files.iter().any(|file| file.rendered.differs);
    if !args.check && !args.dry_run {
        files.iter().try_for_each(|file| file.rendered.write(context))?;
    }
    let exit = if args.check && differs { Exit::Findings } else { Exit::Done };
    out.emit(&Report { ok: exit == Exit::Done, files }, |report| human(&report.files, args))?;
    Ok(exit)
}

fn render(context: &Context, common: &Common, args: &Fly) -> Result<Vec<OfComponent>, Failure> {
    let project_file = common.project.display().to_string();
    let project = project(context, common)?;
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
        files.push(OfComponent {
            component: name.to_string(),
            rendered: Rendered::new(context, &target, text)?,
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

fn human(files: &[OfComponent], args: &Fly) -> String {
    let mode = Mode { is_check: args.check, is_dry: args.dry_run };
    let mut shown: String = files.iter().map(|file| file.rendered.told(mode)).collect();
    if args.check && files.iter().any(|file| file.rendered.differs) {
        shown.push_str(&format!("\nto write it: stagectl render fly --env {}\n", args.env));
    }
    shown
}
