//! Images made here are what the OCI image spec describes, and the same each time.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use cell::image::{
    BUNDLE_TYPE, BuiltImage, ImageSpec, ProgramImage, Tree, build, build_bundle, build_program, unpack,
};
use serde_json::Value;

use crate::support::shim_path;

fn sample(dir: &Path) {
    fs::create_dir_all(dir.join("bin")).unwrap();
    fs::write(dir.join("bin/run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(dir.join("bin/run"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(dir.join("readme"), "hello").unwrap();
    symlink("bin/run", dir.join("link")).unwrap();
}

fn spec() -> ImageSpec {
    ImageSpec {
        argv: vec!["/bin/run".to_owned(), "fast".to_owned()],
        env: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
        cwd: "/srv".to_owned(),
        user: Some("nobody".to_owned()),
        labels: BTreeMap::from([("org.opencontainers.image.version".to_owned(), "1.0.0".to_owned())]),
    }
}

fn json(image: &BuiltImage) -> Value {
    serde_json::from_slice(&image.manifest).unwrap()
}

#[test]
fn a_directory_goes_into_an_image_and_comes_out_again() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample(from.path());
    let image = build(&Tree::of_directory(from.path()).unwrap(), &spec()).unwrap();
    let config = unpack(&image.manifest, &|digest| image.blob(digest), to.path()).unwrap();

    assert_eq!(config.argv, ["/bin/run", "fast"]);
    assert_eq!(
        (config.entrypoint.len(), config.cmd.len()),
        (1, 1),
        "a machine may replace the arguments alone"
    );
    assert_eq!(config.env["A"], "1");
    assert!(config.env["PATH"].contains("/usr/bin"));
    assert_eq!((config.cwd.as_str(), config.user.as_deref()), ("/srv", Some("nobody")));
    assert_eq!(config.labels["org.opencontainers.image.version"], "1.0.0");
    assert_eq!(fs::read_to_string(to.path().join("readme")).unwrap(), "hello");
    assert_eq!(fs::read_link(to.path().join("link")).unwrap(), Path::new("bin/run"));
    let mode = |name: &str| fs::metadata(to.path().join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("bin/run"), mode("readme")), (0o755, 0o644));
}

#[test]
fn the_same_contents_make_the_same_digests_at_another_place_and_time() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample(one.path());
    sample(two.path());
    let touched = fs::File::options().write(true).open(two.path().join("readme")).unwrap();
    touched.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let image = |dir: &Path| build(&Tree::of_directory(dir).unwrap(), &spec()).unwrap();
    assert_eq!(image(one.path()).digest, image(two.path()).digest);
    fs::write(two.path().join("readme"), "hallo").unwrap();
    assert_ne!(image(one.path()).digest, image(two.path()).digest);
}

/// OCI image spec 1.1: "Image Manifest" and "Image Configuration", the properties marked REQUIRED.
#[test]
fn manifest_and_configuration_have_what_the_spec_requires() {
    let from = tempfile::tempdir().unwrap();
    sample(from.path());
    let image = build(&Tree::of_directory(from.path()).unwrap(), &spec()).unwrap();
    let manifest = json(&image);
    assert_eq!(manifest["schemaVersion"], 2);
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.oci.image.config.v1+json");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    for (descriptor, blob) in [&manifest["config"], &manifest["layers"][0]].into_iter().zip(&image.blobs) {
        assert_eq!(descriptor["digest"], blob.digest.as_str());
        assert_eq!(descriptor["size"], blob.bytes.len());
    }
    let config: Value = serde_json::from_slice(&image.blobs[0].bytes).unwrap();
    assert_eq!(config["os"], "linux");
    assert_eq!(config["architecture"], cell::image::architecture());
    assert_eq!(config["rootfs"]["type"], "layers");
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 1);
}

