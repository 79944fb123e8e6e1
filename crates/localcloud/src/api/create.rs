//! Creating machines, and what creating and updating have in common.

use std::{
    collections::BTreeSet,
    io,
    net::{Ipv4Addr, TcpListener},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{Call, Handled, Reply, lease};
use crate::{
    clock,
    cloud::Cloud,
    error::ApiError,
    ids,
    machine::{
        model::{Goal, ImageRef, Machine, State},
        spec::{self, Spec, Stop},
        view::{self, Detail},
    },
    registry::resolve,
    world::World,
};

/// A configuration that can run: read, its image found, its secrets there.
pub(super) struct Prepared {
    pub(super) config: Value,
    pub(super) image: ImageRef,
    pub(super) secrets_version: u64,
    pub(super) body: Value,
}

/// Reads and checks the body of a create or update.
pub(super) fn prepare(cloud: &Cloud, call: &Call) -> Result<Prepared, ApiError> {
    let mut body = call.json()?;
    let mut config = body.get_mut("config").map(Value::take).filter(Value::is_object);
    let mut config =
        config.take().ok_or_else(|| ApiError::bad("invalid machine config: config is required"))?;
    spec::normalise(&mut config);
    let spec = Spec::read(&config)?;
    let found = resolve::find(&cloud.store, &cloud.registry_host, &spec.image)?;
    let world = cloud.lock();
    authorise_image(cloud, &world, call, &found.repository)?;
    let image =
        resolve::image_ref(&cloud.store, &cloud.registry_host, &found, cloud.quirks().platform_digest)?;
    let app = world.apps.get(&call.app).ok_or_else(|| ApiError::not_found("Could not find App"))?;
    let secrets_version = app.secrets.version;
    let wanted = body.get("min_secrets_version").and_then(Value::as_u64).unwrap_or(0);
    if wanted > secrets_version {
        return Err(ApiError::failed_precondition(format!(
            "min_secrets_version {wanted} is not reached; secrets are at version {secrets_version}"
        )));
    }
    Ok(Prepared { config, image, secrets_version, body })
}

/// An image of another app runs as long as both are of one organisation.
fn authorise_image(cloud: &Cloud, world: &World, call: &Call, repository: &str) -> Result<(), ApiError> {
    let first = repository.split('/').next().unwrap_or_default();
    let owner = world.org_of(first).map(String::from).or_else(|| cloud.store.owner(repository));
    match owner {
        Some(owner) if owner == call.org => Ok(()),
        _ => Err(ApiError::bad(format!(
            "invalid image: repository `{repository}` belongs to another organization; copy the image"
        ))),
    }
}

/// POST `/v1/apps/{app}/machines`: answers 200 as soon as the machine is recorded.
pub(super) fn create(cloud: &Arc<Cloud>, call: &Call) -> Handled {
    let Prepared { mut config, image, secrets_version, body } = prepare(cloud, call)?;
    if config.get("metadata").is_none_or(Value::is_null) {
        config["metadata"] = json!({});
    }
    let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|s| !s.is_empty()).map(String::from);
    let flag = |key: &str| body.get(key).and_then(Value::as_bool).unwrap_or(false);
    let region = text("region").unwrap_or_else(|| cloud.regions[0].clone());
    if region.len() != 3 || !region.bytes().all(|b| b.is_ascii_lowercase()) {
        return Err(ApiError::unprocessable(format!(
            "region `{region}` is unknown; use a code such as \"fra\""
        )));
    }
    let mut world = cloud.lock();
    let id = ids::machine_id();
    let name = text("name").unwrap_or_else(|| format!("machine-{}", &id[..6]));
    if world.machines_of(&call.app).any(|m| m.name == name && m.state != State::Destroyed) {
        return Err(ApiError::unprocessable(format!(
            "unique machine name violation: `{name}` exists already"
        )));
    }
    let now = clock::now_us();
    let stop = Spec::read(&config)?.stop;
    let mut machine = Machine {
        address: free_address(&world, &Spec::read(&config)?.ports),
        app: call.app.clone(),
        name,
        region,
        state: State::Created,
        goal: if flag("skip_launch") { Goal::Rest } else { Goal::Run },
        instance_id: String::new(),
        generation: 1,
        created_us: now,
        updated_us: now,
        config: Arc::default(),
        image,
        cordoned: flag("skip_service_registration"),
        secrets_version,
        lease: None,
        running: None,
        launching: None,
        stop,
        restarts: 0,
        checks: Vec::new(),
        events: Vec::new(),
        versions: Vec::new(),
        revert: None,
        stuck_until_us: None,
        buried_after_us: None,
        id,
    };
    machine.new_version(config);
    machine.reset_checks();
    machine.event("launch", "created", "user", None);
    let mut nonce = None;
    if let Some(ttl) = body.get("lease_ttl").and_then(Value::as_u64).filter(|t| *t > 0) {
        nonce = Some(lease::grant(cloud, call, &mut machine, ttl, String::new()));
    }
    let mut reply = view::machine(&machine, Detail::default());
    cloud.add(&mut world, machine)?;
    if let Some(nonce) = nonce {
        reply["nonce"] = Value::from(nonce);
    }
    Ok(Reply::ok(reply))
}

/// A loopback address, 127.64.0.0 to 127.126.255.255, that no other machine of this server has and on which nobody
/// else (another server, perhaps) uses the machine's ports.
fn free_address(world: &World, ports: &[u16]) -> Ipv4Addr {
    let taken: BTreeSet<Ipv4Addr> = world.machines.values().map(|m| m.address).collect();
    loop {
        let [a, b, c, ..] = ids::chance().to_le_bytes();
        let address = Ipv4Addr::new(127, 64 + a % 63, b, 1 + c % 254);
        let in_use = |port: &u16| {
            let bound = TcpListener::bind((address, *port));
            bound.is_err_and(|e| e.kind() == io::ErrorKind::AddrInUse)
        };
        if !taken.contains(&address) && !ports.iter().any(in_use) {
            return address;
        }
    }
}

/// How a machine is asked to end by default: its own `stop_config`.
pub(super) fn stop_of(m: &Machine) -> Stop {
    m.spec().map(|s| s.stop).unwrap_or_default()
}
