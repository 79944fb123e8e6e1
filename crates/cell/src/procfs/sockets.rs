//! Which TCP ports a process listens on: its descriptors name socket inodes, `/proc/net/tcp*` knows their addresses.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// `TCP_LISTEN` in the kernel's `tcp_states.h`, as it is printed.
const LISTEN: &str = "0A";

pub(super) fn listening(pids: impl IntoIterator<Item = u32>) -> BTreeSet<SocketAddr> {
    let mut inodes = BTreeSet::new();
    for pid in pids {
        let Ok(list) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for target in list.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()) {
            let inode = target.to_str().and_then(|text| text.strip_prefix("socket:["));
            inodes.extend(inode.and_then(|text| text.trim_end_matches(']').parse::<u64>().ok()));
        }
    }
    let mut found = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(table).unwrap_or_default();
        let rows = text.lines().skip(1).filter_map(row);
        found.extend(rows.filter(|(_, inode)| inodes.contains(inode)).map(|(address, _)| address));
    }
    found
}

/// A listening row's address and inode: `sl local rem st tx:rx tr:tm retrnsmt uid timeout inode …`.
fn row(line: &str) -> Option<(SocketAddr, u64)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    if *fields.get(3)? != LISTEN {
        return None;
    }
    let (address, port) = fields.get(1)?.split_once(':')?;
    let address = SocketAddr::new(ip(address)?, u16::from_str_radix(port, 16).ok()?);
    Some((address, fields.get(9)?.parse().ok()?))
}

/// The address's bytes in network order, printed as 32-bit words of this machine's order.
fn ip(hex: &str) -> Option<IpAddr> {
    let mut bytes = Vec::new();
    for at in (0..hex.len()).step_by(8) {
        let word = u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    if let Ok(four) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some(IpAddr::V4(Ipv4Addr::from(four)));
    }
    let six = Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?);
    Some(six.to_ipv4_mapped().map_or(IpAddr::V6(six), IpAddr::V4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn rows_of_both_tables_are_read() {
        let four = "0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1 0";
        assert_eq!(row(four), Some(("127.0.0.1:8080".parse().unwrap(), 4711)));
        let mapped = "1: 0000000000000000FFFF000002014D7F:0050 00000000000000000000000000000000:0000 0A \
                      00000000:00000000 00:00000000 00000000 0 0 12 1 0";
        assert_eq!(row(mapped), Some(("127.77.1.2:80".parse().unwrap(), 12)));
        assert_eq!(row(&four.replace(" 0A ", " 01 ")), None, "an established connection");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_listener_of_this_process_is_seen() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let found = listening([std::process::id()]);
        assert!(found.contains(&listener.local_addr().unwrap()), "{found:?}");
    }
}
