//! The first quarter of an hour: `init`, `doctor`, `adopt`, `plan`, in repositories of three shapes whose apps flyctl made.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{PRODUCTION, Project, Ran, STAGING, Stage, beside, ended, exe, within};

/// As in codecanvas: `[[services]]` without a path to check, staging's own file with another size, no health route.
const SERVICES: &[(&str, &str)] = &[
    (
        "fly.toml",
        "app = \"runner\"\nkill_timeout = 5\n[env]\nPORT = \"8080\"\nNUM_RUNNERS = \"20\"\n\
         [experimental]\nauto_rollback = true\n[[services]]\ninternal_port = 8080\nprotocol = \"tcp\"\n\
         [[services.ports]]\nforce_https = true\nhandlers = [\"http\"]\nport = 80\n\
         [[services.ports]]\nhandlers = [\"tls\", \"http\"]\nport = 443\n\
         [[services.tcp_checks]]\ngrace_period = \"1s\"\ninterval = \"15s\"\ntimeout = \"2s\"\n",
    ),
    (
        "fly.staging.toml",
        "app = \"runner-staging\"\nprimary_region = \"fra\"\n[env]\nPORT = \"8080\"\nNUM_RUNNERS = \"5\"\nENVIRONMENT = \"staging\"\n\
         [http_service]\ninternal_port = 8080\nmin_machines_running = 0\n\
         [[http_service.checks]]\npath = \"/readyz\"\ninterval = \"15s\"\ntimeout = \"2s\"\n\
         [[vm]]\nmemory = \"256mb\"\ncpu_kind = \"shared\"\ncpus = 1\n",
    ),
    (".github/workflows/fly.yml", "on: push\njobs: {}\n"),
];

/// As in blue-banded-bee: one app with checks and migrations, review apps of its own, no staging.
const MIGRATIONS: &[(&str, &str)] = &[
    (
        "fly.toml",
        "app = \"runner\"\nprimary_region = \"fra\"\n[deploy]\nstrategy = \"immediate\"\n[env]\nAPP_ENV = \"production\"\n\
         PORT = \"8080\"\nAPP_URL = \"https://runner.fly.dev\"\n[http_service]\ninternal_port = 8080\n\
         max_machines_running = 1\nprocesses = [\"app\"]\n[[http_service.checks]]\ngrace_period = \"30s\"\ninterval = \"15s\"\n\
         timeout = \"10s\"\nmethod = \"GET\"\npath = \"/readyz\"\n[processes]\napp = \"\"\n[[vm]]\nsize = \"performance-1x\"\n",
    ),
    (".fly/review_apps.toml", "app = [\"not\", \"ours\"]\n[vm]\nsize = {from_secret = 1}\n"),
    ("supabase/migrations/20250101000000_init.sql", "create table t ();\n"),
    ("supabase/config.toml", "project_id = \"x\"\n"),
];

/// As in roast-my-post: a monorepo; the app that is deployed is one of several packages.
const MONOREPO: &[(&str, &str)] = &[
    ("package.json", "{\"private\": true}\n"),
    (
        "apps/web/fly.toml",
        "app = \"runner\"\n[env]\nNODE_ENV = \"production\"\nPORT = \"8080\"\n[http_service]\ninternal_port = 8080\n\
         [[http_service.checks]]\npath = \"/readyz\"\ninterval = \"30s\"\ntimeout = \"5s\"\n",
    ),
    ("apps/mcp-server/package.json", "{}\n"),
    ("internal-packages/db/prisma/migrations/1_init/migration.sql", "create table t ();\n"),
    ("node_modules/dep/fly.toml", "broken = [\n"),
];

struct Repository<'s> {
    stage: &'s Stage,
}

impl<'s> Repository<'s> {
    fn new(stage: &'s Stage, files: &[(&str, &str)]) -> Self {
        for (name, text) in files {
            stage.write(&format!("repository/{name}"), text);
        }
        for who in ["developer", "lead"] {
            let key = providers::ssh::read_or_make_key(&stage.path("keys").join(who)).unwrap();
            stage.write(
                &format!("keys/{who}.pub"),
                &format!("{} {who}@acme\n", providers::ssh::public_line(&key)),
            );
        }
        Self { stage }
    }

