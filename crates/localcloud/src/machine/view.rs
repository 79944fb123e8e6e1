//! A machine as the API shows it.

use serde_json::{Value, json};

use super::model::Machine;
use crate::clock;

/// What else is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Detail {
    pub(crate) lease: bool,
    pub(crate) summary: bool,
}

/// The machine object of fly.md 1.5.
pub(crate) fn machine(m: &Machine, detail: Detail) -> Value {
    let mut out = json!({
        "id": m.id,
        "name": m.name,
        "state": m.state.as_str(),
        "region": m.region,
        "image_ref": {
            "registry": m.image.registry,
            "repository": m.image.repository,
            "tag": m.image.tag,
            "digest": m.image.digest,
            "labels": m.image.labels,
        },
        "instance_id": m.instance_id,
        "version": m.instance_id,
        "private_ip": private_ip(m),
        "created_at": clock::rfc3339(m.created_us),
        "updated_at": clock::rfc3339(m.updated_us),
        "cordoned": m.cordoned,
        "host_status": "ok",
    });
    if detail.summary {
        return out;
    }
    out["config"] = Value::clone(&m.config);
    out["events"] = m.events.iter().map(|event| Value::clone(event)).collect();
    out["checks"] = m
        .checks
        .iter()
        .map(|c| {
            let status = if c.passing { "passing" } else { "critical" };
            json!({"name": c.name, "status": status, "output": c.output, "updated_at": clock::rfc3339(c.updated_us)})
        })
        .collect();
    if let Some(lease) = m.live_lease().filter(|_| detail.lease) {
        out["lease"] = json!({
            "owner": lease.owner, "expires_at": lease.expires_at, "description": lease.description,
        });
    }
    out
}

/// A 6PN-shaped address; nothing answers there.
fn private_ip(m: &Machine) -> String {
    let [_, b, c, d] = m.address.octets();
    format!("fdaa:0:1:a7b:{b:x}:{c:x}:{d:x}:2")
}