#[test]
fn a_bundle_is_an_artefact_with_the_empty_configuration() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(from.path().join("index.html"), "<p>").unwrap();
    let labels = BTreeMap::from([("org.opencontainers.image.version".to_owned(), "1.1.0".to_owned())]);
    let image = build_bundle(from.path(), &labels).unwrap();
    let manifest = json(&image);
    assert_eq!(manifest["artifactType"], BUNDLE_TYPE);
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.oci.empty.v1+json");
    // OCI image spec 1.1, "Guidance for an Empty Descriptor".
    let empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    assert_eq!((&manifest["config"]["digest"], &manifest["config"]["size"]), (&empty.into(), &2.into()));
    let config = unpack(&image.manifest, &|digest| image.blob(digest), to.path()).unwrap();
    assert!(config.argv.is_empty());
    assert_eq!(config.labels, labels);
    assert!(to.path().join("index.html").is_file());
}

/// The proof that nothing is missing: the program runs with this directory as its root, or by its own loader.
#[test]
fn a_program_brings_its_loader_and_libraries() {
    let to = tempfile::tempdir().unwrap();
    let image = build_program(&ProgramImage {
        program: shim_path(),
        args: vec!["serve".to_owned()],
        with: vec![PathBuf::from("/bin/bash")],
        ..ProgramImage::default()
    })
    .unwrap();
    let config = unpack(&image.manifest, &|digest| image.blob(digest), to.path()).unwrap();
    assert_eq!(config.argv, ["/usr/local/bin/cell-shim", "serve"]);
    assert!(to.path().join("etc/passwd").is_file());
    let output = Command::new("ldd").arg(shim_path()).output();
    let Ok(output) = output else { return println!("not run: ldd is not installed") };
    for word in
        String::from_utf8_lossy(&output.stdout).split_whitespace().filter(|word| word.starts_with('/'))
    {
        assert!(to.path().join(&word[1..]).is_file(), "{word} is missing");
    }
    assert!(to.path().join("bin/bash").is_file());
}

/// A client that others wrote reads the image and finds every digest right (OCI image spec, "Image Layout").
#[test]
fn skopeo_accepts_the_image() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, copy) = (dir.path().join("layout"), dir.path().join("copy"));
    let from = dir.path().join("from");
    sample(&from);
    let image = build(&Tree::of_directory(&from).unwrap(), &spec()).unwrap();
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    let put = |digest: &str, bytes: &[u8]| {
        fs::write(layout.join("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap()), bytes).unwrap();
    };
    put(&image.digest, &image.manifest);
    for blob in &image.blobs {
        put(&blob.digest, &blob.bytes);
    }
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [{
        "mediaType": image.media_type, "digest": image.digest, "size": image.manifest.len(),
        "annotations": {"org.opencontainers.image.ref.name": "v1"}}]});
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    let oci = format!("oci:{}:v1", layout.display());
    let inspect = Command::new("skopeo").args(["inspect", &oci]).output();
    let Ok(inspect) = inspect else { return println!("not run: skopeo is not installed") };
    let seen: Value = serde_json::from_slice(&inspect.stdout).unwrap();
    assert_eq!(seen["Digest"], image.digest.as_str());
    assert_eq!(seen["Labels"]["org.opencontainers.image.version"], "1.0.0");
    let copied = Command::new("skopeo")
        .args(["--insecure-policy", "copy", &oci, &format!("dir:{}", copy.display())])
        .output()
        .unwrap();
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
}

#[test]
fn what_is_no_program_is_refused_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("notes.txt");
    fs::write(&file, "no program").unwrap();
    let image = ProgramImage { program: file, ..ProgramImage::default() };
    let error = build_program(&image).unwrap_err().to_string();
    assert!(error.contains("notes.txt") && error.contains("ELF"), "{error}");
    let missing = ProgramImage { program: dir.path().join("gone"), ..ProgramImage::default() };
    assert!(build_program(&missing).unwrap_err().to_string().contains("gone"));
}
