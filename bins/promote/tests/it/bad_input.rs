//! What is wrong with the input is said at once, with the place, the reason and what helps, and leaves nothing behind.

use serde_json::json;

use crate::support::{Project, Stage, exe, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_key_names_the_nearest_one_and_its_place() {
    within(async {
        let stage = Stage::new(Project::default()).await;
        stage.edit("strategy = ", "stratgey = ");
        let text = std::fs::read_to_string(stage.path("understudy.toml")).unwrap();
        let line = text.lines().position(|line| line.starts_with("stratgey")).unwrap() + 1;
        let place = format!("understudy.toml:{line}:1");
        stage.run(&["status"]).await.exits(2).says(&["stratgey", "`strategy`", &place]);
        let told = stage.run(&["status", "--json"]).await.exits(2).json();
        assert_eq!((&told["ok"], &told["error"]["name"]), (&json!(false), &json!("usage")));
        stage.run(&["--project", "nowhere.toml", "status"]).await.exits(2).says(&["nowhere.toml", "help: "]);
        stage.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_provider_does_not_have_is_a_mistake_of_the_input() {
    within(async {
        let stage = Stage::new(Project::default()).await;
        let key = stage.key("developer");
        let image = stage.push("1.0.0").await;
        let absent = image.replace("1.0.0", "9.9.9");
        let deploy = |image: &str| {
            ["deploy", "--env", "staging", "--bootstrap", "--key", &key, "--image", image].map(str::to_owned)
        };
        let run = async |args: [String; 8]| stage.run(&args.each_ref().map(String::as_str)).await;
        run(deploy(&absent)).await.exits(2).says(&["there is no image", "9.9.9", "why: "]);
        run(deploy("not an image")).await.exits(2).says(&["not an image"]);

        std::fs::write(stage.path("staging.token"), "nobody-knows-this-token").unwrap();
        let refused = run(deploy(&image)).await.exits(2).says(&["token", "why: "]);
        assert!(!refused.err.contains("nobody-knows-this-token"), "{refused:?}");
        let adopt = ["adopt", "--env", "staging", "--key", &key];
        let refused = stage.run(&adopt).await.exits(2);
        let refused = refused.says(&["`runner-staging` in staging", "401", "[environments.staging]"]);
        assert!(!refused.err.contains("nobody-knows-this-token"), "{refused:?}");
        std::fs::remove_file(stage.path("staging.token")).unwrap();
        stage.run(&adopt).await.exits(2).says(&["staging.token cannot be read"]);
        std::fs::copy(stage.path("production.token"), stage.path("staging.token")).unwrap();

        stage.edit("app = \"runner-staging\"", "app = \"runner-stagin\"");
        let missing = ["there is no app `runner-stagin`", "fly apps create runner-stagin"];
        stage.run(&adopt).await.exits(2).says(&missing);
        run(deploy(&image)).await.exits(2).says(&missing);

        let history = stage.run(&["history", "--json"]).await.exits(0).json();
        assert_eq!(history, json!({"ok": true, "deployments": [], "ejects": []}), "nothing was begun");
        for verb in ["status", "history"] {
            let told = stage.run(&[verb]).await.exits(0).out;
            assert!(told.contains("nothing yet") && told.contains("promote adopt"), "{verb}: {told}");
        }
        // A suite that nobody can read is found before a machine is made for it.
        let smoke = std::fs::read_to_string(stage.path("tests/smoke.toml")).unwrap();
        std::fs::write(stage.path("tests/smoke.toml"), smoke.replace("[[case]]", "[[cse]]")).unwrap();
        stage.edit("app = \"runner-stagin\"", "app = \"runner-staging\"");
        run(deploy(&image)).await.exits(2).says(&["smoke.toml:", "cse", "help: "]);
        assert_eq!(stage.machines("runner-staging").await.len(), 0);
        // So is one that asks somebody who is no part of a release.
        let stranger = smoke.replace("target = \"api\"", "target = \"apii\"");
        std::fs::write(stage.path("tests/smoke.toml"), stranger).unwrap();
        run(deploy(&image)).await.exits(2).says(&["smoke.toml", "`apii`, which is no component", "`api`"]);
        assert_eq!(stage.machines("runner-staging").await.len(), 0);

        std::fs::rename(stage.path("tests/smoke.toml"), stage.path("tests/smoke.bak")).unwrap();
        stage.run(&["status"]).await.exits(2).says(&[
            "smoke.toml cannot be read",
            "help: ",
            "[suites.smoke]",
        ]);
        std::fs::remove_file(stage.path("fly.toml")).unwrap();
        stage.run(&["status"]).await.exits(2).says(&[
            "fly.toml cannot be read",
            "help: ",
            "[components.api]",
        ]);
        stage.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_that_does_not_answer_is_unavailable() {
    within(async {
        let stage = Stage::new(Project::default()).await;
        let key = stage.key("developer");
        let text = std::fs::read_to_string(stage.path("understudy.toml")).unwrap();
        let api = text.split("api = \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        // Port 1 (tcpmux) is not listened on.
        stage.edit(&format!("api = \"{api}\""), "api = \"http://127.0.0.1:1\"");
        let adopt = ["adopt", "--env", "production", "--key", &key, "--json"];
        let told = stage.run(&adopt).await.exits(8).json();
        let error = &told["error"];
        assert!(error["what"].as_str().unwrap().contains("`runner` in production"), "{told}");
        assert!(error["hint"].as_str().unwrap().starts_with("try again"), "{told}");
        assert!(!error["why"].as_array().unwrap().is_empty(), "{told}");
        assert_eq!(told["error"]["name"], "unavailable");
        // One place that answers is worth a tick; none is told at once instead of ticking over nothing.
        stage.run(&["tick"]).await.exits(0);
        stage.edit(&format!("api = \"{api}\""), "api = \"http://127.0.0.1:1\"");
        stage.run(&["tick"]).await.exits(8).says(&["cannot be looked at", "help: try again"]);
        stage.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_and_what_for_must_be_known() {
    within(async {
        let stage = Stage::new(Project::default()).await;
        let key = stage.key("developer");
        let start = ["start", "--to", "production"];
        stage.run(&start).await.exits(2).says(&["who asks", "--key FILE", "UNDERSTUDY_KEY"]);
        stage
            .run(&["start", "--to", "production", "--key", "keys/nobody"])
            .await
            .exits(2)
            .says(&["keys/nobody"]);
        stage.run(&["start", "--to", "prod", "--key", &key]).await.exits(2).says(&["no environment `prod`"]);
        stage.run(&["breaker", "--env", "prod"]).await.exits(2).says(&["no environment `prod`"]);
        let late = stage.path("demo");
        let dir = late.display().to_string();
        stage
            .run(&["demo", "--dir", &dir, "--settle", "abc"])
            .await
            .exits(2)
            .says(&["--settle", "abc", "500ms"]);
        assert!(!late.exists(), "nothing was begun");
        // A directory with something in it is nobody's stage.
        let dir = stage.path("keys").display().to_string();
        stage.run(&["demo", "--dir", &dir]).await.exits(2).says(&["is not empty", "it holds"]);
        assert!(stage.path("keys/lead").exists(), "and what is in it stays");
        let nothing = stage.run(&["start", "--to", "production", "--key", &key]).await.exits(3);
        nothing.says(&["nothing runs in `staging`", "help: promote deploy --env staging"]);
        let direct = ["deploy", "--env", "production", "--key", &key, "--image", "registry.fly.io/x:1"];
        stage.run(&direct).await.exits(3).says(&["is production", "help: promote start --to production"]);
        stage.run(&["show", "p-000000"]).await.exits(2).says(&["no promotion `p-000000`", "promote history"]);
        stage.run(&["promote"]).await.exits(2);
        stage.end().await;
    })
    .await;
}

/// What tests run on is part of what people approve: files of the project, and none that never ends or lies elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn base_data_are_files_of_the_project() {
    within(async {
        let stage = Stage::new(Project { rules: "base-data = [\"seed.sql\"]\n", ..Project::default() }).await;
        let (key, image) = (stage.key("developer"), stage.push("1.0.0").await);
        let deploy = ["deploy", "--env", "staging", "--bootstrap", "--key", &key, "--image", &image];
        let refused = async |why: &str| {
            let said = ["the base data seed.sql cannot be read", why, "[promotion.staging.production]"];
            stage.run(&deploy).await.exits(2).says(&said);
        };
        let seed = stage.path("seed.sql");
        refused("No such file").await;
        for elsewhere in [std::path::Path::new("/dev/null"), &exe()] {
            std::os::unix::fs::symlink(elsewhere, &seed).unwrap();
            refused("it lies outside of the project's directory").await;
            std::fs::remove_file(&seed).unwrap();
        }
        drop(std::os::unix::net::UnixListener::bind(&seed).unwrap());
        refused("it is no regular file").await;
        std::fs::remove_file(&seed).unwrap();
        std::fs::create_dir(&seed).unwrap();
        refused("it is a directory: name the files in it").await;
        std::fs::remove_dir(&seed).unwrap();
        std::fs::write(&seed, "insert 1").unwrap();
        stage.run(&deploy).await.exits(0);
        stage.end().await;
    })
    .await;
}
