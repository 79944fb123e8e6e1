//! The runner's key by reference: machines that live for one job sign as one and the same runner.

use serde_json::Value;

use crate::support::{Project, Ran, Stage, ended, within};

/// A machine of its own: with a home of its own, and with the runner's key or without.
struct Machine<'s> {
    stage: &'s Stage,
    home: &'static str,
    key: Option<String>,
}

impl Machine<'_> {
    async fn promote(&self, args: &[&str]) -> Ran {
        let mut command = self.stage.command(args);
        command.env("HOME", self.stage.path(self.home));
        command.envs(self.key.iter().map(|key| ("RUNNER_KEY", key)));
        ended(command.spawn().unwrap()).await
    }

    /// Whether a key was made here.
    fn has_own_key(&self) -> bool {
        let states = self.stage.path(self.home).join(".local/state/understudy");
        let names = std::fs::read_dir(states).into_iter().flatten().flatten();
        names.into_iter().any(|entry| entry.path().extension().is_some_and(|it| it == "attestor"))
    }
}

/// A shared journal whose runners have the key in a variable; answers the key.
async fn shared() -> (Stage, String) {
    let stage = Stage::new(Project { bucket: true, ..Project::default() }).await;
    let key = providers::ssh::read_or_make_key(&stage.path("keys").join("runner")).unwrap();
    let line =
        format!("runner namespaces=\"understudy-attestation\" {}\n", providers::ssh::public_line(&key));
    let signers = std::fs::read_to_string(stage.path(".understudy/allowed_signers")).unwrap();
    stage.write(".understudy/allowed_signers", &format!("{signers}{line}"));
    stage.edit("[store]\n", "[store]\nkey = \"env:RUNNER_KEY\"\n");
    let text = std::fs::read_to_string(stage.path("keys/runner")).unwrap();
    (stage, text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_what_one_machine_attested_counts_on_another_that_has_the_same_key() {
    within(async {
        let (stage, key) = shared().await;
        let (old, new) = (stage.push("1.0.0").await, stage.push("1.1.0").await);
        let one = Machine { stage: &stage, home: "one", key: Some(key.clone()) };
        let lead = stage.key("lead");
        for (environment, image) in [("staging", &old), ("production", &old), ("staging", &new)] {
            let deploy = ["deploy", "--env", environment, "--image", image, "--key", &lead];
            let bootstrap: &[&str] = if environment == "production" { &["--bootstrap"] } else { &[] };
            one.promote(&[&deploy, bootstrap].concat()).await.exits(0);
        }
        // What passes through a variable of CI loses the end of its last line.
        let two = Machine { stage: &stage, home: "two", key: Some(key.trim_end().to_owned()) };
        let plan = two.promote(&["plan", "--to", "production", "--json"]).await.exits(0).json();
        assert_eq!(plan["closed"], Value::Null, "{plan}");
        assert_eq!((one.has_own_key(), two.has_own_key()), (false, false));

        // Whoever has the key does not say by that whose word counts: that stands in the allowed signers.
        let signers = std::fs::read_to_string(stage.path(".understudy/allowed_signers")).unwrap();
        let others: Vec<&str> = signers.lines().filter(|line| !line.starts_with("runner ")).collect();
        stage.write(".understudy/allowed_signers", &format!("{}\n", others.join("\n")));
        let plan = two.promote(&["plan", "--to", "production", "--json"]).await.exits(3).json();
        assert!(plan["closed"].as_str().unwrap().starts_with("attestation: "), "{plan}");
        let deploy = ["deploy", "--env", "staging", "--image", &new, "--key", &lead];
        two.promote(&deploy)
            .await
            .exits(2)
            .says(&["is not among the allowed signers", "echo 'runner namespaces="]);
        stage.end().await;
    })
    .await;
}

/// Whoever looks needs no key. Whoever drives is refused before anything is asked for, and no other key is made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_without_the_key_looks_and_drives_nothing() {
    within(async {
        let (stage, key) = shared().await;
        let (image, lead) = (stage.push("1.0.0").await, stage.key("lead"));
        let deploy = ["deploy", "--env", "staging", "--image", &image, "--key", &lead];
        let none = Machine { stage: &stage, home: "none", key: None };
        none.promote(&deploy).await.exits(2).says(&["the runner's key is not here", "RUNNER_KEY is not set"]);
        none.promote(&["history"]).await.exits(2).says(&["there is no journal"]);
        Machine { stage: &stage, home: "one", key: Some(key) }.promote(&deploy).await.exits(0);
        none.promote(&["history"]).await.exits(0);
        for drives in [&["tick"][..], &["rollback", "--env", "staging", "--reason", "slow", "--key", &lead]] {
            none.promote(drives).await.exits(2).says(&["RUNNER_KEY is not set"]);
        }
        assert!(!none.has_own_key());

        let wrong = Machine { stage: &stage, home: "none", key: Some("fo1_not-a-key".to_owned()) };
        let ran = wrong.promote(&["tick"]).await.exits(2).says(&["env:RUNNER_KEY cannot be used"]);
        assert!(!ran.err.contains("fo1_not"), "{}", ran.err);
        wrong.promote(&["history"]).await.exits(0);
        stage.end().await;
    })
    .await;
}
