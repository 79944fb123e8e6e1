//! `stagectl doctor` where little works: what is wrong is said one by one, with what mends it. Where all works it is tested
//! with `promote`, against a stand-in.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    process::Command,
    thread,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::check::folder;

const FLY: &str = "\
app = \"runner\"
[http_service]
internal_port = 8080
[[http_service.checks]]
path = \"/health\"
";

const PROJECT: &str = "\
[components.web]
config = \"fly.toml\"
[environments.production]
fly = { api = \"API\" }
web.app = \"runner\"
[environments.staging]
fly = { api = \"API\", org = \"acme\" }
web.app = \"runner-staging\"
[environments.branch]
class = \"preview\"
fly = { api = \"API\" }
web.app = \"runner-branch\"
[people]
leads = [\"ssh:SHA256:YAyRxasl1UZCnHZOVGikM9qGMaqEjND6hNUR+rBVwHc\"]
";

/// The smallest one.
const PLAIN: &str =
    "[components.web]\nconfig = \"fly.toml\"\n[environments.staging]\nweb.app = \"runner-staging\"\n";

/// The key of that fingerprint, as `ssh-keygen -l` prints it.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIETkjU5nmho8f6KLUJa+tDNNSB3R/zs4kf63ALeF/GEZ";

/// An API that tells `date`, and answers for each app as fly.md 1.8 says of what is wrong with it.
fn api(date: &'static str) -> String {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let first = lines.next().unwrap_or_default();
            let _headers = lines.take_while(|line| !line.is_empty()).count();
            let (status, body) = match first.split('/').nth(3).unwrap_or_default() {
                "runner" => ("401 Unauthorized", r#"{"error":"unauthorized"}"#),
                "runner-staging" => ("200 OK", "[]"),
                _ => ("404 Not Found", r#"{"error":"not found"}"#),
            };
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\ndate: {date}\r\ncontent-type: application/json\r\n");
            let _gone = write!(stream, "{head}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
        }
    });
    url
}

struct Seen(Value);

impl Seen {
    fn of(&self, about: &str) -> (&str, String, String) {
        let findings = self.0["findings"].as_array().unwrap();
        let found = findings.iter().find(|it| it["about"] == about);
        let found = found.unwrap_or_else(|| panic!("nothing about {about}: {}", self.0));
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        let what = if found["mend"].is_null() { "advice" } else { "mend" };
        (found["state"].as_str().unwrap(), text("seen"), text(what))
    }
}

/// The exit code, and what was seen; only these variables are set.
fn doctor(dir: &Path, home: &Path, vars: &[(&str, &str)], args: &[&str]) -> (i32, Seen) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagectl"));
    command.args(["doctor", "--json"]).args(args).current_dir(dir).env_clear().env("HOME", home);
    let output = command.envs(vars.iter().copied()).output().unwrap();
    (output.status.code().unwrap(), Seen(serde_json::from_slice(&output.stdout).unwrap()))
}

fn home() -> TempDir {
    folder(&[])
}

#[test]
fn files_come_first_and_say_which_command_makes_or_reads_them() {
    for (files, mend, seen) in [
        (&[][..], "stagectl init", "understudy.toml cannot be read"),
        (&[("understudy.toml", "[componets.x]\n")][..], "stagectl check", "componets"),
        (&[("understudy.toml", PLAIN)][..], "stagectl check", "fly.toml"),
    ] {
        let dir = folder(files);
        let (code, found) = doctor(dir.path(), home().path(), &[], &[]);
        let (state, said, mends) = found.of("files");
        assert_eq!((code, state, mends.as_str()), (15, "bad", mend));
        assert!(said.contains(seen), "{said}");
    }
}

/// Each has its own line, whatever else is broken, and the line says which command mends it; nothing is written.
#[test]
fn one_thing_that_is_broken_hides_no_other() {
    let project = PROJECT.replace("API", &api("Thu, 01 Jan 2026 00:00:00 GMT"));
    let signers = format!("mira {KEY}\n");
    let dir = folder(&[
        ("understudy.toml", &project),
        ("fly.toml", FLY),
        (".understudy/allowed_signers", &signers),
    ]);
    let home = home();
    let tokens = [("FLY_TOKEN_PRODUCTION", "fo1_a"), ("FLY_TOKEN_BRANCH", "fo1_b")];
    let (code, found) = doctor(dir.path(), home.path(), &tokens, &[]);
    assert_eq!(code, 15);
    assert_eq!(found.of("files").0, "good");
    assert_eq!(found.of("you").0, "unknown");
    assert_eq!((found.of("store").0, fs::read_dir(home.path()).unwrap().count()), ("unknown", 0));
    let (state, seen, mend) = found.of("clock");
    assert!(state == "bad" && mend.contains("timedatectl set-ntp true"), "{mend}");
    assert!(seen.contains("ahead of 127.0.0.1"), "{seen}");
    let (state, seen, mend) = found.of("production: app runner");
    assert_eq!((state, seen.as_str()), ("bad", "the token is not accepted"));
    assert!(
        mend.contains("`fly tokens create deploy --app runner`") && mend.contains("env:FLY_TOKEN_PRODUCTION"),
        "{mend}"
    );
    let (state, seen, mend) = found.of("branch: app runner-branch");
    assert!(state == "bad" && mend.contains("`fly apps create runner-branch`"), "{mend}");
    assert!(seen.contains("there is no app `runner-branch`"), "{seen}");
    let (state, seen, mend) = found.of("staging: token");
    assert_eq!(state, "bad");
    assert!(seen.contains("FLY_TOKEN_STAGING is not set"), "{seen}");
    assert_eq!(mend, "export FLY_TOKEN_STAGING=\"$(fly tokens create deploy --app runner-staging)\"");
    assert!(!found.0.to_string().contains("fo1_"), "a token is shown");
}

#[test]
fn an_app_without_machines_is_no_defect_and_one_environment_can_be_asked_alone() {
    let project = PROJECT.replace("API", &api("Thu, 01 Jan 2026 00:00:00 GMT"));
    let dir = folder(&[("understudy.toml", &project), ("fly.toml", FLY)]);
    let tokens = [("FLY_TOKEN_STAGING", "fo1_a"), ("FLY_TOKEN_PRODUCTION", "fo1_b")];
    let (_, found) = doctor(dir.path(), home().path(), &tokens, &["--env", "staging"]);
    assert_eq!(found.of("staging: app runner-staging").1, "the token reaches it; it has no machine yet");
    assert_eq!(found.of("staging: address of web").0, "unknown");
    assert!(!found.0.to_string().contains("production: "), "{}", found.0);
    // Nothing comes to staging from there, so its token is not missed.
    assert!(!found.0.to_string().contains("branch: "), "{}", found.0);
    let tokens = [("FLY_TOKEN_PRODUCTION", "fo1_b")];
    let (_, found) = doctor(dir.path(), home().path(), &tokens, &["--env", "production"]);
    assert_eq!(found.of("staging: token").0, "bad", "what is promoted is read with it");
    let (code, told) = doctor(dir.path(), home().path(), &[], &["--env", "stagin"]);
    assert_eq!((code, told.0["ok"].as_bool()), (2, Some(false)));
}

/// The requester does not count. Whoever is alone can never be approved.
#[test]
fn enough_people_have_to_be_left_beside_whoever_asks() {
    let project = PROJECT.replace("API", "http://127.0.0.1:1");
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1uB1FUCkqnrkkXBWUvPDJ2wZ8m6w8zd2iS6mWtOo5j";
    let (mira, jo) = (format!("mira {KEY}\n"), format!("jo {other}\n"));
    let both = format!("{mira}{jo}");
    let key = folder(&[("own.pub", KEY)]);
    let own = key.path().join("own.pub").display().to_string();
    let me = [("UNDERSTUDY_KEY", own.as_str())];
    let allow = "mkdir -p .understudy && echo \"NAME $(cat FILE.pub)\" >> .understudy/allowed_signers";
    let second = "add a second person to [people] of the project file";
    let evidence = format!("mira namespaces=\"understudy-attestation\" {KEY}\n{jo}");
    let over = format!("mira valid-before=\"20200101Z\" {KEY}\n{jo}");
    for (signers, vars, state, mend) in [
        (&jo, &[][..], "bad", allow),
        (&both, &[][..], "good", ""),
        (&both, &me[..], "bad", second),
        (&mira, &[][..], "bad", second),
        (&evidence, &[][..], "bad", allow),
        (&over, &[][..], "bad", allow),
    ] {
        let files = [
            ("understudy.toml", project.as_str()),
            ("fly.toml", FLY),
            (".understudy/allowed_signers", signers),
        ];
        let dir = folder(&files);
        let (_, found) = doctor(dir.path(), home().path(), vars, &[]);
        let (was, seen, mends) = found.of("people");
        assert_eq!((was, mends.as_str()), (state, mend), "{signers}: {seen}");
    }
    let of_github = project.replace("ssh:SHA256:YAyRxasl1UZCnHZOVGikM9qGMaqEjND6hNUR+rBVwHc", "github:5");
    let dir = folder(&[("understudy.toml", &of_github), ("fly.toml", FLY)]);
    let (_, found) = doctor(dir.path(), home().path(), &[], &[]);
    let (state, seen, _) = found.of("people");
    assert!(state == "bad" && seen.contains("people of GitHub cannot sign"), "{seen}");
}

/// Nothing is written: neither into an empty file nor into somebody else's database, and no directory is made.
#[test]
fn a_store_is_looked_at_and_not_made() {
    let project = PROJECT.replace("API", "http://127.0.0.1:1");
    let dir = folder(&[
        ("understudy.toml", &project),
        ("fly.toml", FLY),
        ("empty.db", ""),
        ("text.db", "no database\n"),
    ]);
    for (store, state) in
        [("empty.db", "bad"), ("text.db", "bad"), ("none.db", "unknown"), ("no/such/place.db", "unknown")]
    {
        let before = fs::read(dir.path().join(store)).ok();
        let (_, found) = doctor(dir.path(), home().path(), &[], &["--store", &format!("sqlite:{store}")]);
        assert_eq!(found.of("store").0, state, "{store}: {}", found.0);
        assert_eq!(fs::read(dir.path().join(store)).ok(), before, "{store}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4);
}
