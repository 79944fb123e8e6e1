//! `stagectl check --image-dir`: the image is started, and asked for the path of every check.

use std::{fs, path::Path, path::PathBuf};

use cell::image::{ProgramImage, build_program};
use serde_json::json;

use crate::check::{folder, json_of, stagectl};

fn fixture() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let path = here.parent().unwrap().with_file_name("examples").join("stagectl-fixture");
    assert!(path.exists(), "run the tests without --test, so that the examples are built too");
    path
}

/// An OCI layout (image-spec 1.1, image-layout.md) of a program that serves `/healthz` alone.
fn layout(dir: &Path) {
    let image = build_program(&ProgramImage { program: fixture(), ..ProgramImage::default() }).unwrap();
    let blobs = dir.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    for blob in &image.blobs {
        fs::write(blobs.join(blob.digest.trim_start_matches("sha256:")), &blob.bytes).unwrap();
    }
    fs::write(blobs.join(image.digest.trim_start_matches("sha256:")), &image.manifest).unwrap();
    let index = json!({
        "schemaVersion": 2,
        "manifests": [{"mediaType": image.media_type, "digest": image.digest, "size": image.manifest.len()}],
    });
    fs::write(dir.join("index.json"), index.to_string()).unwrap();
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
}

const FLY: &str = "\
app = \"runner\"
[http_service]
internal_port = 8080
[[http_service.checks]]
path = \"/healthz\"
grace_period = \"60s\"
";

#[test]
fn a_path_that_the_image_does_not_serve_is_told_with_its_answer() {
    let dir = folder(&[("fly.toml", FLY)]);
    layout(&dir.path().join("image"));
    let args = ["check", "--config", "fly.toml", "--image-dir", "image", "--json"];
    let run = stagectl(dir.path(), &args);
    assert_eq!((run.code, json_of(&run)), (0, json!([])), "it is served: {}", run.stderr);

    // Another path in a second check, and the first one as it was.
    let wrong = format!("{FLY}[[http_service.checks]]\npath = \"/healtz\"\n");
    fs::write(dir.path().join("fly.toml"), wrong).unwrap();
    let run = stagectl(dir.path(), &args);
    let found = json_of(&run);
    assert_eq!((run.code, found.as_array().unwrap().len()), (15, 1), "{found}");
    let finding = &found[0];
    assert_eq!(
        (&finding["severity"], &finding["code"], &finding["line"], &finding["column"]),
        (&json!("warning"), &json!("E0405"), &json!(8), &json!(8))
    );
    let message = finding["message"].as_str().unwrap();
    assert!(message.contains("/healtz") && message.contains("404"), "{message}");
}

#[test]
fn what_cannot_be_tried_says_so() {
    let dir = folder(&[("fly.toml", FLY), ("image/index.json", "{}")]);
    let run = stagectl(dir.path(), &["check", "--config", "fly.toml", "--image-dir", "image"]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(run.stderr.contains("no OCI layout") && run.stderr.contains("skopeo copy"), "{}", run.stderr);
    let nowhere = ["check", "--config", "fly.toml", "--image", "127.0.0.1:1/x:1"];
    let run = stagectl(dir.path(), &nowhere);
    assert_eq!(run.code, 8, "{}", run.stdout);
    assert!(run.stderr.contains("--image-dir"), "{}", run.stderr);
    let alone = stagectl(dir.path(), &["check", "--image-dir", "image"]);
    assert_eq!(alone.code, 2, "{}", alone.stdout);
}
