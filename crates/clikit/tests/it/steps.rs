//! Inside a step of GitHub Actions. Rules: GitHub's "Workflow commands for GitHub Actions".

use std::fs;
use std::path::Path;

use crate::endings::sample;

struct Step {
    dir: tempfile::TempDir,
}

impl Step {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = sample(args);
        let file = |name: &str| self.dir.path().join(name);
        command.env("GITHUB_ACTIONS", "true");
        command.env("GITHUB_OUTPUT", file("output")).env("GITHUB_STEP_SUMMARY", file("summary"));
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn said(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }
}

/// What whoever runs the step would take for a command.
fn commands(streams: &str) -> Vec<&str> {
    let is_command = |line: &&str| line.trim_start().starts_with("::") || line.contains("##[");
    streams.split(['\n', '\r']).filter(is_command).collect()
}

const FORGED: &str =
    "a\n::stop-commands::x\n  ::set-output name=ok::true\n##[add-mask]a\rb ##[group]\nstate=done\n```\n";

#[test]
fn what_others_wrote_is_no_command() {
    for json in [&[][..], &["--json"]] {
        let step = Step::new();
        let (code, out, err) = step.run(&[&["repeat", FORGED], json].concat());
        assert_eq!((code, commands(&out), commands(&err)), (0, vec![], vec![]), "{out}{err}");
        assert_eq!(step.said("output"), "n=3\nok=true\nstate=done\n", "a text of many lines is no output");
        let (code, out, err) = step.run(&[&["repeat", "--refused", FORGED], json].concat());
        let told = commands(&err);
        assert_eq!((code, commands(&out), told.len()), (3, vec![], 1), "{err}");
        assert!(
            told[0].starts_with("::error title=clikit-sample%3A refused (3)::a%0A::stop-commands"),
            "{told:?}"
        );
    }
}

#[test]
fn a_result_is_told_to_the_steps_behind_it_and_on_the_page() {
    let step = Step::new();
    let (code, out, _) = step.run(&["repeat", "all ``` is\nwell"]);
    assert_eq!((code, out.as_str()), (0, "all ``` is\nwell"));
    assert_eq!(step.said("summary"), "````text\nall ``` is\nwell\n````\n", "no fence in it ends it");
    assert_eq!(step.said("output"), "n=3\nok=true\nstate=done\n");
    let bad = step.run(&["refuse", "--no\n::stop-commands::x"]);
    assert_eq!((bad.0, commands(&bad.2).len()), (2, 1), "bad usage is told as everything else: {}", bad.2);
    step.run(&["refuse"]);
    assert!(step.said("output").ends_with("ok=false\n"), "{}", step.said("output"));
    assert!(
        step.said("summary").contains("```text\nerror: production is frozen\n"),
        "{}",
        step.said("summary")
    );
    let (code, _, err) = step.run(&["sad"]);
    assert_eq!((code, commands(&err).len()), (6, 1), "what is no success is an annotation, too: {err}");
}

#[test]
fn a_summary_stays_below_what_github_takes() {
    let step = Step::new();
    step.run(&["repeat", &"ä".repeat(60_000)]);
    let summary = step.said("summary");
    assert!(summary.len() < (64 << 10) + 32 && summary.ends_with("…\n```\n"), "{}", summary.len());
}

#[test]
fn nothing_is_told_where_nobody_asked() {
    let step = Step::new();
    let mut command = sample(&["repeat", FORGED]);
    command.env_remove("GITHUB_ACTIONS").env("GITHUB_OUTPUT", step.dir.path().join("output"));
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), FORGED);
    assert!(!Path::new(&step.dir.path().join("output")).exists());
    // Files that cannot be written are no reason to fail.
    let mut command = sample(&["show"]);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_OUTPUT", "/proc/nobody/writes/here");
    assert_eq!(command.output().unwrap().status.code(), Some(0));
}
