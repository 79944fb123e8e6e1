//! `stagectl init`: the first project file of a repository.

mod ask;
mod people;
mod report;
mod repository;
mod write;

use std::path::Path;

use clikit::{Common, Context, Exit, Failure, Output};
use envconfig::{
    AppName, ComponentName, Problem,
    pipeline::{self, WorkflowFile},
    project::Project,
    scaffold::{Answers, Draft, DraftKind, Survey},
};
use providers::SuiteFile;
use wiring::given;

use super::top::Top;
use super::{read, read_beside};
use crate::args::Init;
use report::Report;

pub(crate) fn exec(context: &Context, out: &Output, common: &Common, args: &Init) -> Result<Exit, Failure> {
    let top = common.project.with_file_name("");
    let mut survey = survey(context, &top, args)?;
    let project = existing(context, &common.project)?;
    if let Some(project) = &project {
        survey = survey.named_as_in(project);
    }
    let mut answers = given(context, &survey, args)?;
    answers = answers.or(project.as_ref().map(Answers::of).unwrap_or_default());
    let own = people::own(context)?;
    answers = people::with_own(answers, own.as_ref());
    if context.is_interactive() && !out.is_json() {
        let (input, errors) = (std::io::stdin().lock(), std::io::stderr());
        answers =
            ask::Terminal { context, answers: input, questions: errors }.what_is_missing(&survey, answers)?;
    }
    let drafts = survey.drafts(&answers);
    let mut drafts = drafts.map_err(|missing| given::in_hint(common, ask::refused(&missing)))?;
    if let (Some(first), Some(name)) = (drafts.first_mut(), common.project.file_name()) {
        first.path = name.to_string_lossy().into_owned();
    }
    are_usable(&drafts)?;
    if let Some(project) = &project {
        // What an own project file does not name nobody would read.
        drafts.retain(|draft| draft.kind != DraftKind::Suite || names(project, draft));
    }
    drafts.extend(workflows(context, common, project.as_ref(), &drafts)?);
    drafts.iter().try_for_each(|draft| is_usable_there(context, &top, draft))?;
    let files = write::all(context, &top, &drafts, args.dry_run)?;
    let key = own.and_then(|own| own.key);
    let report = Report::new(context, common, &survey, (&answers, key.as_deref()), files);
    out.emit(&report, |report| report::human(report, args.dry_run))?;
    Ok(Exit::Done)
}

/// What is found below `top`.
fn survey(context: &Context, top: &Path, args: &Init) -> Result<Survey, Failure> {
    let (found, passed_over) = repository::below(&context.current_dir.join(top), &args.configs)?;
    let beside = |file: &str, named: &str| read_beside(&context.current_dir.join(top).join(file), named);
    let mut survey = Survey::of(&found, &beside).map_err(|problems| {
        unusable(&problems).with_hint("mend it, or name production's files with --config FILE")
    })?;
    survey.notes.extend(passed_over);
    if survey.apps.is_empty() {
        let failure = Failure::usage("there is no fly.toml of production here");
        return Err(match survey.notes.as_slice() {
            [] => failure
                .with_why("neither in this directory nor below it")
                .with_hint("run in the directory of your app, or begin with `fly launch --no-deploy`"),
            notes => failure.with_why(notes.join("; ")).with_hint("stagectl init --config FILE"),
        });
    }
    Ok(survey)
}

fn unusable(problems: &[Problem]) -> Failure {
    let told: Vec<String> = problems.iter().map(Problem::to_string).collect();
    Failure::usage(told.join("\n").trim_end().to_owned())
}

/// The project file that is there already.
fn existing(context: &Context, file: &Path) -> Result<Option<Project>, Failure> {
    let shown = file.display().to_string();
    let path = context.current_dir.join(file);
    if !path.exists() {
        return Ok(None);
    }
    let text = read(&path)
        .map_err(|why| Failure::usage(format!("the project file `{shown}` cannot be read")).with_why(why))?;
    let parsed = Project::parse(&shown, &text);
    let parsed = parsed.map_err(|problems| unusable(&problems.list).with_hint("stagectl check"))?;
    Ok(Some(parsed.value))
}

