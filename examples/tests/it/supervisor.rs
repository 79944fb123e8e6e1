//! A provider unlike Fly passes the same suite as the others.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use examples::Supervisor;
use promotion::conformance::{DeployerFixture, deployer};
use promotion::model::{Digest, GroupName, ImageRef, Millis, Place, Proof, RegionName};
use promotion::plain::SystemClock;

fn image(root: &Path, digit: &str) -> ImageRef {
    let digest = Digest::from_hex(&digit.repeat(64)).unwrap();
    let dir = root.join("images").join(digest.hex());
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("run"), "#!/bin/sh\nexec sleep 600\n").unwrap();
    fs::set_permissions(dir.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    ImageRef::by_digest("here.example", "program", digest).unwrap()
}

#[tokio::test]
async fn a_supervisor_of_local_processes_conforms() {
    let root = tempfile::tempdir().unwrap();
    let name =
        |name: &str| Place::new("home".parse().unwrap(), "program".parse().unwrap(), "supervisor", name);
    let fixture = DeployerFixture {
        place: name("program"),
        missing: Some(name("another")),
        images: [image(root.path(), "1"), image(root.path(), "2")],
        group: GroupName::new("app").unwrap(),
        region: RegionName::new("here").unwrap(),
        config: "".into(),
        proof: Proof::StartedFor(Millis(100)),
        patience: Millis::secs(60),
        has_leases: false,
        has_cordons: true,
        has_room: true,
    };
    let supervisor = Supervisor::new(root.path(), fixture.place.clone(), Arc::new(SystemClock));
    deployer(&supervisor, &fixture, &SystemClock).await;
    assert_eq!(fs::read_to_string(root.path().join("live")).unwrap(), "", "nothing takes traffic any more");
}
