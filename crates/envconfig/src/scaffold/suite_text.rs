//! The text of a first suite: what the app's own checks ask, asked from outside.

use std::fmt::Write as _;

use super::{Survey, quoted};

const HEAD: &str = "\
# Asked of every release before it may go further, and again in production afterwards.
# The first draft is by `stagectl init`; from here on it is yours.
name = \"smoke\"
tags = [\"smoke\"]
";

const WAIVED: &str = "\
identity = \"none\"
reason = \"it does not say yet who it is; once it answers /.well-known/environment, delete this section\"
";

pub(super) fn of(survey: &Survey) -> String {
    let mut text = HEAD.to_owned();
    let asked = || survey.apps.iter().filter(|(_, app)| app.serves);
    for (name, _) in asked() {
        let _never_fails = write!(text, "\n[targets.{name}]\n{WAIVED}");
    }
    for (name, app) in asked() {
        for path in &app.paths {
            case(&mut text, &format!("{name} answers its check {path}"), name.as_str(), path, None);
        }
        if app.paths.is_empty() {
            // Nobody said what it answers there; that it answers by itself is what can be asked.
            let status = "[\"2xx\", \"3xx\", \"4xx\"]";
            case(&mut text, &format!("{name} answers"), name.as_str(), "/", Some(status));
        }
    }
    text
}

fn case(text: &mut String, title: &str, target: &str, path: &str, status: Option<&str>) {
    let (title, request) = (quoted(title), quoted(&format!("GET {path}")));
    let target = quoted(target);
    let _never_fails =
        write!(text, "\n[[case]]\nname = {title}\n\n[[case.step]]\ntarget = {target}\nrequest = {request}\n");
    if let Some(status) = status {
        let _never_fails = writeln!(text, "expect.status = {status}");
    }
}
