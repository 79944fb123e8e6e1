//! Tests and signing as two steps: `promote test` without any key, `promote attest` with the runner's.

use flytypes::wire::{Machine, MachineState};
use serde_json::json;

use crate::support::{Project, STAGING, Stage, within};

fn apart() -> Project {
    Project { rules: "tests = \"apart\"\n", ..Project::default() }
}

/// The first step has no token, no key and nobody's agent; it leaves one file, and opens and makes no key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_suites_run_without_a_key_and_another_step_signs_what_they_said() {
    within(async {
        let (stage, [_, second]) = Stage::played(apart()).await;
        let developer = stage.key("developer");
        let start = ["start", "--to", "production", "--key", &developer, "--json"];
        let closed = stage.run(&start).await.exits(3).json();
        let why = closed["why"].as_str().unwrap();
        assert!(why.contains("has no valid attestation of suite `smoke` from `staging`"), "{why}");

        // Where tests run there is nothing that could sign or deploy.
        let hidden = ["understudy.attestor", "keys", "production.token", "staging.token"];
        for name in hidden {
            std::fs::rename(stage.path(name), stage.path(&format!("hidden-{name}"))).unwrap();
        }
        let before = stage.files();
        let args = ["test", "--env", "staging", "--report", "report.json", "--json"];
        let tested = stage.run(&args).await.exits(0).json();
        let made: Vec<_> = stage.files().difference(&before).cloned().collect();
        assert_eq!(made, ["report.json"], "nothing else is left, no key above all");
        let text = std::fs::read_to_string(stage.path("report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&report["deployment"], &report["exit"]), (&json!(second), &json!(0)));
        assert_eq!(report, tested["report"]);
        for name in hidden {
            std::fs::rename(stage.path(&format!("hidden-{name}")), stage.path(name)).unwrap();
        }
        stage.run(&start).await.exits(3);

        let hash = tested["sha256"].as_str().unwrap();
        let attest = ["attest", "--env", "staging", "--report", "report.json", "--sha256", hash, "--json"];
        std::fs::write(stage.path("report.json"), text.replace("\"passed\": ", "\"passed\": 1")).unwrap();
        stage.run(&attest).await.exits(3).says(&["is not the report that was written", hash]);
        std::fs::write(stage.path("report.json"), &text).unwrap();
        let signed = stage.run(&attest).await.exits(0).json();
        assert_eq!((&signed["report"], &signed["signed"][0]["suite"]), (&json!(hash), &json!("smoke")));
        stage.run(&attest).await.exits(3).says(&["was taken in already"]);
        let waiting = stage.run(&start).await.exits(0).json();
        assert_eq!(waiting["state"], "waiting");
        stage.end().await;
    })
    .await;
}

/// A suite of the branch that is not that of the trusted checkout, a file that is none, a fleet that somebody changed, and a
/// suite that fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_a_report_that_does_not_speak_of_what_runs_is_not_signed() {
    within(async {
        let (stage, _) = Stage::played(apart()).await;
        let test = ["test", "--env", "staging", "--report", "report.json"];
        let attest = ["attest", "--env", "staging", "--report", "report.json"];
        stage.run(&attest).await.exits(2).says(&["report.json is no report of `promote test`"]);
        stage.run(&test).await.exits(0);
        let text = std::fs::read_to_string(stage.path("report.json")).unwrap();
        std::fs::write(stage.path("report.json"), text.replacen('{', "{\"trust\": true,", 1)).unwrap();
        stage.run(&attest).await.exits(2).says(&["unknown field `trust`"]);
        std::fs::write(stage.path("report.json"), &text).unwrap();

        stage.fail_smoke(true);
        stage.run(&attest).await.exits(3).says(&["suite `smoke` is another file here"]);
        let failed = ["test", "--env", "staging", "--report", "failed.json", "--json"];
        let said = stage.run(&failed).await.exits(4).json();
        assert_eq!((&said["ok"], &said["error"]["name"]), (&json!(false), &json!("tests-failed")));
        let attest_failed = ["attest", "--env", "staging", "--report", "failed.json", "--json"];
        let said = stage.run(&attest_failed).await.exits(4).json();
        assert_eq!((&said["signed"], &said["not_passed"]), (&json!([]), &json!(["smoke"])));
        stage.fail_smoke(false);

        stage.run(&test).await.exits(0);
        let runs = |machine: &Machine| machine.state == MachineState::Started;
        let machine = stage.machines(STAGING).await.into_iter().find(runs).unwrap();
        stage
            .change(STAGING, &machine, |config| {
                config.env.insert("MODE".to_owned(), "other".to_owned());
            })
            .await;
        stage.run(&attest).await.exits(3).says(&["`staging` does not run what p-", "MODE"]);
        stage.run(&["test", "--env", "production", "--report", "r.json"]).await.exits(2);
        stage.run(&["test", "--env", "nowhere", "--report", "r.json"]).await.exits(2).says(&["there are: "]);
        stage.end().await;
    })
    .await;
}

