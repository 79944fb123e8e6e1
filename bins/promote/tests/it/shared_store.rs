//! A store that several machines share: PostgreSQL, through a pooler as teams have it.

use stores::testing::{Cluster, Pooler};

use crate::support::{Project, STAGING, Stage, within};

/// A project whose store is at `url`, which it has from a file because of the password.
async fn stage(url: &str) -> Stage {
    let stage = Stage::new(Project { approvals: 0, ..Project::default() }).await;
    stage.edit("\"sqlite:understudy.db?lease=5s\"", "\"file:store.url\"");
    std::fs::write(stage.path("store.url"), url).unwrap();
    stage
}

fn hides_the_password(text: &str) {
    assert!(Cluster::password().iter().all(|password| !text.contains(password)), "{text}");
}

/// A runner is killed in the middle of a promotion; another process, which knows nothing but the store's address, brings
/// it to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_goes_on_from_the_shared_store_alone() {
    within(async {
        let cluster = Cluster::start();
        let pooler = Pooler::before(&cluster);
        let stage = stage(&pooler.url("lease=2s&schema=shop")).await;
        let empty =
            stage.run(&["status"]).await.exits(2).says(&["there is no journal at postgres://", "shop"]);
        hides_the_password(&format!("{}{}", empty.out, empty.err));
        assert_eq!(
            cluster.sql("select count(*) from pg_namespace where nspname = 'shop'"),
            "0",
            "looked only"
        );

        let (old, new) = (stage.push("1.0.0").await, stage.push("1.1.0").await);
        stage.put("production", &old).await;
        stage.put("staging", &new).await;
        let key = stage.key("developer");
        let start = ["start", "--to", "production", "--key", &key, "--json"];
        let mut runner = stage.command(&start).spawn().unwrap();
        let under_way = "select count(*) from shop.record where environment = 'production' \
                         and body::json->'entry'->>'kind' = 'came' and (body::json->>'epoch')::int > 1";
        while cluster.sql(under_way) == "0" {
            assert!(runner.try_wait().unwrap().is_none(), "it is killed before its end");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        runner.kill().await.unwrap();
        let status = stage.run(&["status", "--env", "production", "--json"]).await.exits(0).json();
        let id =
            status["environments"][0]["under_way"][0]["id"].as_str().expect("it is under way").to_owned();
        stage.tick_until(&id, "succeeded").await;
        assert!(!stage.files().iter().any(|name| name.ends_with(".db")), "{:?}", stage.files());
        assert_eq!(stage.machines(STAGING).await.len(), 2);
        stage.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_cannot_be_used_is_told_without_its_password() {
    within(async {
        let stage = stage(&Cluster::url_at("127.0.0.1", 1, "")).await;
        let gone = stage.run(&["status"]).await.exits(8);
        let gone = gone.says(&["the store cannot be opened", "@127.0.0.1:1/", "cannot be reached", "help: "]);
        hides_the_password(&format!("{}{}", gone.out, gone.err));

        let plain = Cluster::url_at("127.0.0.1", 1, "");
        let told = stage.run(&["status", "--store", &plain]).await.exits(2);
        let told = told.says(&["has a password in it", "--store env:UNDERSTUDY_STORE"]);
        hides_the_password(&format!("{}{}", told.out, told.err));

        let command = |url: &str| {
            let mut command = stage.command(&["status", "--store", "env:STORE"]);
            command.env("STORE", url);
            command
        };
        let wrong = Cluster::url_at("127.0.0.1", 1, "sslmode=prefer");
        let told = crate::support::ended(command(&wrong).spawn().unwrap()).await.exits(2);
        let told = told.says(&["`sslmode` lets the network choose", "verify-full"]);
        hides_the_password(&format!("{}{}", told.out, told.err));
        stage.end().await;
    })
    .await;
}

/// The journal must not lie in what a promotion can migrate, restore or pause; also where its address is a secret, which
/// the project file does not show.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_inside_a_promoted_database_is_refused() {
    within(async {
        let reference = "abcdefghijklmnopqrst";
        for url in [
            format!("postgres://postgres:pw@db.{reference}.supabase.co:5432/postgres"),
            format!("postgres://postgres.{reference}:pw@aws-0-eu.pooler.supabase.com:6543/postgres"),
        ] {
            let stage = stage(&url).await;
            let component = "[components.db]\nkind = \"supabase\"\nmigrations = \"m\"\n\n[components.api]\n";
            stage.edit("[components.api]\n", component);
            stage.edit(
                "[environments.production]\n",
                &format!("[environments.production]\ndb.project = \"{reference}\"\n"),
            );
            let told = stage.run(&["status"]).await.exits(3);
            told.says(&[
                "the journal is in a database",
                "environments.production.db",
                "a database of its own",
            ]);
            stage.end().await;
        }
    })
    .await;
}

/// From a file on one machine to a store that many share, and on from there: what was deployed, tested and attested
/// counts as before, and nobody goes on in the file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_moves_into_a_shared_store_and_the_old_one_is_closed() {
    within(async {
        let cluster = Cluster::start();
        let (stage, _) = Stage::played(Project { approvals: 0, ..Project::default() }).await;
        let key = stage.key("developer");
        let mut expected = stage.run(&["status", "--json"]).await.exits(0).json();
        // In the new store: that it left the old one, and that it came.
        for chain in expected["environments"].as_array_mut().unwrap() {
            chain["records"] = (chain["records"].as_u64().unwrap() + 2).into();
        }
        std::fs::write(stage.path("store.url"), cluster.url("lease=2s")).unwrap();

        let from = "sqlite:understudy.db";
        let plain = stage.run(&["migrate-store", "--from", from, "--to", &cluster.url("")]).await.exits(2);
        hides_the_password(&plain.says(&["has a password in it"]).err);
        let none = stage.run(&["migrate-store", "--from", "sqlite:typo.db", "--to", "file:store.url"]).await;
        none.exits(2).says(&["there is no journal at"]);
        let dry = ["migrate-store", "--from", from, "--to", "file:store.url", "--dry-run", "--json"];
        let told = stage.run(&dry).await.exits(0).json();
        assert_eq!(cluster.sql("select count(*) from pg_namespace where nspname = 'understudy'"), "0");
        let moved = stage.run(&["migrate-store", "--from", from, "--to", "file:store.url", "--json"]).await;
        let moved = moved.exits(0).json();
        let records = |said: &serde_json::Value| -> Vec<u64> {
            let chains = said["environments"].as_array().unwrap().iter();
            chains.map(|chain| chain["records"].as_u64().unwrap()).collect()
        };
        let with_the_move: Vec<u64> = records(&told).iter().map(|n| n + 1).collect();
        assert_eq!(records(&moved), with_the_move, "each chain says that it moved");
        assert_eq!(moved["warnings"], serde_json::json!([]), "the runner's key went along");
        let again = stage.run(&["migrate-store", "--from", from, "--to", "file:store.url", "--json"]).await;
        assert_eq!(again.exits(0).json()["environments"][0]["copied"], 0);

        let start = ["start", "--to", "production", "--key", &key, "--json"];
        stage
            .run(&start)
            .await
            .exits(3)
            .says(&["the journal of production moved to postgres://", "name the new store"]);
        // A word of somebody, too.
        let lock = ["lock", "--env", "production", "--reason", "a word", "--key", &key];
        stage.run(&lock).await.exits(3).says(&["the journal of production moved to postgres://"]);

        stage.edit("\"sqlite:understudy.db?lease=5s\"", "\"file:store.url\"");
        assert_eq!(stage.run(&["status", "--json"]).await.exits(0).json(), expected);
        let done = stage.run(&start).await.exits(0).json();
        assert_eq!(done["state"], "succeeded", "{done}");
        stage.end().await;
    })
    .await;
}
