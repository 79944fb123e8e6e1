//! The same cells as a normal user: a root that runs these tests runs them once more as nobody.

use std::{fs, os::unix::fs::PermissionsExt as _, os::unix::process::CommandExt as _, process::Command};

use crate::support::{SHIM_VARIABLE, shim_path};

const NOBODY: u32 = 65_534;

#[test]
fn all_of_it_works_without_privileges() {
    if !nix::unistd::geteuid().is_root() {
        return println!("not run: the other tests run without privileges already");
    }
    // The build's directory may be root's alone.
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (tests, shim) = (dir.path().join("tests"), dir.path().join("cell-shim"));
    fs::copy(std::env::current_exe().unwrap(), &tests).unwrap();
    fs::copy(shim_path(), &shim).unwrap();
    let output = Command::new(tests)
        .args(["cells::", "--nocapture", "--test-threads=2"])
        .env(SHIM_VARIABLE, shim)
        .current_dir(dir.path())
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
}
