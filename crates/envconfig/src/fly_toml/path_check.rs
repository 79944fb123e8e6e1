//! The checks that ask for a path: for whoever tries them on an image.

use std::collections::BTreeMap;

use flytypes::machine::{Check, CheckHeader};

use super::FlyToml;
use crate::{
    ProcessGroup,
    reading::{Kind, Node, Section, Sink},
};

/// An HTTP check of a process group, and where its path stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PathCheck {
    /// Whose machines are asked.
    pub group: ProcessGroup,
    /// On which port.
    pub port: u16,
    /// How.
    pub method: String,
    /// For what.
    pub path: String,
    /// With these headers.
    pub headers: Vec<CheckHeader>,
    /// Line and column of the path, where the file says it.
    pub place: Option<(u32, u32)>,
    /// The key, for messages.
    pub key: String,
}

impl FlyToml {
    /// Every HTTP check of every process group.
    pub fn path_checks(&self) -> Vec<PathCheck> {
        let mut all = Vec::new();
        for (group, config) in self.flatten() {
            let mut add = |key: String, port: Option<u16>, check: &Check| {
                let Some(port) = port.filter(|_| check.check_type == "http") else { return };
                let path = check.path.clone().unwrap_or_else(|| "/".to_owned());
                all.push(PathCheck {
                    group: group.clone(),
                    port,
                    method: check.method.clone().unwrap_or_else(|| "GET".to_owned()),
                    place: self.path_places.get(&path).copied(),
                    path,
                    headers: check.headers.clone(),
                    key,
                });
            };
            for service in &config.services {
                for check in &service.checks {
                    add("services.checks.path".to_owned(), Some(service.internal_port), check);
                }
            }
            for (name, check) in &config.checks {
                add(format!("checks.{name}.path"), check.port, check);
            }
        }
        all
    }
}

/// Where each path of a check first stands.
pub(super) fn places(sink: &Sink<'_>, root: &Section<'_>) -> BTreeMap<String, (u32, u32)> {
    let mut places = BTreeMap::new();
    for name in ["http_service", "services", "checks"] {
        let Some(value) = root.get(name) else { continue };
        collect(sink, value.node, name == "checks", &mut places);
    }
    places
}

fn collect(sink: &Sink<'_>, node: &Node, in_checks: bool, places: &mut BTreeMap<String, (u32, u32)>) {
    match &node.kind {
        Kind::Array(list) => list.iter().for_each(|node| collect(sink, node, in_checks, places)),
        Kind::Table(entries) => {
            for entry in entries {
                match &entry.node.kind {
                    Kind::Text(path) if in_checks && entry.name == "path" => {
                        places.entry(path.clone()).or_insert(sink.position(entry.node.span.start));
                    }
                    _ => collect(sink, &entry.node, in_checks || entry.name.ends_with("checks"), places),
                }
            }
        }
        _ => {}
    }
}
