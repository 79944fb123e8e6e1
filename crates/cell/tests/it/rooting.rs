//! The ways to a root of one's own that the choice would fall back to, each tried for itself, by the shim's own orders.

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::support::{World, address, eventually, log, shim_path};

#[test]
fn each_way_gives_a_writable_root_and_leaves_the_image_alone() {
    let root = nix::unistd::geteuid().is_root();
    for user_namespace in [false, true] {
        for overlay in [true, false] {
            if !root && !user_namespace {
                continue;
            }
            let way = json!({ "user_namespace": user_namespace, "overlay": overlay });
            try_one(&way);
        }
    }
}

fn try_one(way: &Value) {
    let world = World::new(&["/bin/bash", "/bin/cat"]);
    let launch =
        world.machine("m", &["/bin/bash", "-c", "echo changed > /etc/motd; cat /etc/motd; echo x > /new"]);
    let order = json!({
        "id": launch.id, "dir": launch.dir, "argv": launch.argv, "env": launch.env, "cwd": "/", "endpoints": {},
        "mode": { "isolated": {
            "rootfs": launch.rootfs, "address": address(), "rooting": way, "low_ports": 0, "probe": null,
        }},
    });
    let mut shim = Command::new(shim_path())
        .args([cell::shim::ARGUMENT, "isolated", "m", "test"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    shim.stdin.take().unwrap().write_all(order.to_string().as_bytes()).unwrap();
    let answer: Value = serde_json::from_slice(&shim.wait_with_output().unwrap().stdout).unwrap();
    if let Some(failed) = answer.get("failed") {
        return println!("not run: {way}: {failed}");
    }
    eventually("it ends", || launch.dir.join("exit").exists().then_some(()));
    let exit: Value = serde_json::from_slice(&fs::read(launch.dir.join("exit")).unwrap()).unwrap();
    assert_eq!((&exit["code"], log(&launch).as_str()), (&json!(0), "changed\n"), "{way}");
    assert_eq!(fs::read_to_string(world.rootfs().join("etc/motd")).unwrap(), "of the image", "{way}");
    assert!(!world.rootfs().join("new").exists(), "{way}");
    eventually("a copy is removed", || (!launch.dir.join("root").exists()).then_some(()));
}
