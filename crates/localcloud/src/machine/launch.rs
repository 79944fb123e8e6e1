//! From a machine's record to a running process: the unpacked image, the command, the environment.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use cell::runtime::{self, Launch};

use super::{
    model::{Launching, Machine, Running},
    spec::Spec,
};
use crate::{
    clock,
    cloud::Cloud,
    disk, ids,
    registry::resolve::{self, ImageDefaults},
};

/// How long a supervisor that was being started may take to write itself down.
const RECOVERY: Duration = Duration::from_millis(300);
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Starts the machine's program. The text of a failure is for the machine's log and events.
pub(crate) async fn launch(cloud: &Arc<Cloud>, m: &Machine) -> Result<Running, String> {
    let launched = try_launch(cloud, m).await;
    if let Err(why) = &launched {
        log_line(cloud, &m.id, why);
    }
    launched
}

async fn try_launch(cloud: &Arc<Cloud>, m: &Machine) -> Result<Running, String> {
    let launch = plan(cloud, m).await?;
    let cell = cloud.runtime.launch(&launch).await.map_err(|e| {
        let cause = std::error::Error::source(&e).map(|s| format!(": {s}")).unwrap_or_default();
        format!("{e}{cause}")
    })?;
    Ok(Running { launch, cell, generation: m.generation, since_us: clock::now_us() })
}

/// What is to be started.
async fn plan(cloud: &Arc<Cloud>, m: &Machine) -> Result<Launch, String> {
    let spec = m.spec().map_err(|e| e.error)?;
    let defaults = resolve::defaults(&cloud.store, &m.image.manifest).map_err(|e| e.error)?;
    let rootfs = unpacked(cloud, &m.image.manifest).await?;
    let dir = cloud.layout.machine(&m.id);
    disk::make_dir(&dir).map_err(|e| format!("cannot make {}: {e}", dir.display()))?;
    let argv = argv(&spec, &defaults);
    if argv.is_empty() {
        return Err(format!(
            "image {} has no command, and the machine's init gives none",
            m.image.composite()
        ));
    }
    Ok(Launch {
        id: m.id.clone(),
        dir,
        rootfs,
        image: m.image.composite(),
        argv,
        env: environment(cloud, m, &spec, &defaults),
        cwd: defaults.working_dir.unwrap_or_default(),
        address: m.address,
        ports: spec.ports,
    })
}

/// `init.exec` replaces everything; else `init.entrypoint` and `init.cmd` replace the image's, each on its own.
fn argv(spec: &Spec, image: &ImageDefaults) -> Vec<String> {
    let given = |list: &Option<Vec<String>>| list.clone().filter(|l| !l.is_empty());
    if let Some(exec) = given(&spec.init.exec) {
        return exec;
    }
    let entrypoint = given(&spec.init.entrypoint).or_else(|| image.entrypoint.clone());
    let cmd = given(&spec.init.cmd).or_else(|| image.cmd.clone());
    entrypoint.into_iter().chain(cmd).flatten().collect()
}

/// Image, then configuration, then secrets, then what the platform says; later wins.
fn environment(cloud: &Cloud, m: &Machine, spec: &Spec, image: &ImageDefaults) -> BTreeMap<String, String> {
    let mut env = BTreeMap::from([(String::from("PATH"), String::from(PATH))]);
    let image = image.env.iter().flatten().filter_map(|pair| pair.split_once('='));
    env.extend(image.map(|(k, v)| (k.to_owned(), v.to_owned())));
    env.extend(spec.env.clone());
    if let Some(app) = cloud.lock().apps.get(&m.app) {
        env.extend(app.secrets.at(m.secrets_version).map(|(k, v)| (k.to_owned(), v.to_owned())));
    }
    let group = m.metadata("fly_process_group").unwrap_or("app");
    for (name, value) in [
        ("FLY_APP_NAME", m.app.as_str()),
        ("FLY_MACHINE_ID", m.id.as_str()),
        ("FLY_ALLOC_ID", m.id.as_str()),
        ("FLY_REGION", m.region.as_str()),
        ("FLY_PROCESS_GROUP", group),
        ("FLY_IMAGE_REF", &m.image.composite()),
        ("FLY_MACHINE_VERSION", m.instance_id.as_str()),
    ] {
        env.insert(name.to_owned(), value.to_owned());
    }
    env
}

/// The image's files, unpacked once per manifest.
async fn unpacked(cloud: &Arc<Cloud>, manifest: &str) -> Result<PathBuf, String> {
    let image = cloud.layout.image(manifest);
    let rootfs = image.join("rootfs");
    if rootfs.is_dir() {
        return Ok(rootfs);
    }
    let (cloud, manifest) = (Arc::clone(cloud), manifest.to_owned());
    let unpack = move || {
        let bytes = cloud.store.read_blob(&manifest).map_err(|e| format!("image {manifest}: {e}"))?;
        let parent = image.parent().ok_or("the image has no directory")?;
        let temporary = parent.join(format!(".{}", ids::nonce()));
        disk::make_dir(&temporary.join("rootfs")).map_err(|e| format!("cannot unpack the image: {e}"))?;
        let blobs = |digest: &str| cloud.store.read_blob(digest);
        cell::image::unpack(&bytes, &blobs, &temporary.join("rootfs")).map_err(|e| {
            let cause = std::error::Error::source(&e).map(|s| format!(": {s}")).unwrap_or_default();
            format!("image {manifest}: {e}{cause}")
        })?;
        // Another machine may have been faster; its copy is as good.
        if fs::rename(&temporary, &image).is_err() {
            let _ = fs::remove_dir_all(&temporary);
        }
        Ok(())
    };
    tokio::task::spawn_blocking(unpack).await.map_err(|e| e.to_string())?.map(|()| rootfs)
}

/// A line of our own in the machine's log.
pub(crate) fn log_line(cloud: &Cloud, id: &str, line: &str) {
    let path = cloud.layout.machine(id).join("log");
    let append = || -> io::Result<()> {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(path)?;
        file.write_all(format!("[localcloud] {line}\n").as_bytes())
    };
    // A log that cannot be written must not keep the machine from anything.
    let _ = append();
}

/// The process of a start that was cut short by the death of the server, if it came to one.
pub(crate) async fn recover(cloud: &Arc<Cloud>, m: &Machine) -> Option<Running> {
    let Launching { generation, before } = m.launching.as_ref()?;
    let dir = cloud.layout.machine(&m.id);
    let new = || runtime::recorded(&dir).filter(|cell| Some(cell) != before.as_ref());
    // The supervisor writes itself down before the program runs; one that is just about to do so gets its time.
    let cell = match new() {
        Some(cell) => cell,
        None => {
            tokio::time::sleep(RECOVERY).await;
            new()?
        }
    };
    let Ok(launch) = plan(cloud, m).await else {
        let _ = cloud.runtime.kill(&cell).await;
        return None;
    };
    Some(Running { launch, cell, generation: *generation, since_us: clock::now_us() })
}
