//! Steps that several jobs have.

use super::Source;
use super::needs::{ASKER, Needs};
use super::yaml::{Step, expression};

/// Actions by the commits that these versions are, as workflows that others published pin them.
pub(super) const CHECKOUT: (&str, &str) =
    ("actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683", "v4.2.2");
pub(super) const UPLOAD: (&str, &str) =
    ("actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02", "v4.6.2");
pub(super) const DOWNLOAD: (&str, &str) =
    ("actions/download-artifact@d3f86a106a0bac45b974a628896c90dbdf5c8093", "v4.3.0");
pub(super) const FLYCTL: (&str, &str) =
    ("superfly/flyctl-actions/setup-flyctl@fc53c09e1bc3be6f54706524e3b82c4f462f77be", "1.5");

/// An action of others.
pub(super) fn action((action, version): (&str, &'static str)) -> Option<(String, &'static str)> {
    Some((action.to_owned(), version))
}

/// The repository's files, without a token that scripts of the branch could find; with its history where versions are asked
/// for.
pub(super) fn checkout(with_history: bool) -> Step {
    let mut with = vec![("persist-credentials", "false".to_owned())];
    if with_history {
        with.push(("fetch-depth", "0".to_owned()));
    }
    Step { name: "Check out", uses: action(CHECKOUT), with, ..Step::default() }
}

/// Our binaries.
pub(super) fn binaries(source: &Source<'_>) -> Step {
    let uses = Some((source.ci.action.value.to_string(), ""));
    Step { name: "Set up understudy", uses, ..Step::default() }
}

/// Puts the key of whoever asks where it is looked for; it ends with the machine.
pub(super) fn asker() -> Step {
    let run = format!(
        "if [ -z \"$KEY\" ]; then\n  \
           echo \"::error title={ASKER}::GitHub keeps no secret {ASKER} for this job: the private key of whoever asks on behalf of CI\"\n  \
           exit 1\n\
         fi\n\
         umask 077\n\
         printf '%s\\n' \"$KEY\" > \"$RUNNER_TEMP/understudy-key\"\n\
         echo \"{ASKER}=$RUNNER_TEMP/understudy-key\" >> \"$GITHUB_ENV\"\n"
    );
    let env = vec![("KEY".to_owned(), expression(&format!("secrets.{ASKER}")))];
    Step { name: "Say who asks", env, run: Some(run), ..Step::default() }
}

/// A script that gets `needs`.
pub(super) fn script(name: &'static str, needs: &Needs, run: String) -> Step {
    Step { name, env: needs.env(), run: Some(run), ..Step::default() }
}

/// Configuration and suites are those of the commit that was tested, and not of whatever branch this was asked from.
/// `otherwise` is done where the repository has not got it any more.
pub(super) fn at_commit(otherwise: &str) -> String {
    format!(
        "case \"$commit\" in\n  '' | *[!0-9a-f]*) ;;\n  *) git checkout -q \"$commit\" || {{ {otherwise}; }} ;;\nesac\n"
    )
}
