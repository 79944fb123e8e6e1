//! Unpacking: layers over layers, and archives that want to write elsewhere.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use cell::image::{ImageConfig, ImageError, pick_platform, unpack};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[derive(Default)]
struct Layer(Vec<u8>);

impl Layer {
    /// Writes the name into the header as it is: the builder's own methods refuse what is tested here.
    fn entry(mut self, kind: EntryType, name: &str, link: &str, mode: u32, bytes: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(12_345);
        header.set_gid(12_345);
        header.set_mtime(1_000_000_000);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        let mut archive = Builder::new(&mut self.0);
        archive.append(&header, bytes).unwrap();
        std::mem::forget(archive);
        self
    }

    fn file(self, name: &str, text: &str) -> Self {
        self.entry(EntryType::Regular, name, "", 0o644, text.as_bytes())
    }

    fn dir(self, name: &str, mode: u32) -> Self {
        self.entry(EntryType::Directory, name, "", mode, b"")
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, name, target, 0o777, b"")
    }

    fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Link, name, target, 0o644, b"")
    }

    fn done(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

fn unpacked(layers: Vec<Layer>, into: &Path) -> Result<ImageConfig, ImageError> {
    let mut blobs = BTreeMap::new();
    let mut descriptor = |media_type: &str, bytes: Vec<u8>| {
        let digest = digest(&bytes);
        let json = serde_json::json!({"mediaType": media_type, "digest": digest, "size": bytes.len()});
        blobs.insert(digest, bytes);
        json
    };
    let config =
        descriptor("application/vnd.oci.image.config.v1+json", br#"{"config":{"Cmd":["x"]}}"#.to_vec());
    let mut list = Vec::new();
    for (n, layer) in layers.into_iter().enumerate() {
        // Both forms in turn.
        list.push(if n % 2 == 0 {
            descriptor("application/vnd.oci.image.layer.v1.tar", layer.done())
        } else {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(&layer.done()).unwrap();
            descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", gzip.finish().unwrap())
        });
    }
    let manifest = serde_json::json!({"schemaVersion": 2, "config": config, "layers": list}).to_string();
    let fetch = |digest: &str| blobs.get(digest).cloned().ok_or_else(|| std::io::ErrorKind::NotFound.into());
    unpack(manifest.as_bytes(), &fetch, into)
}

fn refused(layers: Vec<Layer>) -> String {
    let outer = tempfile::tempdir().unwrap();
    let into = outer.path().join("image");
    let error = unpacked(layers, &into).unwrap_err();
    let names: Vec<_> = fs::read_dir(outer.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["image"], "nothing may land beside the image");
    error.to_string()
}

#[test]
fn entries_that_lead_out_are_refused_by_name() {
    let cases = [
        (vec![Layer::default().file("../evil", "x")], "`../evil`", ".."),
        (vec![Layer::default().file("a/../../evil", "x")], "`a/../../evil`", ".."),
        (vec![Layer::default().file("/evil", "x")], "`/evil`", "absolute"),
        (vec![Layer::default().symlink("out", "../..").file("out/evil", "x")], "`out/evil`", "leads out"),
        (
            vec![Layer::default().symlink("a", "b/../../..").dir("b", 0o755).file("a/evil", "x")],
            "`a/evil`",
            "leads out",
        ),
        (vec![Layer::default().hard_link("passwd", "../../etc/passwd")], "`passwd`", "hard link"),
        (
            vec![Layer::default().symlink("up", ".."), Layer::default().file("up/.wh.image", "")],
            "`up/.wh.image`",
            "leads out",
        ),
        (vec![Layer::default().file("file", "x").file("file/evil", "x")], "`file/evil`", "no directory"),
    ];
    for (layers, path, why) in cases {
        let error = refused(layers);
        assert!(error.contains(path) && error.contains(why), "{path}: {error}");
    }
}

#[test]
fn an_absolute_link_is_followed_inside_the_image_only() {
    let dir = tempfile::tempdir().unwrap();
    unpacked(
        vec![Layer::default().symlink("etc", "/real/etc"), Layer::default().file("etc/conf", "x")],
        dir.path(),
    )
    .unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("real/etc/conf")).unwrap(), "x");
}

