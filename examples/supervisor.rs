//! Two releases of a program on this machine: the first is put there, the second beside it, and the first one parked.
use std::os::unix::fs::PermissionsExt as _;
use std::{collections::BTreeMap, error::Error, fs, io::Write as _, path::Path, sync::Arc};

use async_trait::async_trait;
use examples::Supervisor;
use promotion::engine::{Ask, Engine, Options, Ports};
use promotion::journal::Memory;
use promotion::model::{
    Class, ComponentTarget, Digest, GroupTarget, ImageRef, Kind, Millis, Place, Proof, Release, UnitConfig,
};
use promotion::plain::SystemClock;
use promotion::ports::{Deployer, Notice, Notifier, PortError};

#[derive(Debug)]
struct Terminal;

#[async_trait]
impl Notifier for Terminal {
    async fn notify(&self, notice: &Notice) -> Result<(), PortError> {
        writeln!(std::io::stdout(), "{}", notice.text).map_err(|error| PortError::not_sent(error.to_string()))
    }
}

/// A program that runs until it is told to end, as an image.
fn image(root: &Path, digit: &str) -> Result<ImageRef, Box<dyn Error>> {
    let digest = Digest::from_hex(&digit.repeat(64))?;
    let dir = root.join("images").join(digest.hex());
    fs::create_dir_all(&dir)?;
    fs::write(dir.join("run"), "#!/bin/sh\nexec sleep 600\n")?;
    fs::set_permissions(dir.join("run"), fs::Permissions::from_mode(0o755))?;
    Ok(ImageRef::by_digest("here.example", "program", digest)?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let root = std::env::temp_dir().join(format!("supervisor-{}", std::process::id()));
    fs::create_dir_all(&root)?;
    let place = Place::new("home".parse()?, "program".parse()?, "supervisor", "program");
    let supervisor = Arc::new(Supervisor::new(&root, place.clone(), Arc::new(SystemClock)));
    let journal = Arc::new(Memory::new("supervisor".parse()?, Arc::new(SystemClock)));
    let ports = Ports::plain(journal, supervisor.clone(), Arc::new(Terminal));
    let engine = Engine::new(Options { poll: Millis(50), ..Options::default() }, ports);
    for (digit, kind) in [("1", Kind::Bootstrap), ("2", Kind::Deploy)] {
        let image = image(&root, digit)?;
        let digest = image.digest().cloned().ok_or("pinned")?;
        let release = Release::new(digit, digit, BTreeMap::from([("program".parse()?, digest)]));
        let proof = Proof::StartedFor(Millis(200));
        let shape =
            GroupTarget { config: UnitConfig::default(), counts: [("here".parse()?, 2)].into(), proof };
        let mut target = ComponentTarget::new(place.clone(), image, "app".parse()?, shape);
        (target.limits.settle, target.limits.drain) = (Millis(100), Millis(100));
        let ask = Ask::new("home".parse()?, Class::Local, kind, release, vec![target], "somebody".parse()?);
        engine.request(ask).await?.drive().await?;
        let live = fs::read_to_string(root.join("live"))?;
        writeln!(std::io::stdout(), "in traffic: {}", live.replace('\n', " "))?;
    }
    let n_units = supervisor.observe_fleet(&place).await?.units.len();
    writeln!(std::io::stdout(), "{n_units} units, the old ones parked for a warm way back")?;
    drop((engine, supervisor));
    Ok(fs::remove_dir_all(root)?)
}
