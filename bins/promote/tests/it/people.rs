//! Plans, and what people say to them.

use serde_json::{Value, json};

use crate::support::{PRODUCTION, Project, Stage, ended, within};

async fn records(stage: &Stage) -> Value {
    let status = stage.run(&["status", "--json"]).await.exits(0).json();
    let environments = status["environments"].as_array().unwrap().iter();
    environments.map(|it| json!([it["environment"], it["records"]])).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_at_a_plan_changes_nothing() {
    within(async {
        let (stage, [old, _]) = Stage::played(Project::default()).await;
        let key = stage.key("developer");
        let (journal, audit) = (records(&stage).await, stage.audit_lines().len());
        let told = stage.run(&["plan", "--to", "production", "--key", &key, "--json"]).await.exits(0).json();
        let hash = told["hash"].as_str().unwrap().to_owned();
        assert_eq!(
            (&told["ok"], &told["closed"], &told["plan"]["hash"]),
            (&json!(true), &Value::Null, &json!(hash))
        );
        assert!(!told["plan"]["preview"].as_array().unwrap().is_empty(), "{told}");

        let dry = ["start", "--to", "production", "--dry-run", "--key", &key, "--json"];
        assert_eq!(
            stage.run(&dry).await.exits(0).json()["hash"],
            json!(hash),
            "the same target, the same hash"
        );
        let other = ["start", "--to", "production", "--dry-run", "--release", &old, "--key", &key, "--json"];
        assert_ne!(stage.run(&other).await.exits(0).json()["hash"], json!(hash));
        // Whoever looks need not say who they are.
        let text = stage.run(&["plan", "--to", "production"]).await.exits(0).out;
        for part in [&hash, "promote 1.1.0", "`runner`", "rollback: allowed", "create", "gate attestation"] {
            assert!(text.contains(part), "`{part}` is missing in {text}");
        }
        let defaults =
            stage.run(&["plan", "--to", "production", "--explain-defaults", "--json"]).await.exits(0);
        assert!(defaults.json()["defaults"][0]["source"].is_string(), "{defaults:?}");
        let stale = ["start", "--to", "production", "--plan", "000000000000", "--key", &key];
        stage.run(&stale).await.exits(3).says(&[
            "the plan is ",
            "000000000000",
            "help: promote plan --to production",
        ]);
        // What was given goes along in what is to be typed next, once.
        let project = stage.path("understudy.toml").display().to_string();
        let stale = ["plan", "--to", "production", "--plan", "000000000000", "--project", &project];
        let help = format!("help: promote plan --to production --project {project}\n");
        let said = stage.run(&stale).await.exits(3).says(&[&help]);
        assert_eq!(said.err.matches("--project").count(), 1, "{}", said.err);

        // A release that brings other rules shows which.
        stage.edit("soak = \"0s\"", "soak = \"5m\"");
        let text = stage.run(&["plan", "--to", "production"]).await.exits(0).out;
        let rules = text.split("this release brings other rules").nth(1).unwrap_or_default();
        let rules: Vec<_> = rules.lines().skip(1).take_while(|line| line.starts_with("    ")).collect();
        assert_eq!(rules, ["    soak: 0s; the release brings 5m"], "{text}");
        assert_eq!(records(&stage).await, journal);
        let lines = stage.audit_lines().split_off(audit);
        let applied: Vec<_> = lines.iter().filter(|line| line["applied"] == true).collect();
        assert!(applied.is_empty(), "{applied:?}");
        stage.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_is_over_this_plan_by_somebody_else_with_proof() {
    within(async {
        let (stage, _) = Stage::played(Project::default()).await;
        let (developer, lead) = (stage.key("developer"), stage.key("lead"));
        let start = |key| ["start", "--to", "production", "--exit-code", "--key", key, "--json"];

        let own = stage.run(&start(&lead)).await.exits(7).json();
        assert_eq!(
            (&own["ok"], &own["state"], &own["phase"]),
            (&json!(false), &json!("waiting"), &json!("awaiting-approval"))
        );
        let (id, plan) = (own["id"].as_str().unwrap(), own["plan"].as_str().unwrap());
        assert_eq!(own["next"], json!(format!("promote approve {id} --plan {plan}")));
        let decide = |id, plan, key| ["approve", id, "--plan", plan, "--key", key];
        let refused = stage.run(&decide(id, plan, &lead)).await.exits(3);
        refused.says(&["asked for this promotion", "help: ", &format!("promote abort {id}")]);
        stage.run(&["reject", id, "--plan", plan, "--key", &lead]).await.exits(3);
        stage.run(&["abort", id, "--reason", "a mistake", "--key", &lead]).await.exits(0);
        let shown = stage.run(&["show", id, "--json"]).await.exits(0).json();
        assert_eq!(shown["phase"], "aborted");

        let asked = stage.run(&start(&developer)).await.exits(7).json();
        let (id, plan) = (asked["id"].as_str().unwrap(), asked["plan"].as_str().unwrap());
        let other = "0123456789abcdef";
        stage.run(&decide(id, other, &lead)).await.exits(3).says(&[
            "the plan of",
            plan,
            "help: promote show",
        ]);
        stage.run(&decide(id, plan, &developer)).await.exits(3);
        stage.run(&decide("p-nobody", plan, &lead)).await.exits(2).says(&["no promotion `p-nobody`"]);
        // Without a key the refusal says how to sign by hand; pasted, it works.
        let told = stage.run(&["approve", id, "--plan", plan, "--json"]).await.exits(2).json();
        let hint = told["error"]["hint"].as_str().unwrap();
        let script = hint.split("or: ").nth(1).unwrap().split(", then").next().unwrap();
        let script = script.replace("KEY", &lead).replace("FILE", "approval.sig");
        ended(stage.command_of("/bin/sh", &["-c", &script]).spawn().unwrap()).await.exits(0);
        let declined = stage.run(&start(&developer)).await.exits(7).json();
        let (no, its) = (declined["id"].as_str().unwrap(), declined["plan"].as_str().unwrap());
        // A signature is over one promotion and one word.
        let stolen = ["approve", no, "--plan", its, "--signature", "approval.sig"];
        stage.run(&stolen).await.exits(3).says(&["is not over this text"]);
        stage.run(&["reject", no, "--plan", its, "--key", &lead]).await.exits(0);
        assert_eq!(stage.run(&["show", no, "--json"]).await.exits(0).json()["phase"], "rejected");
        let approve = ["approve", id, "--plan", &plan[..12], "--signature", "approval.sig", "--json"];
        let approved = stage.run(&approve).await.exits(0).json();
        let by = providers::ssh::person_of_file(lead.as_ref()).unwrap();
        assert_eq!((&approved["by"], &approved["id"]), (&json!(by), &json!(id)));

        let done = stage.run(&["resume", id, "--json"]).await.exits(0).json();
        assert_eq!((&done["ok"], &done["state"]), (&json!(true), &json!("succeeded")));
        assert_eq!(done["approvals"][0]["by"], json!(by));
        let digest = done["digests"]["api"].as_str().unwrap();
        let machines = stage.machines(PRODUCTION).await;
        let serving: Vec<_> = machines.iter().filter(|machine| !machine.cordoned).collect();
        assert_eq!(serving.len(), 2);
        assert!(serving.iter().all(|machine| machine.digest().is_some_and(|it| it.to_string() == digest)));
        stage.end().await;
    })
    .await;
}

/// Who asks is who can sign: a public half, which everybody may read, is nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_has_to_sign() {
    within(async {
        let (stage, _) = Stage::played(Project::default()).await;
        let journal = records(&stage).await;
        let key = providers::ssh::read_or_make_key(stage.key("lead").as_ref()).unwrap();
        std::fs::write(stage.path("posing.pub"), providers::ssh::public_line(&key)).unwrap();
        let start = ["start", "--to", "production", "--key", "posing.pub"];
        let refused = ["posing.pub is the public half", "proves nothing", "help: give --key with the private half"];
        stage.run(&start).await.exits(2).says(&refused);
        assert_eq!(records(&stage).await, journal);

        // A key with a passphrase is unlocked by ssh-keygen, here by way of SSH_ASKPASS (ssh(1)).
        let lock = "cp keys/developer locked && chmod 600 locked && ssh-keygen -q -p -P '' -N secret -f locked && \
                    printf '#!/bin/sh\necho secret\n' > askpass && chmod 700 askpass";
        ended(stage.command_of("/bin/sh", &["-c", lock]).spawn().unwrap()).await.exits(0);
        let plan = ["plan", "--to", "production", "--key", "locked"];
        stage.run(&plan).await.exits(2).says(&["locked did not sign", "help: unlock it"]);
        let mut command = stage.command(&plan);
        command.env("SSH_ASKPASS", stage.path("askpass")).env("SSH_ASKPASS_REQUIRE", "force");
        ended(command.spawn().unwrap()).await.exits(0);

        // On a stand-in on this machine a name is enough, and the proof of a request is not asked for.
        let named = ["start", "--to", "production", "--as", "mira", "--project", "./understudy.toml", "--json"];
        let asked = stage.run(&named).await.exits(0).json();
        assert_eq!((&asked["requested_by"], &asked["state"]), (&json!("local:mira"), &json!("waiting")));
        // What is to be pasted next finds the same project.
        let next = asked["next"].as_str().unwrap();
        assert!(next.ends_with(" --project ./understudy.toml"), "{next}");
        let id = asked["id"].as_str().unwrap();
        stage.run(&["abort", id, "--reason", "a try", "--as", "mira"]).await.exits(0);
        stage.end().await;
    })
    .await;
}

/// The named exceptions are for those who may approve.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_a_breaker_is_for_those_who_may_approve() {
    within(async {
        let (stage, _) = Stage::played(Project::default()).await;
        let (developer, lead) = (stage.key("developer"), stage.key("lead"));
        let reset = |key| ["breaker", "reset", "--env", "production", "--reason", "mended", "--key", key];
        stage.run(&reset(&developer)).await.exits(3).says(&["not among those who may approve"]);
        stage.run(&reset(&lead)).await.exits(0);
        let shown = stage.run(&["breaker", "--env", "production", "--json"]).await.exits(0).json();
        assert_eq!((&shown["state"], &shown["open"]), (&json!("closed"), &json!(false)));
        assert_eq!((&shown["since"], &shown["next"]), (&Value::Null, &Value::Null));
        stage.end().await;
    })
    .await;
}

/// The class of an environment is what the journal knows, not what an edited project file says. A well-known name has
/// its class (E0209), so this one has another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_production_that_is_called_staging_is_still_production() {
    within(async {
        let stage = Stage::new(Project { approvals: 0, ..Project::default() }).await;
        stage.edit("[environments.production]\n", "[environments.live]\nclass = \"production\"\n");
        stage.edit("[promotion.staging.production]", "[promotion.staging.live]");
        stage.edit("APP_ENV = \"production\"", "APP_ENV = \"live\"");
        let (first, next) = (stage.push("1.0.0").await, stage.push("1.1.0").await);
        let key = stage.key("developer");
        let deploy = |image| ["deploy", "--env", "live", "--key", &key, "--json", "--image", image];
        let bootstrap: Vec<_> = deploy(&first).into_iter().chain(["--bootstrap"]).collect();
        stage.run(&bootstrap).await.exits(0);
        let before = stage.serving().await;
        stage.edit("class = \"production\"", "class = \"staging\"");
        let told = stage.run(&deploy(&next)).await.exits(3).json();
        let why = told["why"].as_str().unwrap();
        assert!(
            why.contains("gate class: `live` is production") && why.contains("class = \"production\""),
            "{told}"
        );
        assert_eq!(stage.serving().await, before);
        stage.end().await;
    })
    .await;
}
