//! The store: its address, a second one, and one whose disk is full.

use crate::support::{PRODUCTION, Project, Stage, ended, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_cannot_work_is_refused() {
    within(async {
        let stage = Stage::new(Project::default()).await;
        let with = async |store: &str| stage.run(&["status", "--store", store]).await;
        with("sqlite:u.db?lease=1h").await.exits(2).says(&["`1h`", "between 1s and 10m"]);
        with("sqlite:u.db?mode=ro").await.exits(2).says(&["`mode`", "?lease=30s"]);
        with("mysql://host/journal").await.exits(2).says(&["sqlite:PATH", "postgres://USER", "s3://BUCKET"]);
        with("s3://bucket/journal").await.exits(2).says(&["AWS_ACCESS_KEY_ID is not set"]);
        with("s3://bucket/journal?acl=x").await.exits(2).says(&["`acl` is not known", "region=REGION"]);
        let bucket = "s3://bucket/journal?endpoint=http://127.0.0.1:1";
        let keys = [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "s3cret")];
        let mut gone = stage.command(&["status", "--store", bucket]);
        let gone = ended(gone.envs(keys).spawn().unwrap()).await.exits(8);
        let gone = gone.says(&["s3://bucket/journal at http://127.0.0.1:1/", "why: ", "help: "]);
        assert!(!gone.err.contains("s3cret"), "{}", gone.err);
        let key = stage.key("developer");
        let nowhere =
            ["adopt", "--env", "staging", "--key", &key, "--store", "sqlite:no/such/directory/u.db"];
        stage.run(&nowhere).await.exits(8).says(&["no/such/directory/u.db", "why: ", "help: "]);
        std::fs::write(stage.path("text.db"), "this is no database".repeat(100)).unwrap();
        with("sqlite:text.db").await.exits(8).says(&["text.db", "why: "]);
        with("sqlite:u.db?lease=2s").await.exits(2).says(&["there is no journal at", "/u.db"]);
        stage.end().await;
    })
    .await;
}

