//! P9: no secret in anything that comes out, whatever the provider says back.

use std::path::{Path, PathBuf};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::{PRODUCTION, Project, Ran, Stage, TOKEN, TOKEN_STAGING, ended, within};

/// What an app keeps at the provider.
const PASSWORD: &str = "postgres://app:hunter2hunter2@db.internal/shop";

/// Everything that nobody may read: tokens, a secret of the app, and the private halves of people's keys.
fn secrets(stage: &Stage) -> Vec<String> {
    let mut secrets: Vec<String> = [TOKEN, TOKEN_STAGING, "hunter2hunter2"].map(ToOwned::to_owned).into();
    for who in ["developer", "lead"] {
        let key = std::fs::read_to_string(stage.key(who)).unwrap();
        let lines: Vec<&str> = key.lines().filter(|line| !line.starts_with('-')).collect();
        assert!(lines.len() > 3, "a key has lines");
        // The first ones are public: the form's name and the public half. The private half is told behind them.
        secrets.extend(lines[2..].iter().filter(|line| line.len() > 20).map(|line| (*line).to_owned()));
    }
    secrets
}

/// Demands that none of them stands in `bytes`.
fn hides(what: &str, bytes: &[u8], secrets: &[String]) {
    let text = String::from_utf8_lossy(bytes);
    for secret in secrets {
        let near = text.find(secret.as_str()).map(|at| text[..at].chars().rev().take(60).collect::<String>());
        let near = near.map(|near| near.chars().rev().collect::<String>());
        assert_eq!(near, None, "{what} has a secret of {} letters after this", secret.len());
    }
}

fn says_none(what: &str, ran: &Ran, secrets: &[String]) {
    hides(&format!("stdout of {what}"), ran.out.as_bytes(), secrets);
    hides(&format!("stderr of {what}"), ran.err.as_bytes(), secrets);
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// A good promotion and a bad one, every verb that shows something, and a token that nobody knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p9_nothing_that_a_promotion_leaves_or_says_has_a_secret() {
    within(async {
        let (stage, [old, _]) = Stage::played(Project { approvals: 0, ..Project::default() }).await;
        stage.set_secret(PRODUCTION, "DATABASE_URL", PASSWORD).await;
        let secrets = secrets(&stage);
        let key = stage.key("lead");
        let start = ["start", "--to", "production", "--key", &key];
        let run = async |args: &[&str]| {
            let ran = stage.run(args).await;
            says_none(&args.join(" "), &ran, &secrets);
            ran
        };
        run(&["plan", "--to", "production", "--explain-defaults", "--key", &key]).await.exits(0);
        stage.fail_smoke(true);
        run(&[&start[..], &["--accept-nothing"]].concat()).await.exits(2);
        run(&start).await.exits(5);
        stage.fail_smoke(false);
        let done = run(&[&start[..], &["--json"]].concat()).await.exits(0).json();
        let id = done["id"].as_str().unwrap();
        for verb in ["show", "explain"] {
            run(&[verb, id]).await.exits(0);
            run(&[verb, id, "--json"]).await.exits(0);
        }
        for verb in ["status", "history", "tick"] {
            run(&[verb]).await.exits(0);
            run(&[verb, "--json"]).await.exits(0);
        }
        run(&["rollback", "--env", "production", "--reason", "slow", "--accept-secrets", "--key", &key])
            .await
            .exits(0);

        // What lies about afterwards: the journal and the provider's audit log above all.
        let is_secret = |path: &PathBuf| path.extension().is_some_and(|end| end == "token");
        let (keys, cloud) = (stage.path("keys"), stage.path("cloud"));
        let left = files(&stage.path("."));
        let left = left.iter().filter(|path| !is_secret(path));
        let left = left.filter(|path| !path.starts_with(&keys) && !path.starts_with(stage.path("./keys")));
        let own = left.filter(|path| !path.starts_with(&cloud) && !path.starts_with(stage.path("./cloud")));
        let own: Vec<_> = own.cloned().chain([stage.audit()]).collect();
        let is_there = |name: &str| own.iter().any(|path| path.ends_with(name));
        assert!(is_there("understudy.db") && is_there("audit.jsonl"), "{own:?}");
        for path in own {
            hides(&path.display().to_string(), &std::fs::read(&path).unwrap(), &secrets);
        }

        // A token that nobody knows is refused, and told by its reference.
        let other = "token-of-nobody-at-all-9876543210";
        std::fs::write(stage.path("production.token"), other).unwrap();
        let other = [other.to_owned()];
        for args in
            [&["status"][..], &start[..], &["start", "--to", "production", "--release", &old, "--key", &key]]
        {
            says_none("a refused token", &stage.run(args).await, &other);
        }
        stage.end().await;
    })
    .await;
}

/// Whoever answers at the API's address sends back what came: in the text of the error, in its request id, as JSON and
/// as it likes. It answers for as long as the set of tasks is held.
async fn echo() -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut n = 0;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            let mut part = [0; 4096];
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut part).await {
                    Ok(count) if count > 0 => head.extend_from_slice(&part[..count]),
                    _ => break,
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization:"));
            let sent = line.and_then(|line| line.split_once(": ")).map_or("nothing", |(_, sent)| sent);
            n += 1;
            let (status, body) = match n % 3 {
                0 => ("401 Unauthorized", format!("you sent {sent}")),
                1 => ("403 Forbidden", serde_json::json!({"error": format!("you sent {sent}")}).to_string()),
                _ => (
                    "422 Unprocessable Entity",
                    serde_json::json!({"message": format!("you sent {sent}")}).to_string(),
                ),
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\nfly-request-id: {sent}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _gone = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, tasks)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p9_a_provider_that_sends_the_token_back_makes_nobody_repeat_it() {
    within(async {
        let (stage, _) = Stage::played(Project { approvals: 0, ..Project::default() }).await;
        let secrets = secrets(&stage);
        let project = std::fs::read_to_string(stage.path("understudy.toml")).unwrap();
        let api = project.split("api = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let (url, _answering) = echo().await;
        std::fs::write(stage.path("understudy.toml"), project.replace(api, &url)).unwrap();
        let (key, before) = (stage.key("lead"), stage.audit_lines().len());
        let mut heard = String::new();
        for args in [
            &["status"][..],
            &["plan", "--to", "production", "--key", &key],
            &["start", "--to", "production", "--key", &key],
            &["start", "--to", "production", "--key", &key, "--json"],
            &["rollback", "--env", "production", "--reason", "slow", "--key", &key],
            &["tick"],
        ] {
            let ran = ended(stage.command(args).env("RUST_BACKTRACE", "1").spawn().unwrap()).await;
            says_none(&args.join(" "), &ran, &secrets);
            heard.push_str(&ran.out);
            heard.push_str(&ran.err);
        }
        assert!(heard.contains("you sent"), "the provider's own words are told: {heard}");
        let journal = std::fs::read(stage.path("understudy.db")).unwrap();
        hides("the journal", &journal, &secrets);
        assert_eq!(stage.audit_lines().len(), before, "nobody was asked but the one who answers wrongly");
        stage.end().await;
    })
    .await;
}
