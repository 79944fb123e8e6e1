//! What was found, what was written, and what comes next.

use std::path::Path;

use clikit::{Common, Context, Table};
use envconfig::Person;
use envconfig::scaffold::{Answers, Survey};
use serde::Serialize;

use super::write::{State, Told};

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    ok: bool,
    components: Vec<Component>,
    /// Who may approve.
    leads: Vec<String>,
    files: Vec<Told>,
    /// What was found and left out, and what may surprise; for people.
    notes: Vec<String>,
    /// Commands, in their order.
    next: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Component {
    name: String,
    config: String,
    production: Option<String>,
    staging: Option<String>,
    /// Whether nobody said what staging's app is called.
    is_assumed: bool,
}

impl Report {
    pub(super) fn new(
        context: &Context,
        common: &Common,
        survey: &Survey,
        (answers, key): (&Answers, Option<&Path>),
        files: Vec<Told>,
    ) -> Self {
        let assumed = survey.assumed(answers);
        let components = survey.apps.iter().map(|(name, app)| {
            let guess = assumed.iter().find(|it| it.component == *name).map(|it| it.staging.clone());
            let own = || app.staging.as_ref().and_then(|it| it.app.as_ref());
            let staging = guess.as_ref().or_else(|| answers.staging.get(name).or_else(own));
            Component {
                name: name.to_string(),
                config: app.config.to_string(),
                production: answers.production.get(name).or(app.app.as_ref()).map(ToString::to_string),
                staging: staging.map(ToString::to_string),
                is_assumed: guess.is_some(),
            }
        });
        let mut notes = survey.notes.clone();
        if answers.action.is_some() {
            notes.push("what each environment of GitHub has to keep is listed by `stagectl render workflows --check`".to_owned());
        }
        let of_github = |lead: &&Person| matches!(lead, Person::GitHub(_));
        if answers.leads.iter().all(|lead| of_github(&lead)) {
            notes.push(
                "people of GitHub cannot approve by this version: add somebody's SSH key to `[people]`"
                    .to_owned(),
            );
        } else if answers.leads.len() == 1 {
            notes.push(format!(
                "only {} may approve, and nobody approves what they asked for: add a second person to `[people]`",
                answers.leads[0]
            ));
        }
        Self {
            ok: true,
            components: components.collect(),
            leads: answers.leads.iter().map(ToString::to_string).collect(),
            files,
            notes,
            next: next(context, common, key),
        }
    }
}

fn next(context: &Context, common: &Common, key: Option<&Path>) -> Vec<String> {
    let commands = [
        "stagectl check",
        "stagectl doctor",
        "promote adopt --env production --version VERSION --commit COMMIT",
        "promote deploy --env staging --image IMAGE",
        "promote plan --to production",
    ];
    let key = key.map_or_else(|| "FILE".to_owned(), |key| wiring::given::quoted(&key.display().to_string()));
    let variables =
        [("FLY_TOKEN_PRODUCTION", "…"), ("FLY_TOKEN_STAGING", "…"), ("UNDERSTUDY_KEY", key.as_str())];
    let unset = variables.into_iter().filter(|(name, _)| context.var(name).is_none());
    let exports = unset.map(|(name, value)| format!("export {name}={value}"));
    exports.chain(commands.map(|command| wiring::given::along(common, command.to_owned()))).collect()
}

pub(super) fn human(report: &Report, is_dry: bool) -> String {
    let mut table = Table::new(["component", "fly.toml", "production", "staging"]);
    for it in &report.components {
        let staging = it.staging.as_deref().unwrap_or("-");
        let staging =
            if it.is_assumed { format!("{staging} (a guess: --staging-app)") } else { staging.to_owned() };
        table.row([&it.name, &it.config, it.production.as_deref().unwrap_or("-"), &staging]);
    }
    let mut text = format!("{table}\n");
    for file in &report.files {
        let state = match file.state {
            State::Written => "written",
            State::Missing => "would be written",
            State::Unchanged => "there already",
            State::Differs => "there already, and left as it is",
        };
        text.push_str(&format!("{}: {state}\n", file.file));
        if is_dry && file.state == State::Missing {
            text.extend(file.text.lines().map(|line| format!("    {line}\n")));
        }
        text.push_str(&file.diff);
    }
    for note in &report.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    text.push_str("\nnext:\n");
    text.extend(report.next.iter().map(|command| format!("  {command}\n")));
    text
}