fn names(project: &Project, draft: &Draft) -> bool {
    project.suites().values().any(|suite| suite.file.value.as_str().trim_start_matches("./") == draft.path)
}

/// Nothing is written that the next command would refuse.
fn are_usable(drafts: &[Draft]) -> Result<(), Failure> {
    const HINT: &str = "name components and apps with --config, --app and --staging-app";
    for draft in drafts {
        let problems = match draft.kind {
            DraftKind::Project => {
                Project::parse(&draft.path, &draft.text).err().map(|problems| problems.to_string())
            }
            DraftKind::Suite => SuiteFile { file: draft.path.clone(), text: draft.text.clone() }.problems(),
            DraftKind::Signers | DraftKind::Workflow => None,
        };
        if let Some(problems) = problems {
            let what = format!("what is found here gives no `{}` that can be used", draft.path);
            return Err(Failure::usage(what).with_why(problems.trim_end().to_owned()).with_hint(HINT));
        }
    }
    Ok(())
}

/// What is rendered from the project file that there is, else from the one that is written.
fn workflows(
    context: &Context,
    common: &Common,
    project: Option<&Project>,
    drafts: &[Draft],
) -> Result<Vec<Draft>, Failure> {
    let draft = drafts.iter().find(|draft| draft.kind == DraftKind::Project);
    let parsed = draft.and_then(|draft| Project::parse(&draft.path, &draft.text).ok()).map(|it| it.value);
    let Some(project) = project.or(parsed.as_ref()).filter(|project| project.ci().is_some()) else {
        return Ok(Vec::new());
    };
    let top = Top::of(context, &common.project);
    let rendered = pipeline::render(project, &top.place).map_err(super::pipeline::hindered)?;
    let draft = |file: WorkflowFile| {
        Draft::workflow(top.from_project.join(&file.name).display().to_string(), file.text)
    };
    Ok(rendered.files.into_iter().map(draft).collect())
}

/// A suite that is there already and stays is one.
fn is_usable_there(context: &Context, top: &Path, draft: &Draft) -> Result<(), Failure> {
    let shown = top.join(&draft.path);
    let Ok(text) = read(&context.current_dir.join(&shown)) else { return Ok(()) };
    let file = shown.display().to_string();
    match (SuiteFile { file: file.clone(), text }.problems()).filter(|_| draft.kind == DraftKind::Suite) {
        Some(problems) => Err(Failure::usage(format!("`{file}` is there, and is no suite"))
            .with_why(problems)
            .with_hint(format!("mend it (itest list {file}), or move it away"))),
        None => Ok(()),
    }
}

fn given(context: &Context, survey: &Survey, args: &Init) -> Result<Answers, Failure> {
    let mut answers = Answers { action: args.action.clone(), ..Answers::default() };
    for text in &args.apps {
        let (component, app) = bound(survey, "--app", text)?;
        answers.production.insert(component, app);
    }
    for text in &args.staging_apps {
        let (component, app) = bound(survey, "--staging-app", text)?;
        answers.staging.insert(component, app);
    }
    for who in &args.leads {
        people::add(&mut answers, people::named(context, who)?);
    }
    Ok(answers)
}

/// `COMPONENT=APP`, or `APP` where there is one component.
fn bound(survey: &Survey, option: &str, text: &str) -> Result<(ComponentName, AppName), Failure> {
    let known = || survey.apps.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let (component, app) = match text.split_once('=') {
        Some((component, app)) => {
            let named = survey.apps.keys().find(|name| name.as_str() == component);
            let failure =
                || Failure::usage(format!("{option} names `{component}`, which was not found here"));
            (named.ok_or_else(|| failure().with_hint(format!("found: {}", known())))?, app)
        }
        None if survey.apps.len() > 1 => {
            let failure = Failure::usage(format!("{option} {text} does not say of which component"));
            return Err(failure.with_hint(format!("{option} COMPONENT={text}, with one of {}", known())));
        }
        None => (survey.apps.keys().next().ok_or_else(|| Failure::bug("nothing was found"))?, text),
    };
    let app = app.parse::<AppName>().map_err(|error| {
        Failure::usage(format!("{option} {text} names no app")).with_why(error.to_string())
    })?;
    Ok((component.clone(), app))
}
