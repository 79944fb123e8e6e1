//! The workflows that `stagectl render workflows` writes, run against the stand-in: what a push does, a click, a schedule and a
//! change that goes around them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use actions::{Event, Outcome, Provided, Run, Runner, Workflow};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{Project, Ran, STAGING, Stage, TOKEN, TOKEN_STAGING, beside, ended, exe, within};

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
const ACTION: &str = "acme/understudy@11bd71901bbe5b1630ceea73d27597364c9af683";

/// What the team's repository has, from the stage's project.
const FILES: [&str; 4] = ["understudy.toml", "fly.toml", "tests/smoke.toml", ".understudy/allowed_signers"];

/// A repository with rendered workflows, and a machine that runs them.
struct Team {
    stage: Stage,
    runner: Runner,
    runs: AtomicU64,
}

impl Team {
    /// Release 1.0.0 runs in production and 1.1.0 on staging.
    async fn new() -> Self {
        let project = Project { bucket: true, rules: "tests = \"apart\"\n", ..Project::default() };
        let stage = Stage::new(project).await;
        // What never answers is not waited for as long as elsewhere.
        stage.edit("wait-timeout = \"3m\"", "wait-timeout = \"40s\"");
        let (old, new) = (stage.push("1.0.0").await, stage.push("1.1.0").await);
        stage.put("production", &old).await;
        stage.put("staging", &new).await;
        let host = stage.push("0.9.0").await;
        let host = host.split('/').next().unwrap();
        let key = providers::ssh::read_or_make_key(&stage.path("keys/runner")).unwrap();
        let signers = std::fs::read_to_string(stage.path(".understudy/allowed_signers")).unwrap();
        let line =
            format!("runner namespaces=\"understudy-attestation\" {}\n", providers::ssh::public_line(&key));
        stage.write(".understudy/allowed_signers", &format!("{signers}{line}"));
        stage.edit("file:production.token", "env:FLY_TOKEN_PRODUCTION");
        stage.edit("file:staging.token", "env:FLY_TOKEN_STAGING");
        // The image of a version was built before; what the team's script pushes to staging's app is a copy of it.
        let reference = format!("docker://{host}/{STAGING}:run-$GITHUB_RUN_ID");
        let skopeo = "skopeo --insecure-policy";
        let build = format!(
            "{skopeo} copy -q --src-tls-verify=false --dest-tls-verify=false --src-creds \"x:$FLY_API_TOKEN\" \
             --dest-creds \"x:$FLY_API_TOKEN\" \"docker://{host}/runner:$VERSION\" \"{reference}\"\n\
             digest=\"$({skopeo} inspect --tls-verify=false --creds \"x:$FLY_API_TOKEN\" --format '{{{{.Digest}}}}' \"{reference}\")\"\n\
             echo \"api={host}/{STAGING}@$digest\" >> \"$UNDERSTUDY_IMAGES\"\n"
        );
        stage.edit(
            "[store]\n",
            &format!("[ci]\naction = \"{ACTION}\"\ntest = \"grep -q smoke tests/smoke.toml\"\nbuild = {build:?}\n[store]\nkey = \"env:RUNNER_KEY\"\n"),
        );
        let endpoint = stage.variable("AWS_ENDPOINT_URL_S3");
        stage.edit("?lease=5s", &format!("?lease=5s&endpoint={endpoint}"));
        for file in FILES {
            let text = std::fs::read_to_string(stage.path(file)).unwrap();
            stage.write(&format!("repo/{file}"), &text);
        }
        let secret = |file: &str| std::fs::read_to_string(stage.path(file)).unwrap();
        let mut runner = Runner::new(stage.path("runs"), PATH)
            .provide("actions/checkout", Provided::Checkout)
            .provide("actions/upload-artifact", Provided::Upload)
            .provide("actions/download-artifact", Provided::Download)
            .provide("acme/understudy", Provided::Path(vec![dir_of(&exe()), dir_of(&beside("stagectl"))]));
        for environment in ["staging", "production"] {
            runner = runner
                .with_secret(environment, "FLY_TOKEN_STAGING", TOKEN_STAGING)
                .with_secret(environment, "RUNNER_KEY", &secret("keys/runner"))
                .with_secret(environment, "UNDERSTUDY_KEY", &secret("keys/developer"));
            for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
                runner = runner.with_secret(environment, name, &stage.variable(name));
            }
        }
        runner = runner.with_secret("production", "FLY_TOKEN_PRODUCTION", TOKEN);
        let team = Self { stage, runner, runs: AtomicU64::new(1) };
        team.render(&[]).await.exits(0);
        team.git("git init -q -b staging").await;
        team
    }

    async fn render(&self, args: &[&str]) -> Ran {
        let all = [&["--project", "repo/understudy.toml", "render", "workflows"][..], args].concat();
        self.stage.stagectl(&all).await
    }

    async fn git(&self, script: &str) -> String {
        let mut command: Command = self.stage.command_of("/bin/sh", &["-ec", script]);
        command.current_dir(self.stage.path("repo"));
        for (who, value) in [("NAME", "somebody"), ("EMAIL", "somebody@example.org")] {
            command.env(format!("GIT_AUTHOR_{who}"), value).env(format!("GIT_COMMITTER_{who}"), value);
        }
        ended(command.spawn().unwrap()).await.exits(0).out.trim().to_owned()
    }

    /// Commits everything as `version`, and has its image built; answers the push.
    async fn commit(&self, version: &str) -> Event {
        let commit =
            format!("git commit -q --allow-empty -m {version}; git tag {version}; git rev-parse HEAD");
        let sha = self.git(&format!("git add -A; {commit}")).await;
        self.stage.push_of(version, &sha).await;
        Event::push(self.stage.path("repo"), "staging", &sha)
    }

    /// Runs the workflow with this name, if the event starts it.
    async fn run(&self, name: &str, event: &Event) -> Run {
        let file = self.stage.path(&format!("repo/.github/workflows/understudy-{name}.yml"));
        let workflow = Workflow::parse(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert!(workflow.is_started_by(event), "{name} is not started by {}", event.name);
        let id = self.runs.fetch_add(1, Ordering::Relaxed);
        self.runner.run(&workflow, event, id).await.unwrap()
    }

    /// Somebody at a desk, with the journal and no token of Fly.
    async fn promote(&self, args: &[&str]) -> Ran {
        self.stage.run(&[&["--project", "repo/understudy.toml"][..], args].concat()).await
    }

    /// The version and the digest of what is recorded.
    async fn current(&self, environment: &str) -> (Value, Value) {
        let status = self.promote(&["status", "--env", environment, "--json"]).await.exits(0).json();
        let current = &status["environments"][0]["current"];
        let tree = format!("{}-tree", current["version"].as_str().unwrap());
        assert_eq!(current["tree"], json!(tree), "the label of the image says from which tree it was built");
        (current["version"].clone(), current["digests"]["api"].clone())
    }
}

