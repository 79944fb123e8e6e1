//! Wrong arguments and bad places: what, why, what helps, and the code.

use std::{fs, net::TcpListener};

use serde_json::json;

use crate::server::{Cloud, localcloud, run};

/// Ends with this code and says all of these words.
fn refused(cloud: &Cloud, args: &[&str], code: i32, words: &[&str]) {
    let ran = cloud.verb(args);
    assert_eq!(ran.code, Some(code), "{args:?}: {ran:?}");
    assert!(ran.out.is_empty(), "data only: {ran:?}");
    for word in words {
        assert!(ran.err.contains(word), "{args:?}: `{word}` is not in {ran:?}");
    }
}

#[test]
fn wrong_flags_are_bad_usage() {
    let cloud = Cloud::new();
    refused(&cloud, &[], 2, &["Usage"]);
    refused(&cloud, &["up", "--runtime", "docker"], 2, &["isolated", "plain"]);
    refused(&cloud, &["up", "--lag-ms", "800..100"], 2, &["smaller"]);
    refused(&cloud, &["up", "--api", "0.0.0.0:80"], 2, &["loopback"]);
    refused(
        &cloud,
        &["up", "--runtime", "plain", "--region", "Frankfurt"],
        2,
        &["`Frankfurt`", "three lower-case"],
    );
    refused(&cloud, &["up", "--runtime", "plain", "--region", "fra", "fra"], 2, &["`fra`", "named twice"]);
    refused(&cloud, &["up", "--reigon", "fra"], 2, &["--region"]);
    refused(&cloud, &["audit", "--since", "yesterday"], 2, &["yesterday"]);
    refused(&cloud, &["faults", "--clear", "--add", "{}"], 2, &["--add"]);
    let both = cloud.verb(&["audit", "--follow", "--json"]);
    assert_eq!((both.code, &both.json()["ok"]), (Some(2), &json!(false)), "{both:?}");
}

#[test]
fn a_bad_fault_names_the_known_ones() {
    let cloud = Cloud::new();
    for (option, text) in [("--set", "[{\"name\":\"latncy\"}]"), ("--add", "nonsense"), ("--add", "{}")] {
        refused(&cloud, &["faults", option, text], 2, &[option, "boot-failure", "edge-lag", "line 1 column"]);
    }
    let up = ["up", "--runtime", "plain", "--fault", "{\"name\":\"edge-lag\",\"ms\":60000}"];
    refused(&cloud, &up, 2, &["at most 30000", "boot-failure"]);
}

#[test]
fn a_token_is_never_repeated() {
    let cloud = Cloud::new();
    for bad in ["hunter2", "hunter2=Acme!", "hunter2=", "=acme"] {
        let ran = cloud.verb(&["up", "--token", bad]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(!ran.err.contains("hunter2") && ran.err.contains("TOKEN=ORG"), "{ran:?}");
    }
    let twice = cloud.verb(&["up", "--runtime", "plain", "--token", "hunter2=a", "hunter2=b"]);
    assert_eq!(twice.code, Some(2), "{twice:?}");
    assert!(!twice.err.contains("hunter2"), "{twice:?}");
}

#[test]
fn a_directory_in_use_names_its_process() {
    let cloud = Cloud::new();
    let server = cloud.up(&["--runtime", "plain"]);
    let pid = server.said["pid"].to_string();
    refused(&cloud, &["up", "--runtime", "plain"], 8, &[&pid, "already uses", "localcloud status --dir"]);
    assert_eq!(cloud.verb(&["status"]).code, Some(0), "the first one is not disturbed");
}

#[test]
fn a_taken_port_is_named() {
    let cloud = Cloud::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(&cloud, &["up", "--runtime", "plain", "--api", &address], 8, &[&address, "--api"]);
    refused(&cloud, &["up", "--runtime", "plain", "--registry", &address], 8, &[&address, "--registry"]);
    refused(&cloud, &["up", "--runtime", "plain", "--s3", &address], 8, &[&address, "--s3"]);
}

#[test]
fn a_dead_server_is_not_taken_for_another_program() {
    let cloud = Cloud::new();
    cloud.up(&["--runtime", "plain"]).kill();
    // Somebody else has the port by now, and must not be shown a token.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let record = cloud.dir().join("server.json");
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    value["api"] = json!(format!("http://{}", other.local_addr().unwrap()));
    fs::write(&record, value.to_string()).unwrap();
    let asked = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = other.accept().unwrap();
        let mut request = [0; 4096];
        let n = stream.read(&mut request).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        (String::from_utf8_lossy(&request[..n]).into_owned(), other)
    });
    refused(&cloud, &["faults", "--clear"], 8, &["another program", "localcloud up --dir"]);
    let (request, other) = asked.join().unwrap();
    assert!(
        request.starts_with("GET /localcloud/v1/info") && !request.to_lowercase().contains("authorization"),
        "{request}"
    );
    drop(other);
}

#[test]
fn without_a_server_the_command_that_starts_one_is_told() {
    let cloud = Cloud::new();
    for verb in ["status", "env", "faults", "audit"] {
        refused(&cloud, &[verb], 8, &["localcloud up --dir"]);
    }
    assert!(!cloud.dir().exists(), "asking makes nothing");
    let nowhere = run(&mut localcloud(["status", "--json"]));
    assert_eq!((nowhere.code, &nowhere.json()["ok"]), (Some(2), &json!(false)), "no HOME: {nowhere:?}");
}

#[test]
fn the_default_directory_is_in_the_users_state_directory() {
    let home = tempfile::tempdir().unwrap();
    let ran = run(localcloud(["status"]).env("HOME", home.path()));
    assert_eq!(ran.code, Some(8), "{ran:?}");
    let dir = home.path().join(".local/state/understudy/localcloud");
    assert!(ran.err.contains(dir.to_str().unwrap()) && ran.err.contains("help: localcloud up\n"), "{ran:?}");
}

/// docs/exit-codes.md: a stdout that takes nothing is 2.
#[test]
fn a_full_stdout_is_told() {
    let cloud = Cloud::new();
    fs::create_dir_all(cloud.dir()).unwrap();
    fs::write(cloud.dir().join("audit.jsonl"), "{}\n").unwrap();
    for args in [["audit"].as_slice(), &["audit", "--follow"], &["--help"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = cloud.command(args).stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains("cannot write to stdout"), "{args:?}: {stderr}");
    }
}

/// Every refusal says what, why, and the command that helps.
#[test]
fn a_state_directory_that_cannot_be_is_told_with_what_helps() {
    let cloud = Cloud::new();
    fs::write(cloud.dir(), "a file").unwrap();
    let words = ["tokens", "Not a directory", "help: localcloud up --dir DIR"];
    refused(&cloud, &["up", "--runtime", "plain"], 8, &words);
}