    async fn run(&self, program: &str, args: &[&str]) -> Ran {
        let mut command = self.stage.command_of(program, args);
        command.current_dir(self.stage.path("repository")).envs(self.stage.stand_in());
        command.env("UNDERSTUDY_KEY", self.stage.key("lead"));
        ended(command.spawn().unwrap()).await
    }

    async fn stagectl(&self, args: &[&str]) -> Ran {
        self.run(&beside("stagectl").display().to_string(), args).await
    }

    async fn promote(&self, args: &[&str]) -> Ran {
        self.run(&exe().display().to_string(), args).await
    }
}

/// What was changed since, at the provider.
fn changes(stage: &Stage, since: usize) -> BTreeSet<String> {
    let lines = stage.audit_lines();
    let applied = lines[since..].iter().filter(|line| line["applied"] == true);
    applied.map(|line| line["action"].as_str().unwrap().to_owned()).collect()
}

async fn comes_to_a_plan(files: &[(&str, &str)]) {
    let stage = Stage::new(Project::default()).await;
    let (old, new) = (stage.push("1.0.0").await, stage.push("1.1.0").await);
    stage.deployed_to(PRODUCTION, &old).await;
    stage.deployed_to(STAGING, &new).await;
    let before = stage.machines(PRODUCTION).await;
    let since = stage.audit_lines().len();
    let it = Repository::new(&stage, files);

    let leads = ["developer", "lead"].map(|who| format!("{}.pub", stage.key(who)));
    let init = ["init", "--json", "--lead", &leads[0], "--lead", &leads[1]];
    let told = it.stagectl(&init).await.exits(0).json();
    let written = |told: &Value, state: &str| {
        let files = told["files"].as_array().unwrap();
        files.iter().filter(|file| file["state"] == state).count()
    };
    assert_eq!(written(&told, "written"), 3, "{told}");
    let told = it.stagectl(&init).await.exits(0).json();
    assert_eq!(written(&told, "unchanged"), 3, "{told}");

    let told = it.stagectl(&["doctor", "--json"]).await.exits(0).json();
    let bad = told["findings"].as_array().unwrap().iter().filter(|it| it["state"] == "bad").count();
    assert_eq!((bad, changes(&stage, since)), (0, BTreeSet::new()), "{told}");

    for (environment, version) in [("production", "1.0.0"), ("staging", "1.1.0")] {
        let adopt = ["adopt", "--env", environment, "--version", version];
        it.promote(&[&adopt[..], &["--dry-run"]].concat()).await.exits(0);
        assert_eq!(changes(&stage, since), BTreeSet::new());
    }
    for (environment, version) in [("production", "1.0.0"), ("staging", "1.1.0")] {
        it.promote(&["adopt", "--env", environment, "--version", version]).await.exits(0);
    }
    // Labels, a lease while they are written, and a tag that keeps the image which runs.
    let labels =
        ["lease-acquire", "lease-release", "metadata-patch", "registry-manifest-put"].map(String::from);
    assert_eq!(changes(&stage, since), BTreeSet::from(labels));
    for (machine, was) in stage.machines(PRODUCTION).await.iter().zip(&before) {
        assert_eq!(
            (&machine.id, &machine.instance_id),
            (&was.id, &was.instance_id),
            "none got a new version"
        );
    }

    let since = stage.audit_lines().len();
    // What runs on staging passed no suite yet: that is the one thing that is missing.
    let plan = it.promote(&["plan", "--to", "production", "--json"]).await.exits(3).json();
    let closed = plan["closed"].as_str().unwrap();
    assert!(closed.starts_with("attestation: ") && closed.contains("suite `smoke`"), "{closed}");
    let calls = plan["plan"]["preview"].as_array().unwrap();
    assert!(!calls.is_empty(), "{plan}");
    assert_eq!(changes(&stage, since), BTreeSet::new());
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_with_services_and_a_file_for_staging_comes_to_a_plan() {
    within(comes_to_a_plan(SERVICES)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_with_migrations_and_review_apps_comes_to_a_plan() {
    within(comes_to_a_plan(MIGRATIONS)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_monorepo_comes_to_a_plan() {
    within(comes_to_a_plan(MONOREPO)).await;
}
