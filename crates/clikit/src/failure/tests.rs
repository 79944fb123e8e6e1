use super::{Failure, FailureExt};
use crate::Exit;
use std::error::Error;
use std::fmt;

/// An error with a text of its own and a source.
#[derive(Debug)]
struct Link(&'static str, Option<Box<Self>>);

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Link {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|e| e as _)
    }
}

fn chain(texts: &[&'static str]) -> Link {
    let (first, rest) = texts.split_first().unwrap();
    Link(first, (!rest.is_empty()).then(|| Box::new(chain(rest))))
}

#[test]
fn says_what_why_and_the_command_that_helps() {
    let failure = Failure::refused("production has no plan with that hash")
        .with_why("the target changed after the approval")
        .with_hint("promote plan --to production");
    assert_eq!(
        failure.render(),
        "error: production has no plan with that hash\n  why: the target changed after the approval\n  \
         help: promote plan --to production\n"
    );
    assert_eq!(failure.exit, Exit::Refused);
}

#[test]
fn walks_the_chain_to_its_end() {
    let failure =
        Failure::unavailable("cannot list machines").with_source(chain(&["cannot connect", "refused"]));
    assert_eq!(failure.reasons(), ["cannot connect", "refused"]);
}

#[test]
fn a_chain_does_not_stutter() {
    let careless = chain(&["cannot list: cannot connect: refused", "cannot connect: refused", "refused"]);
    let failure = Failure::unavailable("cannot list machines").with_source(careless);
    assert_eq!(failure.reasons(), ["cannot list", "cannot connect", "refused"]);

    let same = Failure::usage("no such file").with_source(chain(&["no such file"]));
    assert_eq!(same.reasons(), Vec::<String>::new());
}

#[test]
fn display_never_prints_the_source() {
    let failure = Failure::usage("cannot read x").with_source(chain(&["denied"]));
    assert_eq!(failure.to_string(), "cannot read x");
    assert_eq!(failure.source().unwrap().to_string(), "denied");
}

#[test]
fn further_lines_stand_below_the_first() {
    let failure = Failure::usage("two problems:\n1:2 unknown key `a`\n\n3:4 unknown key `b`");
    assert_eq!(
        failure.render(),
        "error: two problems:\n       1:2 unknown key `a`\n\n       3:4 unknown key `b`\n"
    );
}

#[test]
fn what_a_provider_says_cannot_drive_the_terminal() {
    let failure =
        Failure::unavailable("answer: \u{1b}[2Jgone\u{7}").with_source(chain(&["\u{1b}]0;x\u{7}y"]));
    assert!(!failure.render().contains(['\u{1b}', '\u{7}']), "{:?}", failure.render());
}

#[test]
fn json_names_code_and_reasons() {
    let failure = Failure::refused("no").with_source(chain(&["because"])).with_hint("promote show 1");
    assert_eq!(
        failure.to_json(),
        serde_json::json!({"ok": false, "error": {"exit": 3, "name": "refused", "what": "no",
            "why": ["because"], "hint": "promote show 1"}})
    );
}

#[test]
fn a_failure_inside_anyhow_keeps_its_code() {
    let back = Failure::from(anyhow::Error::new(Failure::refused("no").with_hint("h")));
    assert_eq!((back.exit, back.hint.as_deref()), (Exit::Refused, Some("h")));
    let ours = Failure::from(anyhow::anyhow!("inner").context("outer"));
    assert_eq!((ours.exit, ours.what.as_str()), (Exit::Bug, "outer"));
    assert_eq!(ours.reasons(), ["inner"]);
}

#[test]
fn any_result_gets_a_code() {
    let failure = "x".parse::<u8>().or_exit(Exit::Usage, || "bad count").unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert_eq!(failure.reasons(), ["invalid digit found in string"]);
}
