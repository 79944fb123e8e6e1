//! What programs wrote, as Fly's logs API tells it: the last hundred lines, then what came after.
//!
//! The log of a machine is a file without times, so every line has that of the machine's last change.

use std::{collections::BTreeMap, fs, io};

use serde_json::{Value, json};

use super::{Call, Handled, Reply};
use crate::{clock, cloud::Cloud, error::ApiError, machine::model::Machine};

/// The lines of a page.
const PAGE: usize = 100;

/// GET `/api/v1/apps/{app}/logs?next_token=&instance=&region=` → `{data: [{id, attributes}], meta: {next_token}}`.
pub(super) fn read(cloud: &Cloud, call: &Call) -> Handled {
    let wanted = |key: &str| call.query.get(key).filter(|value| !value.is_empty());
    let (instance, region) = (wanted("instance"), wanted("region"));
    let keep_s = cloud.quirks().destroyed_readable_s;
    let fits = |m: &&Machine| {
        instance.is_none_or(|id| id == m.id)
            && region.is_none_or(|code| code == m.region)
            && !crate::world::is_forgotten(m, keep_s)
    };
    let machines: Vec<Machine> = cloud.lock().machines_of(&call.app).filter(fits).cloned().collect();
    let told = wanted("next_token").map(places).transpose()?;
    let mut ends = told.clone().unwrap_or_default();
    let mut lines = Vec::new();
    for m in &machines {
        let text = text(cloud, &m.id)?;
        // What ends without a newline is still being written.
        let whole: Vec<&str> = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).collect();
        let seen = ends.insert(m.id.clone(), whole.len()).unwrap_or_default();
        lines.extend(
            whole.iter().enumerate().skip(seen).map(|(n, line)| entry(m, n, line.trim_end_matches('\n'))),
        );
    }
    let skip = if told.is_some() { 0 } else { lines.len().saturating_sub(PAGE) };
    let data: Vec<Value> = lines.split_off(skip);
    Ok(Reply::ok(json!({"data": data, "meta": {"next_token": token(&ends)}})))
}

fn entry(m: &Machine, n: usize, line: &str) -> Value {
    json!({"id": format!("{}-{n}", m.id), "attributes": {
        "timestamp": clock::rfc3339(m.updated_us), "message": line, "level": "info",
        "instance": m.id, "region": m.region, "meta": {},
    }})
}

fn text(cloud: &Cloud, id: &str) -> Result<String, ApiError> {
    match fs::read(cloud.layout.machine(id).join("log")) {
        Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(ApiError::disk(&error)),
    }
}

/// How many lines of each machine were told, as `id:n,…`; opaque to clients.
fn token(ends: &BTreeMap<String, usize>) -> String {
    ends.iter().map(|(id, n)| format!("{id}:{n}")).collect::<Vec<_>>().join(",")
}

fn places(token: &str) -> Result<BTreeMap<String, usize>, ApiError> {
    let place = |part: &str| {
        let (id, n) = part.split_once(':')?;
        Some((id.to_owned(), n.parse().ok()?))
    };
    let parts: Option<_> = token.split(',').map(place).collect();
    parts.ok_or_else(|| ApiError::bad("next_token is none of this API"))
}
