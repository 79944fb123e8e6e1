//! The same cells from other launchers: as a normal user, and below a shell that ignores signals.

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

/// A shell without job control ignores SIGINT in what it puts into the background, and what is ignored stays so across
/// exec (POSIX, 2.11 of the shell's language): no machine may inherit that, or the signal that Fly stops it with is lost.
#[test]
fn what_the_launcher_ignores_reaches_a_machine_all_the_same() {
    let script = "trap '' INT TERM HUP QUIT; exec \"$0\" \"$@\"";
    let output = Command::new("/bin/sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["cells::a_signal_reaches_the_program_itself", "--nocapture"])
        .env(SHIM_VARIABLE, shim_path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{text}");
}