/// A misspelt address must not look like an environment in which nothing ever happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_is_not_there_is_told_and_not_made() {
    within(async {
        let stage = Stage::new(Project::default()).await;
        let image = stage.push("1.0.0").await;
        stage.put("staging", &image).await;
        let (key, files) = (stage.key("developer"), stage.files());
        let reading: [&[&str]; 9] = [
            &["status"],
            &["history", "--env", "staging"],
            &["show", "p-000000"],
            &["explain", "p-000000"],
            &["resume", "p-000000"],
            &["abort", "p-000000", "--reason", "r", "--key", &key],
            &["rollback", "--env", "staging", "--key", &key],
            &["breaker", "--env", "staging"],
            &["tick"],
        ];
        for verb in reading {
            let typo: Vec<_> = verb.iter().copied().chain(["--store", "sqlite:typo.db"]).collect();
            let said = ["there is no journal at", "typo.db", "why: ", "--store sqlite:PATH", "promote adopt"];
            stage.run(&typo).await.exits(2).says(&said);
        }
        let told = stage.run(&["status", "--store", "sqlite:typo.db", "--json"]).await.exits(2).json();
        assert_eq!((&told["ok"], &told["error"]["name"]), (&false.into(), &"usage".into()), "{told}");
        // What shows what it would do starts from an empty one, and leaves nothing behind either.
        let next = stage.push("1.1.0").await;
        let dry = ["deploy", "--env", "staging", "--image", &next, "--key", &key, "--dry-run"];
        let typo: Vec<_> = dry.into_iter().chain(["--store", "sqlite:typo.db"]).collect();
        stage.run(&typo).await.exits(0);
        assert_eq!(stage.files(), files);
        stage.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_store_is_refused_by_name_and_changes_nothing() {
    within(async {
        let stage = Stage::new(Project::default()).await;
        let image = stage.push("1.0.0").await;
        stage.put("staging", &image).await;
        let before = stage.audit_lines();
        let key = stage.key("developer");
        let next = stage.push("1.1.0").await;
        let args = [
            "deploy",
            "--env",
            "staging",
            "--image",
            &next,
            "--key",
            &key,
            "--store",
            "sqlite:other.db",
            "--json",
        ];
        let told = stage.run(&args).await.exits(3).json();
        let why = told["why"].as_str().unwrap_or_default();
        assert!(why.contains("is marked by store ") && why.contains("this is store "), "{told}");
        let marks = stage.machines(crate::support::STAGING).await;
        let mark = marks[0].config.as_ref().unwrap().metadata["understudy_store"].clone();
        assert!(why.contains(&mark), "{why} names {mark}");
        let applied: Vec<_> = stage.audit_lines().split_off(before.len());
        let machines: Vec<_> = applied
            .iter()
            .filter(|line| {
                line["applied"] == true && line["action"].as_str().unwrap_or("").starts_with("machine-")
            })
            .collect();
        assert!(machines.is_empty(), "{machines:?}");
        stage.end().await;
    })
    .await;
}

/// A disk that is full is made by a limit on file sizes (`RLIMIT_FSIZE`, setrlimit(2)), with its signal ignored, so that
/// writing fails; it works for every user.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_a_promotion_which_goes_on_later() {
    within(async {
        let (stage, [_, new]) = Stage::played(Project { approvals: 0, ..Project::default() }).await;
        let exe = crate::support::exe().display().to_string();
        // 256 blocks of 512 or 1024 bytes: less than the promotion writes, more than its first records.
        let script = format!(
            "trap '' XFSZ; ulimit -f 128; exec {exe} start --to production --release {new} --key {}",
            stage.key("developer")
        );
        let ran = ended(stage.command_of("/bin/sh", &["-c", &script]).spawn().unwrap()).await;
        ran.exits(8).says(&["the store cannot be used", "why: "]);
        let status = stage.run(&["status", "--json"]).await.exits(0).json();
        let production = &status["environments"][0];
        let id = production["under_way"][0]["id"].as_str().expect("it was written down").to_owned();
        stage.tick_until(&id, "succeeded").await;
        let machines = stage.machines(PRODUCTION).await;
        let started = machines.iter().filter(|machine| !machine.cordoned).count();
        assert_eq!(started, 2, "{machines:?}");
        stage.end().await;
    })
    .await;
}

/// What this machine's runner attested counts by its key. Where the new store has another one, the move says so, and the
/// line that it prints helps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_to_a_store_with_another_runners_key_says_what_does_not_count() {
    within(async {
        let (stage, _) = Stage::played(Project { approvals: 0, ..Project::default() }).await;
        providers::ssh::read_or_make_key(&stage.path("new.attestor")).unwrap();
        let theirs = std::fs::read(stage.path("new.attestor")).unwrap();
        let verb = ["migrate-store", "--from", "sqlite:understudy.db", "--to", "sqlite:new.db"];
        let moved = stage.run(&[&verb[..], &["--json"]].concat()).await.exits(0);
        let moved = moved.says(&["warning: ", "understudy.attestor", "new.attestor", "does not count"]);
        let warning = moved.json()["warnings"][0].as_str().unwrap().to_owned();
        assert!(warning.contains("understudy.attestor") && warning.contains("new.attestor"), "{warning}");
        // For people as well, and before anything happens.
        stage.run(&verb).await.exits(0).says(&["warning: ", "does not count"]);
        let dry = stage.run(&[&verb[..], &["--dry-run", "--json"]].concat()).await.exits(0).json();
        assert_eq!(dry["warnings"][0], warning.as_str());
        assert_eq!(std::fs::read(stage.path("new.attestor")).unwrap(), theirs, "it is somebody's");

        let (_, line) = warning.split_once("allowed_signers: ").unwrap();
        let signers = stage.path(".understudy/allowed_signers");
        let without = std::fs::read_to_string(&signers).unwrap();
        let with = format!("{without}{line}\n");
        std::fs::write(&signers, &with).unwrap();
        let heard = stage.run(&[&verb[..], &["--dry-run", "--json"]].concat()).await.exits(0).json();
        assert_eq!(heard["warnings"], serde_json::json!([]), "it counts already");

        std::fs::write(&signers, &without).unwrap();
        stage.edit("sqlite:understudy.db?", "sqlite:new.db?");
        let key = stage.key("developer");
        let start = ["start", "--to", "production", "--key", &key, "--json"];
        let refused = stage.run(&start).await.exits(3);
        assert!(refused.out.contains("allowed signers"), "{}", refused.out);
        std::fs::write(&signers, &with).unwrap();
        let done = stage.run(&start).await.exits(0).json();
        assert_eq!(done["state"], "succeeded", "{done}");
        stage.end().await;
    })
    .await;
}
