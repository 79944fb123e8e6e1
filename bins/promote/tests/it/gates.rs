//! What people close and open, what holds a promotion, and the exception with a name.

use serde_json::{Value, json};

use crate::support::{Project, Stage, within};

/// Lock, freeze and unlock by people; `explain` says what holds a promotion and what opens that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_close_stops_by_name_and_says_what_opens_it() {
    within(async {
        let (stage, _) = Stage::played(Project::default()).await;
        let (developer, lead) = (stage.key("developer"), stage.key("lead"));
        let start = ["start", "--to", "production", "--key", &developer, "--json"];
        let lock = ["lock", "--env", "production", "--reason", "the index is rebuilt", "--key", &lead];
        stage.run(&lock).await.exits(0);
        let blocked = stage.run(&start).await.exits(3).json();
        let why = blocked["why"].as_str().unwrap();
        let by = providers::ssh::person_of_file(lead.as_ref()).unwrap();
        for part in
            [&format!("locked by {by} since"), "the index is rebuilt", "promote unlock --env production"]
        {
            assert!(why.contains(part), "`{part}` is missing in {why}");
        }
        let id = blocked["id"].as_str().unwrap();
        let held = stage.run(&["explain", id, "--json"]).await.exits(0).json();
        assert_eq!(held["hold"]["by"], "gate lock");
        assert_eq!(held["hold"]["opens"], "promote start --to production");
        let text = stage.run(&["explain", id]).await.exits(0).out;
        assert!(text.starts_with("held by    gate lock since "), "{text}");
        let status = stage.run(&["status", "--env", "production", "--json"]).await.exits(0).json();
        assert_eq!(status["environments"][0]["closed"]["lock"]["reason"], "the index is rebuilt");
        let text = stage.run(&["status"]).await.exits(0).out;
        assert!(text.contains("locked     production, by "), "{text}");

        // The developer is not among those who may approve.
        let open = |key| ["unlock", "--env", "production", "--reason", "done", "--key", key];
        stage.run(&open(&developer)).await.exits(3).says(&["stays closed", "may approve"]);
        stage.run(&open(&lead)).await.exits(0);
        let freeze = |until| {
            ["freeze", "--env", "production", "--until", until, "--reason", "the fair", "--key", &developer]
        };
        stage.run(&freeze("tomorrow")).await.exits(2).says(&["`tomorrow` is no instant"]);
        stage.run(&freeze("2020-01-01T00:00Z")).await.exits(3).says(&["is over"]);
        stage.run(&freeze("2100-01-01T00:00[Europe/Berlin]")).await.exits(0);
        let why = stage.run(&start).await.exits(3).json()["why"].clone();
        let why = why.as_str().unwrap();
        assert!(why.contains("frozen until 2099-12-31T23:00:00.000Z") && why.contains("the fair"), "{why}");
        stage.run(&open(&lead)).await.exits(0);

        let asked = stage.run(&start).await.exits(0).json();
        let (id, plan) = (asked["id"].as_str().unwrap(), asked["plan"].as_str().unwrap());
        let held = stage.run(&["explain", id, "--json"]).await.exits(0).json();
        assert_eq!(
            (&held["hold"]["by"], &held["hold"]["opens"], &held["ahead"]),
            (&json!("approval"), &json!(format!("promote approve {id} --plan {plan}")), &json!(null))
        );
        stage.end().await;
    })
    .await;
}

/// A window of the project file is judged by the release that runs: a new one shows in the plan as a rule that changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_of_the_project_file_shows_as_a_rule_that_the_release_brings() {
    within(async {
        let (stage, _) = Stage::played(Project::default()).await;
        let window = "freeze = [{ from = \"2020-01-01T00:00\", to = \"2100-01-01T00:00\", zone = \"UTC\", reason = \"x\" }]";
        stage.edit("[environments.production]\n", &format!("[environments.production]\n{window}\n"));
        let text = stage.run(&["plan", "--to", "production"]).await.exits(0).out;
        let rule = "    freeze: never; the release brings 2020-01-01T00:00:00 to 2100-01-01T00:00:00 UTC: x";
        assert!(text.contains(rule), "{text}");
        stage.end().await;
    })
    .await;
}

/// The exception is a verb with a name, for those who may approve, and marks what goes under it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_break_glass_goes_without_approval_and_is_marked_everywhere() {
    within(async {
        let project = Project {
            rules: "checklist = [{ id = \"slow\", text = \"no slow queries\", by = [\"leads\"] }]\n",
            ..Project::default()
        };
        let (stage, _) = Stage::played(project).await;
        let (developer, lead) = (stage.key("developer"), stage.key("lead"));
        let broken = |key, time| {
            [
                "break-glass",
                "--to",
                "production",
                "--reason",
                "the login is down",
                "--for",
                time,
                "--key",
                key,
            ]
        };
        stage.run(&broken(&developer, "1h")).await.exits(3).says(&["may approve"]);
        stage.run(&broken(&lead, "5h")).await.exits(3).says(&["within 4h"]);
        let plan = ["plan", "--to", "production"];
        assert!(stage.run(&plan).await.out.contains("  checklist: slow"));
        stage.run(&broken(&lead, "1h")).await.exits(0);
        let text = stage.run(&plan).await.exits(0).out;
        assert!(!text.contains("checklist: "), "it lifts the checklist: {text}");
        let start = ["start", "--to", "production", "--key", &developer, "--json"];
        let done = stage.run(&start).await.exits(0).json();
        assert_eq!((&done["state"], &done["approvals"]), (&json!("succeeded"), &json!([])));
        let id = done["id"].as_str().unwrap();
        let history = stage.run(&["history", "--env", "production", "--json"]).await.exits(0).json();
        let last =
            history["deployments"].as_array().unwrap().iter().find(|it| it["id"] == id).unwrap().clone();
        assert_eq!(last["breakGlass"]["reason"], "the login is down");
        for verb in ["receipt", "show"] {
            let text = stage.run(&[verb, id]).await.exits(0).out;
            assert!(text.contains("exception  break-glass of "), "{text}");
            assert!(!text.contains("checklist: "), "nobody was asked: {text}");
        }
        stage.end().await;
    })
    .await;
}