/// "Ready means: speed is acceptable": a suite with a limit on the time of an answer is a gate as any suite is. What takes
/// 400 ms is too slow for a limit of 200 ms, and no release goes on; within 20 s it is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_a_release_that_is_too_slow_is_not_ready() {
    within(async {
        let (stage, _) = Stage::played(apart()).await;
        let developer = stage.key("developer");
        let start = ["start", "--to", "production", "--key", &developer, "--json"];
        let test = ["test", "--env", "staging", "--report", "report.json", "--json"];
        let attest = ["attest", "--env", "staging", "--report", "report.json", "--json"];
        stage.limit_speed("200ms");
        let slow = stage.run(&test).await.exits(4).json();
        let failed = slow["report"].to_string();
        assert!(failed.contains("duration") && failed.contains("200ms"), "{failed}");
        stage.run(&attest).await.exits(4);
        let why = stage.run(&start).await.exits(3).json()["why"].clone();
        let wanted = "has no valid attestation of suite `smoke` from `staging`";
        assert!(why.as_str().unwrap().contains(wanted), "{why}");

        stage.limit_speed("20s");
        stage.run(&test).await.exits(0);
        stage.run(&attest).await.exits(0);
        let waiting = stage.run(&start).await.exits(0).json();
        assert_eq!(waiting["state"], "waiting", "{waiting}");
        stage.end().await;
    })
    .await;
}

/// A scan that the rules ask for: signed with what it found, judged where the release is to go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_a_scan_is_signed_and_judged() {
    within(async {
        let rules = "sarif = { path = \"scan.sarif\", max-age = \"1h\", fail-on = \"error\" }\n";
        let (stage, _) = Stage::played(Project { rules, ..Project::default() }).await;
        let developer = stage.key("developer");
        let start = ["start", "--to", "production", "--key", &developer, "--json"];
        let why = stage.run(&start).await.exits(3).json()["why"].clone();
        assert!(why.as_str().unwrap().contains("has no signed scan from `staging` within 1h"), "{why}");
        let status = stage.run(&["status", "--env", "staging", "--json"]).await.exits(0).json();
        let digest = status["environments"][0]["current"]["digests"]["api"].as_str().unwrap().to_owned();
        let write = |digest: &str, level: &str| {
            let place = json!({"artifactLocation": {"uri": "src/main.rs"}, "region": {"startLine": 7}});
            let result = json!({"ruleId": "sql", "level": level, "locations": [{"physicalLocation": place}]});
            let run = json!({
                "tool": {"driver": {"name": "scanner"}}, "results": [result],
                "properties": {"repoDigests": [format!("registry.fly.io/runner@{digest}")]},
            });
            let log = json!({"version": "2.1.0", "runs": [run]});
            std::fs::write(stage.path("scan.sarif"), log.to_string()).unwrap();
        };
        let attest = ["attest", "--env", "staging", "--sarif", "--json"];
        stage.run(&attest).await.exits(2).says(&["scan.sarif is no report of a scan"]);
        write(&format!("sha256:{}", "0".repeat(64)), "warning");
        stage.run(&attest).await.exits(3).says(&["which is not of release 1.1.0"]);
        write(&digest, "error");
        let signed = stage.run(&attest).await.exits(0).json();
        assert_eq!(signed["scan"]["findings"][0]["rule"], "sql");
        let why = stage.run(&start).await.exits(3).json()["why"].clone();
        assert!(why.as_str().unwrap().contains("error `sql` in src/main.rs:7"), "{why}");
        write(&digest, "warning");
        stage.run(&["attest", "--env", "staging", "--sarif", "scan.sarif"]).await.exits(0);
        assert_eq!(stage.run(&start).await.exits(0).json()["state"], "waiting");
        stage.end().await;
    })
    .await;
}