fn dir_of(program: &Path) -> PathBuf {
    program.parent().unwrap().to_path_buf()
}

#[track_caller]
fn ends(run: &Run, wanted: Outcome) {
    assert_eq!(run.outcome(), wanted, "{}", run.log());
}

fn outcomes<const N: usize>(run: &Run, jobs: [&str; N]) -> [Outcome; N] {
    jobs.map(|job| run.jobs[job].outcome)
}

const JOBS: [&str; 5] = ["test", "build", "deploy", "verify", "attest"];

/// Built once, deployed, tested and signed; asked for; agreed to; and the very same image is in production.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_a_click_and_an_approval_bring_a_release_to_production() {
    within(async {
        let team = Team::new().await;
        // The branch that clicks and schedules run from is behind: of its suite nothing would pass.
        let smoke = std::fs::read_to_string(team.stage.path("tests/smoke.toml")).unwrap();
        team.stage.write("repo/tests/smoke.toml", &smoke.replace("\"json\"", "\"xml\""));
        let main = Event { reference: "refs/heads/main".to_owned(), ..team.commit("1.1.9").await };
        team.stage.write("repo/tests/smoke.toml", &smoke);
        let push = team.commit("1.2.0").await;
        let deployed = team.run("deploy-staging", &push).await;
        ends(&deployed, Outcome::Success);
        let (version, digest) = team.current("staging").await;
        assert_eq!(version, "1.2.0");
        let images = &deployed.jobs["build"].outputs["images"];
        assert_eq!(images.rsplit('@').next(), digest.as_str(), "what was built is what runs");
        assert!(
            !deployed.log().contains("***"),
            "no secret was printed that had to be masked: {}",
            deployed.log()
        );

        let click = main.clone().named("workflow_dispatch", json!({"inputs": {}}));
        let asked = team.run("promote-production", &click).await;
        ends(&asked, Outcome::Success);
        let log = &asked.jobs["promote"].step("Start").unwrap().log;
        let next = log.lines().find_map(|line| line.strip_prefix("next       promote ")).unwrap();
        let words: Vec<&str> = next.split_whitespace().collect();
        let ["approve", id, "--plan", plan] = words[..] else { panic!("{next}") };
        // Nobody decided, so nothing goes on, whoever looks.
        let schedule = main.clone().named("schedule", json!({}));
        ends(&team.run("rescue", &schedule).await, Outcome::Success);
        assert_eq!(team.current("production").await.0, "1.0.0");

        let lead = team.stage.key("lead");
        team.promote(&["approve", id, "--plan", plan, "--key", &lead]).await.exits(0);
        let decided = main.named("repository_dispatch", json!({"action": "understudy"}));
        ends(&team.run("rescue", &decided).await, Outcome::Success);
        assert_eq!(team.current("production").await, (json!("1.2.0"), digest));

        // What was tested is pushed away: nobody knows its configuration any more.
        let tidy = "git checkout -q 1.1.9; git branch -q -D staging; git tag -d 1.2.0; git reflog expire --expire=now --all; \
                    git gc -q --prune=now; git checkout -q -b staging";
        team.git(tidy).await;
        let again = team.run("promote-production", &click).await;
        let said = again.jobs["promote"].step("Start").unwrap();
        assert!(said.exit == Some(1) && said.annotations()[0].contains("is not in this repository any more"), "{}", again.log());
        team.stage.end().await;
    })
    .await;
}

