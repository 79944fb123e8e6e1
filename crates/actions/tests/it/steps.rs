//! Steps of one job.

use std::process::Command;

use actions::{Event, Outcome, Provided, Run, Runner, Workflow};
use tempfile::TempDir;

pub(crate) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

pub(crate) fn workflow(jobs: &str) -> Workflow {
    Workflow::parse(&format!("on: push\ndefaults: {{run: {{shell: bash}}}}\njobs:\n{jobs}")).unwrap()
}

pub(crate) struct Place {
    pub(crate) dir: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn runner(&self) -> Runner {
        Runner::new(self.dir.path().join("runs"), PATH)
    }

    pub(crate) fn event(&self) -> Event {
        Event::push(self.dir.path().join("origin"), "staging", "0000")
    }

    /// A repository with one commit; answers it.
    pub(crate) fn commit(&self) -> String {
        let script = "git init -q -b staging . && git config user.email a@b && git config user.name a \
                      && mkdir app && echo hello > app/file && git add . && git commit -q -m one && git tag v1 \
                      && echo more >> app/file && git commit -q -a -m two && git rev-parse HEAD";
        let origin = self.dir.path().join("origin");
        std::fs::create_dir_all(&origin).unwrap();
        let mut command = Command::new("sh");
        let output =
            command.args(["-c", script]).current_dir(origin).env("HOME", self.dir.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

pub(crate) async fn run(runner: &Runner, workflow: &Workflow, event: &Event) -> Run {
    runner.run(workflow, event, 7).await.unwrap()
}

#[tokio::test]
async fn steps_hear_what_those_before_them_said_and_end_with_the_first_that_fails() {
    let place = Place::new();
    let workflow = workflow(
        r#"  one:
    runs-on: ubuntu-latest
    env: {GREETING: hello}
    outputs: {said: "${{ steps.say.outputs.said }}", lines: "${{ steps.say.outputs.lines }}"}
    steps:
      - id: say
        run: |
          echo "said=$GREETING $GITHUB_REF_NAME" >> "$GITHUB_OUTPUT"
          printf 'lines<<END\na\nb\nEND\n' >> "$GITHUB_OUTPUT"
          echo "LATER=${{ github.run_id }}" >> "$GITHUB_ENV"
          echo "Done" >> "$GITHUB_STEP_SUMMARY"
      - name: Hear
        env: {SAID: "${{ steps.say.outputs.said }}"}
        run: 'echo "$SAID, $LATER" && echo "$CI $GITHUB_ACTIONS" >&2'
      - name: Fail
        run: |
          echo "::error title=Bad::why"
          false | true
          echo unreached
      - name: Skipped
        run: echo skipped
      - name: Always
        if: ${{ always() }}
        run: '[ -d "$RUNNER_TEMP" ] && echo "in $PWD"'
"#,
    );
    let run = run(&place.runner(), &workflow, &place.event()).await;
    let job = &run.jobs["one"];
    assert_eq!((run.outcome(), job.outcome), (Outcome::Failure, Outcome::Failure));
    assert_eq!((job.outputs["said"].as_str(), job.outputs["lines"].as_str()), ("hello staging", "a\nb"));
    assert_eq!(job.summary, "Done\n");
    let outcomes: Vec<Outcome> = job.steps.iter().map(|step| step.outcome).collect();
    use Outcome::{Failure, Skipped, Success};
    assert_eq!(outcomes, [Success, Success, Failure, Skipped, Success], "{}", run.log());
    assert_eq!(job.step("Hear").unwrap().log, "hello staging, 7\ntrue true\n");
    let failed = job.step("Fail").unwrap();
    assert_eq!((failed.exit, failed.annotations()), (Some(1), vec!["::error title=Bad::why"]));
    assert!(job.step("Always").unwrap().log.contains("/workspace"));
}

#[tokio::test]
async fn only_the_jobs_own_environment_gives_secrets_and_they_are_masked() {
    let place = Place::new();
    let runner = place
        .runner()
        .with_secret("staging", "TOKEN", "s3cret-of-staging\nsecond-line")
        .with_secret("production", "TOKEN", "s3cret-of-production");
    let job = |id: &str, environment: &str| {
        format!(
            "  {id}:\n    runs-on: x\n    outputs: {{own: \"a ${{{{ secrets.TOKEN }}}}\", other: b}}\n{environment}    steps:\n      - env: {{T: \"${{{{ secrets.TOKEN }}}}\"}}\n        \
             run: 'echo \"[$T]\"; echo \"${{#T}}\"; env'\n"
        )
    };
    let jobs = job("a", "    environment: staging\n")
        + &job("b", "")
        + &job("c", "    environment: {name: production}\n");
    let run = run(&runner, &workflow(&jobs), &place.event()).await;
    let log = |id: &str| run.jobs[id].steps[0].log.clone();
    assert!(log("a").starts_with("[***\n***]\n29\n"), "{}", log("a"));
    assert!(log("b").starts_with("[]\n0\n"), "{}", log("b"));
    assert!(log("c").starts_with("[***]\n20\n"), "{}", log("c"));
    assert!(!run.log().contains("s3cret"));
    assert_eq!(
        run.jobs["c"].outputs.keys().collect::<Vec<_>>(),
        ["other"],
        "an output with a secret in it is dropped"
    );
    assert!(!log("b").contains("CARGO"), "nothing of this process is there: {}", log("b"));
}

/// A machine that is taken away: nothing of a step goes on, and no later one begins.
#[tokio::test]
async fn a_run_that_is_dropped_takes_everything_with_it() {
    let place = Place::new();
    let mark = place.dir.path().join("mark");
    let jobs = format!(
        "  one:\n    runs-on: x\n    steps:\n      - run: (sleep 1; touch {0}-inner) & touch {0}; wait\n      - {{if: always(), run: touch {0}-later}}\n",
        mark.display()
    );
    let (runner, workflow, event) = (place.runner(), workflow(&jobs), place.event());
    let there = |suffix: &str| std::path::Path::new(&format!("{}{suffix}", mark.display())).exists();
    tokio::select! {
        ended = runner.run(&workflow, &event, 1) => panic!("{ended:?}"),
        () = async { while !there("") { tokio::time::sleep(std::time::Duration::from_millis(10)).await } } => {}
    }
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!((there("-inner"), there("-later")), (false, false));
}

#[tokio::test]
async fn actions_are_what_was_provided_for_them() {
    let place = Place::new();
    let sha = place.commit();
    let tools = place.dir.path().join("tools");
    std::fs::create_dir_all(&tools).unwrap();
    std::fs::write(tools.join("promote"), "#!/bin/sh\necho ours\n").unwrap();
    let mut mode = std::fs::metadata(tools.join("promote")).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
    std::fs::set_permissions(tools.join("promote"), mode).unwrap();
    let runner = place
        .runner()
        .provide("actions/checkout", Provided::Checkout)
        .provide("actions/upload-artifact", Provided::Upload)
        .provide("actions/download-artifact", Provided::Download)
        .provide("acme/understudy", Provided::Path(vec![tools]));
    let workflow = workflow(
        r#"  one:
    runs-on: x
    steps:
      - uses: actions/checkout@0000
      - uses: acme/understudy@0000
      - name: Look
        working-directory: app
        run: |
          cat file; promote; git rev-list --count HEAD; git rev-parse HEAD
          cp file "$RUNNER_TEMP/report"
      - {uses: actions/upload-artifact@1, with: {name: report, path: "${{ runner.temp }}/report"}}
  two:
    needs: one
    runs-on: x
    steps:
      - {uses: actions/checkout@0000, with: {fetch-depth: 0}}
      - {uses: actions/download-artifact@1, with: {name: report, path: "${{ runner.temp }}"}}
      - name: Look
        run: cat "$RUNNER_TEMP/report"; git describe --tags; git rev-list --count HEAD
      - name: Unknown
        uses: acme/other@v1
"#,
    );
    let run = run(&runner, &workflow, &Event { sha: sha.clone(), ..place.event() }).await;
    let log = |job: &str| run.jobs[job].step("Look").unwrap().log.clone();
    assert_eq!(log("one"), format!("hello\nmore\nours\n1\n{sha}\n"), "{}", run.log());
    assert!(log("two").starts_with("hello\nmore\nv1-1-g") && log("two").ends_with("\n2\n"), "{}", run.log());
    let unknown = run.jobs["two"].step("Unknown").unwrap();
    assert_eq!((unknown.outcome, unknown.annotations().len()), (Outcome::Failure, 1));
}
