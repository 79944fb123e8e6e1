//! A runner that is interrupted, killed, or comes second.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::process::Child;

use crate::support::{Project, Stage, ended, within};

/// The promotion under way in production, once it is in `phase`.
async fn under_way(stage: &Stage, phase: &str) -> Value {
    loop {
        let status = stage.run(&["status", "--env", "production", "--json"]).await.exits(0).json();
        let found =
            status["environments"][0]["under_way"].as_array().unwrap().iter().find(|it| it["phase"] == phase);
        if let Some(found) = found {
            return found.clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    kill(Pid::from_raw(pid), signal).unwrap();
}

async fn approve(stage: &Stage, promotion: &Value) {
    let (id, plan) = (promotion["id"].as_str().unwrap(), promotion["plan"].as_str().unwrap());
    stage.run(&["approve", id, "--plan", plan, "--key", &stage.key("lead")]).await.exits(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_comes_to_rest_and_a_tick_goes_on() {
    within(async {
        let (stage, _) = Stage::played(Project::default()).await;
        let key = stage.key("developer");
        // Nothing is held while it waits for people: Ctrl-C then ends it at once.
        let start = ["start", "--to", "production", "--wait", "--key", &key];
        let waiting = stage.command(&start).spawn().unwrap();
        let first = under_way(&stage, "awaiting-approval").await;
        signal(&waiting, Signal::SIGINT);
        ended(waiting).await.exits(9).says(&["interrupted"]);
        let id = first["id"].as_str().unwrap();
        stage.run(&["abort", id, "--reason", "not now", "--key", &key]).await.exits(0);

        let going = stage.command(&start).spawn().unwrap();
        let promotion = under_way(&stage, "awaiting-approval").await;
        approve(&stage, &promotion).await;
        under_way(&stage, "deploying").await;
        signal(&going, Signal::SIGINT);
        let ran = ended(going).await.exits(9).says(&["next safe point"]);
        assert!(ran.out.contains("promote tick"), "{ran:?}");
        let id = promotion["id"].as_str().unwrap();
        stage.tick_until(id, "succeeded").await;
        stage.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_runner_is_replaced_and_the_next_in_line_hears_who_holds_it() {
    within(async {
        // Slow enough that the first is under way for as long as others are asked about it.
        let project = Project { lease: "2s", settle: "2s", ..Project::default() };
        let (stage, [old, _]) = Stage::played(project).await;
        let key = stage.key("developer");
        let going = stage.command(&["start", "--to", "production", "--wait", "--key", &key]).spawn().unwrap();
        let first = under_way(&stage, "awaiting-approval").await;
        let start = ["start", "--to", "production", "--release", &old, "--key", &key, "--json"];
        // Two may wait for people; the second hears of the first at once.
        let beside = [first["id"].as_str().unwrap(), "awaiting-approval", "promote show"];
        let second = stage.run(&start).await.exits(0).says(&beside).json();
        assert_eq!(second["state"], "waiting");
        approve(&stage, &second).await;
        approve(&stage, &first).await;
        under_way(&stage, "deploying").await;

        let (first, second) = (first["id"].as_str().unwrap(), second["id"].as_str().unwrap());
        // One that is asked for while another holds the environment is refused before anybody approves it.
        let abort = format!("help: promote abort {first} --reason R --store 'sqlite:understudy.db?lease=2s'");
        let third: Vec<_> =
            start[..7].iter().copied().chain(["--store", "sqlite:understudy.db?lease=2s"]).collect();
        stage.run(&third).await.exits(3).says(&[first, "holds the environment", "wait", &abort]);
        // What it made is no stranger's, and nobody is told to take it away: a way back waits, or ends it.
        for more in [None, Some("--dry-run")] {
            let back = ["rollback", "--env", "production", "--key", &key].into_iter().chain(more);
            let refused = stage.run(&back.collect::<Vec<_>>()).await.exits(3);
            let refused =
                refused.says(&[first, "it is deploying", &format!("help: promote abort {first} --reason R")]);
            assert!(!refused.err.contains("take it away"), "{refused:?}");
        }
        let status = stage.run(&["status", "--env", "production", "--json"]).await.exits(0).json();
        assert_eq!(status["environments"][0]["under_way"].as_array().unwrap().len(), 2, "{status}");

        let busy = stage.run(&["resume", second, "--json"]).await.exits(9).json();
        assert_eq!((&busy["state"], &busy["ok"]), (&json!("queued"), &json!(false)), "{busy}");
        assert!(busy["error"]["what"].as_str().unwrap().contains("queued behind"), "{busy}");
        assert!(busy["held_by"].as_str().unwrap().contains(first), "{busy}");
        // Another runner lives and drives it: nothing waits in a queue.
        let tick = stage.run(&["tick"]).await.exits(0).out;
        let line = tick.lines().find(|line| line.contains(first)).expect("it is under way");
        assert!(line.contains(": driven by another runner (runner-"), "{tick}");
        signal(&going, Signal::SIGKILL);
        assert_eq!(ended(going).await.code, None);
        let text = stage.run(&["resume", second]).await.exits(9).out;
        assert!(text.contains("held by ") && text.contains(first), "{text}");

        stage.tick_until(first, "succeeded").await;
        // What runs is not what it was planned against: the plan is made again, and people are asked again.
        stage.tick_until(second, "awaiting-approval").await;
        let again = stage.run(&["show", second, "--json"]).await.exits(0).json();
        approve(&stage, &again).await;
        stage.tick_until(second, "succeeded").await;
        stage.end().await;
    })
    .await;
}

/// Long work is never silent: what goes on is said again, with the time since the command began.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_hears_that_it_goes_on() {
    within(async {
        let stage = Stage::new(Project::default()).await;
        stage.edit("soak = \"0s\"", "soak = \"6s\"");
        let (image, key) = (stage.push("1.0.0").await, stage.key("lead"));
        let first = ["deploy", "--env", "production", "--bootstrap", "--image", &image, "--key", &key];
        let ran = stage.run(&first).await.exits(0).says(&["still soaking"]);
        let line = ran.err.lines().find(|line| line.contains("still soaking")).unwrap();
        assert!(line.starts_with('[') && line.contains("s] "), "{line}");
        stage.end().await;
    })
    .await;
}

/// Ctrl-C in the middle of a tick: what it says is what every verb says then, in text and for programs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_tick_says_so() {
    within(async {
        let project = Project { approvals: 0, lease: "2s", settle: "3s", ..Project::default() };
        let (stage, _) = Stage::played(project).await;
        let key = stage.key("developer");
        let going = stage.command(&["start", "--to", "production", "--key", &key]).spawn().unwrap();
        let promotion = under_way(&stage, "deploying").await;
        signal(&going, Signal::SIGKILL);
        assert_eq!(ended(going).await.code, None);
        // The dead runner's lease ends by itself.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let tick = stage.command(&["tick", "--json"]).spawn().unwrap();
        hears(&tick).await;
        signal(&tick, Signal::SIGINT);
        let told = ended(tick).await.exits(9).json();
        assert_eq!((&told["ok"], &told["state"]), (&json!(false), &json!("interrupted")), "{told}");
        assert_eq!((&told["error"]["exit"], &told["next"]), (&json!(9), &json!("promote tick")), "{told}");
        stage.tick_until(promotion["id"].as_str().unwrap(), "succeeded").await;
        stage.end().await;
    })
    .await;
}

/// Waits until the process hears Ctrl-C: `SigCgt` in /proc/PID/status (proc_pid_status(5)).
async fn hears(child: &Child) {
    let path = format!("/proc/{}/status", child.id().unwrap());
    loop {
        let status = std::fs::read_to_string(&path).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        if u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << (Signal::SIGINT as i32 - 1)) != 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tick_can_be_interrupted_and_an_abort_puts_everything_back() {
    within(async {
        let project = Project { approvals: 0, settle: "2s", ..Project::default() };
        let (stage, _) = Stage::played(project).await;
        let before = stage.serving().await;
        let key = stage.key("developer");
        let going = stage.command(&["start", "--to", "production", "--key", &key]).spawn().unwrap();
        let promotion = under_way(&stage, "deploying").await;
        let id = promotion["id"].as_str().unwrap();
        signal(&going, Signal::SIGINT);
        ended(going).await.exits(9);

        let tick = stage.command(&["tick", "--json"]).spawn().unwrap();
        hears(&tick).await;
        signal(&tick, Signal::SIGINT);
        let told = ended(tick).await.exits(9).json();
        assert_eq!(
            (&told["driven"][0]["id"], &told["driven"][0]["state"]),
            (&id.into(), &"interrupted".into())
        );

        let aborted = stage.run(&["abort", id, "--reason", "it is slow", "--key", &key, "--json"]).await;
        let aborted = aborted.exits(0).json();
        assert_eq!(aborted["phase"], "rolled-back");
        assert!(aborted["why"].as_str().unwrap().contains("it is slow"), "{aborted}");
        assert_eq!(stage.serving().await, before);
        stage.end().await;
    })
    .await;
}

/// Long work is told as it goes, and so is waiting: at once and with the address, for whoever only
/// looks and for whoever starts. Nothing is left behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_not_there_is_told_at_once_and_given_up_soon() {
    within(async {
        let (stage, _) = Stage::played(Project::default()).await;
        let key = stage.key("developer");
        // Nobody listens where somebody did just now.
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let file = stage.path("understudy.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let between = |begin: &str| text.split(begin).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let (api, registry) = (between("api = \""), between("registry = \""));
        let gone = text.replace(&api, &format!("http://{nobody}")).replace(&registry, &nobody.to_string());
        std::fs::write(&file, gone).unwrap();
        let image = format!("{nobody}/runner:1.0.0");
        let verbs: [&[&str]; 4] = [
            &["plan", "--to", "production", "--key", &key],
            &["start", "--to", "production", "--key", &key],
            &["adopt", "--env", "production", "--key", &key],
            &["deploy", "--env", "staging", "--image", &image, "--key", &key],
        ];
        let says = format!("cannot reach http://{nobody}: connection refused; trying again for 5 s");
        for verb in verbs {
            let ran = stage.run(verb).await.exits(8).says(&[&says]);
            let told = ran.err.lines().filter(|line| line.contains("cannot reach")).count();
            assert_eq!(told, 1, "once is enough: {}", ran.err);
        }
        let status = stage.run(&["status", "--json"]).await.exits(0).json();
        for environment in status["environments"].as_array().unwrap() {
            assert_eq!(environment["under_way"].as_array().map(Vec::len), Some(0), "{status}");
        }
        stage.end().await;
    })
    .await;
}
