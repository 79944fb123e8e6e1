//! Why nothing answers: where the program listens, against where it should.

use std::{collections::BTreeSet, net::SocketAddr};

use super::{Cell, Launch, LaunchError, RuntimeKind};
use crate::procfs;

/// `None` while it listens where it should, and while it listens nowhere (it may still be starting).
pub(super) fn explain(kind: RuntimeKind, launch: &Launch, cell: &Cell) -> Option<LaunchError> {
    let found = procfs::listening(procfs::descendants(cell.pid).iter().map(|stat| stat.pid));
    let why = judge(kind, launch, cell, &found)?;
    Some(LaunchError::Refused { image: launch.image.clone(), why })
}

fn judge(kind: RuntimeKind, launch: &Launch, cell: &Cell, found: &BTreeSet<SocketAddr>) -> Option<String> {
    if found.is_empty() || cell.endpoints.values().any(|endpoint| found.contains(endpoint)) {
        return None;
    }
    let list = |addresses: &mut dyn Iterator<Item = SocketAddr>| {
        addresses.map(|address| address.to_string()).collect::<Vec<_>>().join(", ")
    };
    let listens = list(&mut found.iter().copied());
    let wanted = list(&mut cell.endpoints.values().copied());
    Some(match kind {
        RuntimeKind::Plain => format!(
            "it listens on {listens} and ignores HOST and PORT, which say {wanted}; on the plain runtime a program \
             shares the host's network and must take its address from them"
        ),
        RuntimeKind::Isolated => {
            let ports: Vec<String> = launch.ports.iter().map(u16::to_string).collect();
            format!("it listens on {listens}, but internal_port is {}", ports.join(", "))
        }
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, net::Ipv4Addr, path::PathBuf};

    use super::*;

    fn judged(kind: RuntimeKind, listens: &[&str]) -> Option<String> {
        let launch = Launch {
            id: "m1".to_owned(),
            dir: PathBuf::new(),
            rootfs: PathBuf::new(),
            image: "app".to_owned(),
            argv: Vec::new(),
            env: BTreeMap::new(),
            cwd: String::new(),
            address: Ipv4Addr::new(127, 77, 0, 1),
            ports: vec![8080],
        };
        let endpoints = BTreeMap::from([(8080, "127.77.0.1:8080".parse().unwrap())]);
        let cell = Cell { pid: 1, started_ticks: 1, endpoints };
        judge(kind, &launch, &cell, &listens.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn a_program_that_ignores_host_and_port_is_told_what_it_does_instead() {
        let why = judged(RuntimeKind::Plain, &["0.0.0.0:8080"]).unwrap();
        assert!(
            why.contains("0.0.0.0:8080") && why.contains("HOST") && why.contains("127.77.0.1:8080"),
            "{why}"
        );
    }

    #[test]
    fn another_port_is_named_on_the_isolated_runtime() {
        let why = judged(RuntimeKind::Isolated, &["127.77.0.1:3000"]).unwrap();
        assert_eq!(why, "it listens on 127.77.0.1:3000, but internal_port is 8080");
    }

    #[test]
    fn nothing_to_say_about_the_obedient_and_the_slow() {
        assert_eq!(judged(RuntimeKind::Plain, &["127.77.0.1:8080", "127.0.0.1:9"]), None);
        assert_eq!(judged(RuntimeKind::Plain, &[]), None);
    }
}