/// A suite that fails is signed as failed, and nothing is promoted; a release that does not start is taken back, and no suite
/// is run against what was there before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_on_staging_stays_there() {
    within(async {
        let team = Team::new().await;
        let smoke = std::fs::read_to_string(team.stage.path("tests/smoke.toml")).unwrap();
        team.stage.write("repo/tests/smoke.toml", &smoke.replace("\"json\"", "\"xml\""));
        let push = team.commit("1.2.0").await;
        let run = team.run("deploy-staging", &push).await;
        let [good, failed] = [Outcome::Success, Outcome::Failure];
        assert_eq!(outcomes(&run, JOBS), [good, good, good, failed, failed], "{}", run.log());
        assert_eq!(
            run.jobs["attest"].step("Sign what the suites said").unwrap().exit,
            Some(4),
            "{}",
            run.log()
        );
        let click = push.named("workflow_dispatch", json!({"inputs": {}}));
        let asked = team.run("promote-production", &click).await;
        assert_eq!(asked.jobs["promote"].step("Start").unwrap().exit, Some(3), "{}", asked.log());
        assert_eq!(team.current("production").await.0, "1.0.0");

        team.stage.write("repo/tests/smoke.toml", &smoke);
        let fly = std::fs::read_to_string(team.stage.path("repo/fly.toml")).unwrap();
        team.stage.write("repo/fly.toml", &fly.replace("/readyz", "/nobody-answers-here"));
        let push = team.commit("1.3.0").await;
        let run = team.run("deploy-staging", &push).await;
        let skipped = Outcome::Skipped;
        assert_eq!(outcomes(&run, JOBS), [good, good, failed, skipped, skipped], "{}", run.log());
        assert_eq!(run.jobs["deploy"].step("Deploy").unwrap().exit, Some(5), "{}", run.log());
        assert_eq!(team.current("staging").await.0, "1.2.0");
        team.stage.end().await;
    })
    .await;
}