#[test]
fn a_file_replaces_a_link_and_does_not_write_through_it() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("victim"), "untouched").unwrap();
    let victim = outer.path().join("victim");
    let layer = Layer::default().symlink("conf", victim.to_str().unwrap()).file("conf", "new");
    unpacked(vec![layer], &outer.path().join("image")).unwrap();
    assert_eq!(fs::read_to_string(victim).unwrap(), "untouched");
    assert_eq!(fs::read_to_string(outer.path().join("image/conf")).unwrap(), "new");
}

/// OCI image spec, "Layer Filesystem Changeset": whiteouts and opaque whiteouts hide the layers below only.
#[test]
fn whiteouts_hide_what_is_below_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let below = Layer::default()
        .file("gone", "1")
        .file("kept", "1")
        .file("d/old", "1")
        .file("e/f/old", "1")
        .file("w/x", "1");
    let above = Layer::default()
        .file(".wh.gone", "")
        .file("d/new", "2")
        // After the new file: the order inside a layer means nothing.
        .file("d/.wh..wh..opq", "")
        .file(".wh.e", "")
        .file("w/x", "2")
        .file("w/.wh.x", "");
    unpacked(vec![below, above], dir.path()).unwrap();
    let there = |name: &str| dir.path().join(name).exists();
    assert!(!there("gone") && !there("d/old") && !there("e"));
    assert!(there("kept") && there("d/new"));
    assert_eq!(fs::read_to_string(dir.path().join("w/x")).unwrap(), "2");
    assert!(!there(".wh.gone") && !there("d/.wh..wh..opq"));
}

#[test]
fn modes_times_and_links_are_kept_and_owners_and_devices_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let layer = Layer::default()
        .dir("closed", 0o555)
        .file("closed/inside", "x")
        .entry(EntryType::Regular, "suid", "", 0o4755, b"x")
        .file("one", "shared")
        .hard_link("two", "one")
        .entry(EntryType::Char, "null", "", 0o666, b"")
        .symlink("dangling", "/nowhere");
    unpacked(vec![layer], dir.path()).unwrap();
    let found = |name: &str| fs::symlink_metadata(dir.path().join(name)).unwrap();
    assert_eq!(found("closed").permissions().mode() & 0o7777, 0o755, "its owner can always clean up");
    assert_eq!(found("suid").permissions().mode() & 0o7777, 0o755);
    assert_eq!(found("one").ino(), found("two").ino());
    assert_eq!(found("one").mtime(), 1_000_000_000);
    assert_eq!(found("one").uid(), fs::metadata(dir.path()).unwrap().uid());
    assert!(!dir.path().join("null").exists());
    assert!(found("dangling").is_symlink());
}

#[test]
fn a_directory_takes_the_place_of_a_file_and_back() {
    let dir = tempfile::tempdir().unwrap();
    let layers = vec![
        Layer::default().file("a", "1").file("b/inside", "1"),
        Layer::default().dir("a", 0o755).file("a/inside", "2").file("b", "2"),
    ];
    unpacked(layers, dir.path()).unwrap();
    assert!(dir.path().join("a/inside").is_file() && dir.path().join("b").is_file());
}

#[test]
fn a_damaged_or_missing_blob_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let good = digest(b"{}");
    let manifest = serde_json::json!({"schemaVersion": 2, "layers": [],
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": good, "size": 2}})
    .to_string();
    let damaged = unpack(manifest.as_bytes(), &|_| Ok(b"{ }".to_vec()), dir.path()).unwrap_err();
    assert!(matches!(&damaged, ImageError::Digest { expected, .. } if *expected == good), "{damaged}");
    let missing = unpack(manifest.as_bytes(), &|_| Err(std::io::ErrorKind::NotFound.into()), dir.path());
    assert!(missing.unwrap_err().to_string().contains(&good));
}

#[test]
fn unknown_forms_are_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = serde_json::json!({"schemaVersion": 2,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+zstd", "digest": "sha256:0", "size": 1}]})
    .to_string();
    let error = unpack(manifest.as_bytes(), &|_| Ok(b"{}".to_vec()), dir.path()).unwrap_err().to_string();
    assert!(error.contains("zstd") && error.contains("gzip"), "{error}");
    assert!(unpack(b"<html>", &|_| Ok(Vec::new()), dir.path()).unwrap_err().to_string().contains("manifest"));
    assert!(pick_platform(b"[]").unwrap_err().to_string().contains("index"));
}
