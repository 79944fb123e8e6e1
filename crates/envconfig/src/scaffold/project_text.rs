//! The text of a first project file.

use std::fmt::Write as _;

use super::{SUITE, Survey, answers::Settled, elsewhere, quoted};
use crate::Person;

/// How long a machine without a check has to run before it is believed.
const STARTED_FOR: &str = "30s";

pub(super) fn of(survey: &Survey, settled: &Settled<'_>) -> String {
    let mut text = String::from("# The first draft is by `stagectl init`; from here on it is yours.\n");
    if let Some(action) = settled.action {
        line(&mut text, "[store]");
        line(&mut text, "url = \"env:UNDERSTUDY_STORE\" # a bucket or PostgreSQL, for every machine of CI");
        line(&mut text, "key = \"env:UNDERSTUDY_RUNNER_KEY\"");
        line(&mut text, &format!("[ci]\naction = {}\n", quoted(action.as_str())));
    }
    for (name, app) in &survey.apps {
        line(&mut text, &format!("[components.{name}]"));
        line(&mut text, &format!("config = {}", quoted(app.config.as_str())));
        if !app.unchecked.is_empty() {
            let groups: Vec<&str> = app.unchecked.iter().map(|group| group.as_str()).collect();
            let why = format!("no check proves that `{}` works", groups.join("`, `"));
            line(&mut text, &format!("healthy = {{ started-for = \"{STARTED_FOR}\" }} # {why}"));
        }
    }
    line(&mut text, "\n[environments.production]");
    for (name, (production, _)) in &settled.apps {
        line(&mut text, &format!("{name}.app = {}", quoted(production.as_str())));
    }
    line(&mut text, "\n[environments.staging]");
    for (name, (production, staging)) in &settled.apps {
        line(&mut text, &format!("{name}.app = {}", quoted(staging.as_str())));
        let overlay = survey.apps.get(*name).map(|app| elsewhere::overlay(app, production, staging));
        if let Some(overlay) = overlay.filter(|overlay| !overlay.is_empty()) {
            line(&mut text, &format!("{name}.overlay = {}", overlay.to_inline()));
        }
    }
    if survey.is_asked() {
        line(&mut text, "\n[suites.smoke]");
        line(&mut text, &format!("file = {}", quoted(SUITE)));
    }
    line(&mut text, "\n[people]");
    let leads: Vec<String> = settled.leads.iter().map(Person::to_string).map(|lead| quoted(&lead)).collect();
    line(&mut text, &format!("leads = [{}]", leads.join(", ")));
    text
}

fn line(text: &mut String, line: &str) {
    let _never_fails = writeln!(text, "{line}");
}
