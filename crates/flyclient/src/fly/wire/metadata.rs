//! Metadata of machines. Needs no lease and makes no new version.

use std::collections::BTreeMap;

use flytypes::{AppName, InstanceId, MachineId};
use http::Method;
use serde_json::json;

use super::Call;
use crate::text::segment;

/// `GET …/metadata`.
pub fn get_metadata(app: &AppName, id: &MachineId) -> Call {
    Call::of_machine("get metadata of machine", Method::GET, app, id, "/metadata")
}

/// `POST …/metadata/{key}`, answered by 204. Not declared idempotent: no lease fences it, so a late one could undo another's.
pub fn set_metadata(app: &AppName, id: &MachineId, key: &str, value: &str) -> Call {
    let tail = format!("/metadata/{}", segment(key));
    Call::of_machine("set metadata of machine", Method::POST, app, id, &tail)
        .with_body(&json!({"value": value}))
}

/// `DELETE …/metadata/{key}`. Not declared idempotent, as set.
pub fn delete_metadata(app: &AppName, id: &MachineId, key: &str) -> Call {
    let tail = format!("/metadata/{}", segment(key));
    Call::of_machine("delete metadata of machine", Method::DELETE, app, id, &tail)
}

/// `PATCH …/metadata`: `None` removes a key, keys that are not named stay. With a version that is no longer the machine's the
/// answer is 412 and nothing changes.
pub fn patch_metadata(
    app: &AppName,
    id: &MachineId,
    changes: &BTreeMap<String, Option<String>>,
    version: Option<&InstanceId>,
) -> Call {
    let mut body = json!({"metadata": changes});
    if let Some(version) = version {
        body["machine_version"] = json!(version);
    }
    Call::of_machine("patch metadata of machine", Method::PATCH, app, id, "/metadata").with_body(&body)
}
