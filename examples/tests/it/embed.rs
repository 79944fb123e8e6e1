//! `embed.rs` as somebody else would use it: in a workspace of its own, without default features.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn embedding_takes_sixty_lines_and_no_c_compiler() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = fs::read_to_string(examples.join("embed.rs")).unwrap();
    assert!(source.lines().count() <= 60, "{} lines", source.lines().count());

    let root = examples.parent().unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("src")).unwrap();
    fs::write(dir.path().join("src/main.rs"), source).unwrap();
    // The versions that this checkout was built with are here already.
    fs::copy(root.join("Cargo.lock"), dir.path().join("Cargo.lock")).unwrap();
    let manifest = format!(
        r#"[package]
name = "embedder"
edition = "2024"

[workspace]

[dependencies]
promotion = {{ path = "{}", default-features = false }}
async-trait = "0.1"
tokio = {{ version = "1", features = ["macros", "rt", "sync", "time"] }}
"#,
        root.join("crates/promotion").display()
    );
    fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();

    let tree = cargo(dir.path(), &["tree", "--prefix", "none"]);
    for forbidden in ["libsqlite3-sys", "rusqlite", "reqwest", "hyper", "cc v"] {
        assert!(!tree.contains(forbidden), "{forbidden} is linked:\n{tree}");
    }
    let said = cargo(dir.path(), &["run", "--quiet"]);
    assert_eq!(said, "bootstrap of 1.0.0 in home: succeeded\nEnded(Succeeded)\n");
}

fn cargo(dir: &Path, args: &[&str]) -> String {
    // A place that stays warm between runs.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("embedder");
    let mut command = Command::new(env!("CARGO"));
    let command = command.args(args).arg("--offline").current_dir(dir).env("CARGO_TARGET_DIR", target);
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {}: {errors}", args.join(" "));
    String::from_utf8(output.stdout).unwrap()
}
