//! What was given on the command line goes along in the commands that people are told to type.

use clikit::{Common, Failure};

pub use envconfig::shell_word as quoted;

use crate::store::has_password;

/// The project file where none is named.
const PROJECT: &str = "understudy.toml";

/// Where an address with a password belongs.
const VARIABLE: &str = "env:UNDERSTUDY_STORE";

/// `command` for the same project and store.
pub fn along(common: &Common, mut command: String) -> String {
    let project = common.project.display().to_string();
    let project = (project != PROJECT).then_some(project);
    let store =
        common.store.clone().map(|store| if has_password(&store) { VARIABLE.to_owned() } else { store });
    for (flag, value) in [("--project", project), ("--store", store)] {
        if let Some(value) = value {
            command.push_str(&format!(" {flag} {}", quoted(&value)));
        }
    }
    command
}

/// Whether `hint` is a command of ours.
pub(crate) fn is_ours(hint: &str) -> bool {
    ["promote ", "stagectl "].iter().any(|name| hint.starts_with(name))
}

/// The same in a failure's hint, where that is a command of ours.
pub fn in_hint(common: &Common, mut failure: Failure) -> Failure {
    failure.hint = failure.hint.map(|hint| if is_ours(&hint) { along(common, hint) } else { hint });
    failure
}

#[cfg(test)]
mod tests {
    use super::{along, in_hint};
    use clikit::{Common, Failure};

    fn common(project: &str, store: Option<&str>) -> Common {
        Common { project: project.into(), store: store.map(str::to_owned), json: false }
    }

    #[test]
    fn what_was_given_can_be_pasted() {
        for (project, store, expected) in [
            ("understudy.toml", None, "promote tick"),
            ("shop/understudy.toml", None, "promote tick --project shop/understudy.toml"),
            ("my shop/u.toml", None, "promote tick --project 'my shop/u.toml'"),
            ("it's.toml", None, "promote tick --project 'it'\\''s.toml'"),
            ("understudy.toml", Some("sqlite:u.db?lease=2s"), "promote tick --store 'sqlite:u.db?lease=2s'"),
            ("understudy.toml", Some("env:STORE"), "promote tick --store env:STORE"),
            // A password is never shown, not even to whoever typed it.
            ("understudy.toml", Some("postgres://u:p@h/d"), "promote tick --store env:UNDERSTUDY_STORE"),
        ] {
            assert_eq!(along(&common(project, store), "promote tick".to_owned()), expected);
        }
    }

    #[test]
    fn a_hint_that_is_no_command_stays_as_it_is() {
        let common = common("shop.toml", None);
        let hint = |hint: &str| in_hint(&common, Failure::refused("no").with_hint(hint)).hint.unwrap();
        assert_eq!(hint("promote history"), "promote history --project shop.toml");
        assert_eq!(hint("stagectl check"), "stagectl check --project shop.toml");
        assert_eq!(hint("try again"), "try again");
    }
}