/// A machine that is taken away in the middle of a deploy: whoever hears of it finishes what was begun.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_was_killed_is_finished_by_the_rescuer() {
    within(async {
        let team = Team::new().await;
        let push = team.commit("1.2.0").await;
        let is_at_work = async {
            loop {
                let status = team.promote(&["status", "--env", "staging", "--json"]).await.exits(0).json();
                let live = &status["environments"][0]["under_way"][0]["phase"];
                if *live == "deploying" || *live == "verifying" {
                    return;
                }
            }
        };
        tokio::select! {
            run = team.run("deploy-staging", &push) => panic!("nobody saw it at work: {}", run.log()),
            () = is_at_work => {}
        }
        assert_eq!(team.current("staging").await.0, "1.1.0");
        // The journal's lease of the dead one has to end.
        let ended = |conclusion: &str| {
            let run = json!({"name": "Deploy to staging", "conclusion": conclusion});
            push.clone().named("workflow_run", json!({"action": "completed", "workflow_run": run}))
        };
        let well = team.run("rescue", &ended("success")).await;
        assert_eq!(outcomes(&well, ["tick"]), [Outcome::Skipped], "nobody is called where all is well");
        for _ in 0..60 {
            ends(&team.run("rescue", &ended("cancelled")).await, Outcome::Success);
            if team.current("staging").await.0 == "1.2.0" {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        assert_eq!(team.current("staging").await.0, "1.2.0");
        team.stage.end().await;
    })
    .await;
}

/// The guard has no secret, and sees a workflow that deploys by itself, and one of ours that somebody changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_goes_around_staging_is_refused() {
    within(async {
        let team = Team::new().await;
        let request = |push: &Event| push.clone().named("pull_request", json!({"pull_request": {"base": {"ref": "main"}}}));
        let push = team.commit("1.2.0").await;
        ends(&team.run("guard", &request(&push)).await, Outcome::Success);
        let around = "on: {push: {branches: [main]}}\npermissions: {contents: read}\nconcurrency: {group: a, cancel-in-progress: false}\n\
                      jobs:\n  deploy:\n    runs-on: ubuntu-latest\n    timeout-minutes: 9\n    steps:\n      \
                      - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683\n      \
                      - run: flyctl deploy --app runner\n        env: {FLY_API_TOKEN: \"${{ secrets.A }}\"}\n";
        team.stage.write("repo/.github/workflows/around.yml", around);
        let push = team.commit("1.2.1").await;
        let seen = team.run("guard", &request(&push)).await;
        ends(&seen, Outcome::Failure);
        let check = seen.jobs["guard"].step("Check project and workflows").unwrap();
        assert!(check.exit == Some(15) && check.log.contains("E0507"), "{}", seen.log());

        std::fs::remove_file(team.stage.path("repo/.github/workflows/around.yml")).unwrap();
        let rescue = team.stage.path("repo/.github/workflows/understudy-rescue.yml");
        let text = std::fs::read_to_string(&rescue).unwrap();
        std::fs::write(&rescue, text.replace("*/5", "*/50")).unwrap();
        let push = team.commit("1.2.2").await;
        let seen = team.run("guard", &request(&push)).await;
        let check = seen.jobs["guard"].step("Check that these workflows are as they were written").unwrap();
        assert!(check.exit == Some(15) && check.log.contains("-    - cron: \"*/50 * * * *\""), "{}", seen.log());
        team.stage.end().await;
    })
    .await;
}
