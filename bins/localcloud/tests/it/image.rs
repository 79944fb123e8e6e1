//! `localcloud image build`

use std::fs;

use serde_json::json;

use crate::{
    http::http,
    server::{Cloud, answers},
};

#[test]
fn equal_input_makes_equal_digests_and_a_dry_run_pushes_nothing() {
    let cloud = Cloud::new();
    let server = cloud.up(&["--runtime", "plain"]);
    let program = answers();
    let args = ["image", "build", program.to_str().unwrap(), "--repository", "team/web", "--json"];
    let dry = cloud.verb(&[&args[..], &["--dry-run"]].concat()).ok().json();
    assert_eq!(
        (&dry["pushed"], &dry["image"]),
        (&json!(false), &json!(format!("team/web@{}", dry["digest"].as_str().unwrap())))
    );
    let manifest = format!(
        "http://{}/v2/team/web/manifests/{}",
        server.said["registry"].as_str().unwrap(),
        dry["digest"].as_str().unwrap()
    );
    let token = server.token();
    assert_eq!(http("GET", &manifest, Some(&token), "").unwrap().0, 404);
    let built = cloud.verb(&args).ok().json();
    assert_eq!((&built["pushed"], &built["digest"]), (&json!(true), &dry["digest"]));
    let (status, body) = http("GET", &manifest, Some(&token), "").unwrap();
    assert_eq!(status, 200);
    assert!(body.contains("application/vnd.oci.image.manifest.v1+json"), "{body}");
}

#[test]
fn a_directory_becomes_an_image_or_a_bundle() {
    let cloud = Cloud::new();
    let server = cloud.up(&["--runtime", "plain"]);
    let site = tempfile::tempdir().unwrap();
    fs::write(site.path().join("index.html"), "hello").unwrap();
    let site = site.path().to_str().unwrap();
    let build =
        |more: &[&str]| cloud.verb(&[&["image", "build", site, "--repository", "web"], more].concat());

    let unsaid = build(&[]);
    assert_eq!(unsaid.code, Some(2), "{unsaid:?}");
    assert!(unsaid.err.contains("--cmd") && unsaid.err.contains("--bundle"), "{unsaid:?}");

    let bundle =
        build(&["--bundle", "--label", "org.opencontainers.image.version=1.4.0", "--tag", "v1"]).ok().out;
    server.call("POST", "/localcloud/v1/sites/web", &json!({"artifact": bundle.trim_end()}));
    let url = cloud.verb(&["env", "--app", "web", "--json"]).ok().json()["urls"]["ams"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut asked = (0..1200).map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(25));
        http("GET", &url, None, "")
    });
    assert!(asked.any(|answer| answer == Some((200, "hello".to_owned()))));

    let labels = ["--label", "a=b", "--env", "MODE=x y", "--cmd", "/bin/serve", "--port", "8080"];
    let image = build(&labels).ok().out;
    let (repository, digest) = image.trim_end().split_once('@').unwrap();
    let (host, name) = repository.split_once('/').unwrap();
    let token = server.token();
    let blob = |kind: &str, digest: &str| {
        http("GET", &format!("http://{host}/v2/{name}/{kind}/{digest}"), Some(&token), "").unwrap().1
    };
    let manifest: serde_json::Value = serde_json::from_str(&blob("manifests", digest)).unwrap();
    let config: serde_json::Value =
        serde_json::from_str(&blob("blobs", manifest["config"]["digest"].as_str().unwrap())).unwrap();
    let config = &config["config"];
    assert_eq!((&config["Entrypoint"], &config["Cmd"]), (&json!(["/bin/serve"]), &json!(["--port", "8080"])));
    assert_eq!(config["Labels"], json!({"a": "b"}));
    assert!(config["Env"].as_array().unwrap().contains(&json!("MODE=x y")));
}

#[test]
fn what_cannot_become_an_image_is_named() {
    let cloud = Cloud::new();
    let missing = cloud.verb(&["image", "build", "no-such-thing", "--repository", "web", "--dry-run"]);
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.err.contains("`no-such-thing`"), "{missing:?}");

    let program = answers();
    let program = program.to_str().unwrap();
    let bundle = cloud.verb(&["image", "build", program, "--repository", "web", "--dry-run", "--bundle"]);
    assert_eq!(bundle.code, Some(2), "{bundle:?}");
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let unfit = cloud.verb(&["image", "build", text, "--repository", "web", "--dry-run"]);
    assert_eq!(unfit.code, Some(2), "{unfit:?}");
    for name in ["Web", "web:v1", "web@sha256:0", ""] {
        let named = cloud.verb(&["image", "build", program, "--repository", name, "--dry-run"]);
        assert_eq!(named.code, Some(2), "{name}: {named:?}");
    }
    let tagged = cloud.verb(&["image", "build", program, "--repository", "web", "--dry-run", "--tag", "v 1"]);
    assert_eq!(tagged.code, Some(2), "{tagged:?}");
    let alone = cloud.verb(&["image", "build", program, "--repository", "web"]);
    assert_eq!(alone.code, Some(8), "{alone:?}");
}

#[test]
fn a_repository_of_another_organisation_is_refused() {
    let cloud = Cloud::new();
    let server = cloud.up(&["--runtime", "plain", "--token", "tok-a=acme", "tok-b=other"]);
    server.call("POST", "/v1/apps", &json!({"app_name": "web", "org_slug": "acme"}));
    let program = answers();
    let build = |org: &str| {
        cloud.verb(&["image", "build", program.to_str().unwrap(), "--repository", "web", "--org", org])
    };
    let foreign = build("other");
    assert_eq!(foreign.code, Some(3), "{foreign:?}");
    assert!(!foreign.err.contains("tok-"), "{foreign:?}");
    build("acme").ok();
    assert_eq!(build("nobody").code, Some(2));
}