/// "Promotion trigger: manual approval or automatic after validation": with `trigger = "automatic"` the next tick asks for
/// what passed on staging, once, and people are asked as ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passed_goes_on_by_itself_and_is_asked_for_once() {
    within(async {
        let rules = "trigger = \"automatic\"\n";
        let (stage, _) = Stage::played(Project { approvals: 1, rules, ..Project::default() }).await;
        let (developer, lead) = (stage.key("developer"), stage.key("lead"));
        // Whoever ticks says who asks: a requester's own approval would not count.
        let told = stage.run(&["tick", "--json"]).await.exits(0).json();
        let onward = &told["onward"][0];
        assert_eq!((&onward["environment"], &onward["id"]), (&json!("production"), &Value::Null), "{told}");
        assert!(onward["why"].as_str().unwrap().contains("who asks"), "{told}");

        // What holds a promotion holds it, and is said.
        stage.run(&["lock", "--env", "production", "--reason", "the fair", "--key", &lead]).await.exits(0);
        let told = stage.run(&["tick", "--key", &developer, "--json"]).await.exits(0).json();
        let onward = &told["onward"][0];
        assert!(onward["id"].is_null() && onward["why"].as_str().unwrap().contains("the fair"), "{told}");
        stage.run(&["unlock", "--env", "production", "--reason", "over", "--key", &lead]).await.exits(0);

        let told = stage.run(&["tick", "--key", &developer, "--json"]).await.exits(0).json();
        let onward = &told["onward"][0];
        let id = onward["id"].as_str().expect("it is asked for").to_owned();
        assert_eq!((&onward["from"], &onward["version"]), (&json!("staging"), &json!("1.1.0")));
        let driven = &told["driven"][0];
        assert_eq!((&driven["id"], &driven["state"]), (&json!(id), &json!("waiting")), "{told}");
        let told = stage.run(&["tick", "--key", &developer, "--json"]).await.exits(0).json();
        assert_eq!(told["onward"], json!([]), "once");

        // What a person ended is left to people.
        stage.run(&["abort", &id, "--reason", "not today", "--key", &lead]).await.exits(0);
        let told = stage.run(&["tick", "--key", &developer, "--json"]).await.exits(0).json();
        assert_eq!(told["onward"], json!([]), "{told}");
        stage.end().await;
    })
    .await;
}

/// A checklist of the project file: waited for, checked off by whom it names, taken back, and told everywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_a_promotion_waits_for_its_checklist() {
    within(async {
        let project = Project {
            rules: "checklist = [{ id = \"slow\", text = \"no slow queries\", by = [\"leads\"] }]\n",
            ..Project::default()
        };
        let (stage, _) = Stage::played(project).await;
        let (developer, lead) = (stage.key("developer"), stage.key("lead"));
        let start = ["start", "--to", "production", "--key", &developer, "--json"];
        let asked = stage.run(&start).await.exits(0).json();
        let (id, plan) = (asked["id"].as_str().unwrap(), asked["plan"].as_str().unwrap());
        let text = stage.run(&["plan", "--to", "production"]).await.exits(0).out;
        let who = providers::ssh::person_of_file(lead.as_ref()).unwrap();
        assert!(text.contains(&format!("  checklist: slow (no slow queries), by {who}")), "{text}");

        stage.run(&["approve", id, "--plan", plan, "--key", &lead]).await.exits(0);
        let held = stage.run(&["explain", id, "--json"]).await.exits(0).json();
        assert_eq!(held["hold"]["by"], "checklist");
        assert_eq!(held["hold"]["opens"], json!(format!("promote check-off slow --id {id}")));
        let check = |key, item| {
            ["check-off", item, "--env", "production", "--comment", "12 ms", "--key", key, "--json"]
        };
        let by = providers::ssh::person_of_file(developer.as_ref()).unwrap();
        let refused = format!("{by} is not among those who may check off `slow`: {who}");
        stage.run(&check(&developer, "slow")).await.exits(3).says(&[&refused]);
        stage.run(&check(&lead, "fast")).await.exits(3).says(&["`fast` is no item of its checklist"]);
        let other = ["check-off", "slow", "--id", id, "--plan", "000000000000", "--key", &lead];
        stage.run(&other).await.exits(3).says(&["the plan of"]);
        let done = stage.run(&check(&lead, "slow")).await.exits(0).json();
        assert_eq!((&done["phase"], &done["open"]), (&json!("queued"), &json!([])));
        let status = stage.run(&["status", "--env", "production", "--json"]).await.exits(0).json();
        let item = &status["environments"][0]["under_way"][0]["checklist"][0];
        assert_eq!(
            (&item["id"], &item["done"], &item["comment"]),
            (&json!("slow"), &json!(true), &json!("12 ms"))
        );

        let done = stage.run(&["resume", id, "--json"]).await.exits(0).json();
        assert_eq!(done["state"], "succeeded");
        for verb in ["receipt", "show"] {
            let text = stage.run(&[verb, id]).await.exits(0).out;
            assert!(text.contains(&format!("checked    slow (no slow queries) by {who} at ")), "{text}");
        }
        stage
            .run(&check(&lead, "slow"))
            .await
            .exits(3)
            .says(&["no promotion waits for people in `production`"]);
        stage.end().await;
    })
    .await;
}
