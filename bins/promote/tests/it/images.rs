//! Images on their way into production: to another organisation, with labels, and kept there.

use serde_json::{Value, json};

use crate::support::{PRODUCTION, PULL, PULL_STAGING, PUSH, Project, STAGING, Stage, within};

/// The commit that [`Stage::push`] gives a version.
fn commit(version: &str) -> String {
    version.replace('.', "").repeat(14)[..40].to_owned()
}

/// fly.md 5: an organisation does not read another one's images, so they are copied, by digest, with rights that deploy
/// nothing; and whichever of an index's digests machines report, they run the release.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_goes_to_another_organisation_and_back() {
    within(async {
        let project = Project { approvals: 0, apart: true, platform_digest: true, ..Project::default() };
        let (stage, _) = Stage::played(project).await;
        let key = stage.key("developer");
        let before = stage.serving().await;
        let planned = stage.run(&["plan", "--to", "production", "--json"]).await.exits(0).json();
        let plan = &planned["plan"];
        let image = &plan["images"][0];
        let (from, to) = (image["from"].as_str().unwrap(), image["to"].as_str().unwrap());
        let digest = from.split_once('@').unwrap().1;
        assert!(
            from.contains(&format!("/{STAGING}@")) && to.contains(&format!("/{PRODUCTION}@{digest}")),
            "{image}"
        );
        assert!(image["bytes_missing"].as_u64().unwrap() > 0 && image["can_mount"] == false, "{image}");
        let warnings = plan["warnings"].to_string();
        assert!(!warnings.contains("token") && !warnings.contains("resolve"), "{warnings}");
        let text = stage.run(&["plan", "--to", "production"]).await.exits(0).out;
        assert!(
            text.contains(&format!("image {from} -> ")) && text.contains("to move, through here"),
            "{text}"
        );

        let ran = stage.run(&["start", "--to", "production", "--key", &key, "--json"]).await.exits(0);
        let ran = ran.says(&["copying", "  api: image ", "  api: sent "]);
        let done = ran.json();
        assert_eq!((&done["phase"], &done["plan"]), (&json!("succeeded"), &planned["hash"]));
        let record = &done["images"]["api"];
        assert_eq!((&record["image"], &record["bytes_sent"]), (&json!(to), &image["bytes_missing"]));
        // The machines report the platform's manifest, which is a part of the index that they were configured with.
        let platform = record["platforms"]["linux/amd64"].as_str().unwrap();
        assert_ne!(platform, digest);
        let machines = stage.machines(PRODUCTION).await;
        let serving: Vec<_> = machines.iter().filter(|machine| !machine.cordoned).collect();
        assert_eq!(serving.len(), 2);
        for machine in serving {
            assert_eq!(machine.digest().unwrap().as_str(), platform);
            let config = machine.config.as_ref().unwrap();
            assert_eq!(config.image, to);
            assert_eq!(config.metadata["understudy_environment"], "production");
        }
        // Both releases are kept in production's repository.
        for version in ["1.0.0", "1.1.0"] {
            let tag = format!("{PRODUCTION}:production-{}", commit(version));
            assert!(stage.digest_of(&tag).await.is_some(), "{tag}");
        }
        assert_eq!(
            stage.digest_of(&format!("{PRODUCTION}:production-{}", commit("1.1.0"))).await.as_deref(),
            Some(digest)
        );
        let key = stage.key("lead");
        stage.run(&["rollback", "--env", "production", "--key", &key]).await.exits(0);
        assert_eq!(stage.serving().await, before);
        for token in [PULL, PUSH, PULL_STAGING] {
            assert!(!ran.err.contains(token) && !ran.out.contains(token));
        }
        stage.end().await;
    })
    .await;
}

/// Without rights of their own the copies are made with what deploys, and the plan says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_with_a_token_that_deploys_is_said_in_the_plan() {
    within(async {
        let (stage, _) = Stage::played(Project { apart: true, ..Project::default() }).await;
        stage.edit("registry = { pull = \"file:pull-staging.token\" }\n", "");
        let text = stage.run(&["plan", "--to", "production"]).await.exits(0).out;
        assert!(text.contains("images are read in `staging` with the token that deploys there"), "{text}");
        assert!(!text.contains("written in `production`"), "{text}");
        // A right that does not reach: nothing begins, and it is said whose image it is.
        stage.edit("token = \"file:staging.token\"", "token = \"file:production.token\"");
        stage.edit(
            "[environments.production]",
            "[shared]\nsecrets = [\"file:production.token\"]\n[environments.production]",
        );
        let refused = stage.run(&["start", "--to", "production", "--key", &stage.key("developer")]).await;
        assert_ne!(refused.code, Some(0));
        assert!(format!("{}{}", refused.out, refused.err).contains("another organisation"), "{refused:?}");
        stage.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_says_another_commit_is_refused() {
    within(async {
        let stage = Stage::new(Project::default()).await;
        let image = stage.push("1.0.0").await;
        let key = stage.key("developer");
        let lie = ["--image", &image, "--commit", "ffffffffffffffffffffffffffffffffffffffff", "--key", &key];
        let deploy = [&["deploy", "--env", "staging", "--bootstrap"][..], &lie].concat();
        let ran = stage.run(&deploy).await.exits(3);
        let said = format!("{}{}", ran.out, ran.err);
        for part in ["gate labels", &commit("1.0.0"), "org.opencontainers.image.revision", "--commit"] {
            assert!(said.contains(part), "`{part}` is missing in {said}");
        }
        assert!(stage.machines(STAGING).await.is_empty());
        // As people type it, which is nothing to refuse a plan for.
        let short = &commit("1.0.0")[..12];
        let truth = ["--image", &image, "--commit", short, "--version", "v1.0.0", "--key", &key, "--dry-run"];
        stage.run(&[&["deploy", "--env", "staging", "--bootstrap"][..], &truth].concat()).await.exits(0);
        stage.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_back_that_retention_took_is_in_the_plan() {
    within(async {
        let (stage, _) = Stage::played(Project::default()).await;
        let warnings = async || {
            let planned = stage.run(&["plan", "--to", "production", "--json"]).await.exits(0).json();
            let list = planned["plan"]["warnings"].as_array().unwrap().clone();
            let said = list.iter().filter_map(Value::as_str).filter(|text| text.contains("resolve"));
            (planned["hash"].clone(), said.map(str::to_owned).collect::<Vec<_>>())
        };
        let (hash, none) = warnings().await;
        assert_eq!(none, Vec::<String>::new());
        let digest = stage.serving().await.pop_first().unwrap();
        stage.prune(&digest).await;
        let (same, said) = warnings().await;
        assert_eq!(same, hash);
        let [one] = &said[..] else { panic!("{said:?}") };
        assert!(
            one.contains(&digest) && one.contains("runs in `runner` and does not resolve any more"),
            "{one}"
        );
        stage.end().await;
    })
    .await;
}
