//! Which address a program means: the pure half of answering `bind` and `connect`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};

use super::spec::Spec;

/// The longest address that is of interest here, `sockaddr_in6`.
pub(super) const ADDRESS_BYTES_MAX: usize = 28;

/// An internet address in a program's memory; `None` for other families and for what is too short to be one.
pub(super) fn parse(bytes: &[u8]) -> Option<SocketAddr> {
    let family = i32::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
    let port = u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?);
    match family {
        libc::AF_INET => {
            let ip: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
            // The kernel takes no `sockaddr_in` shorter than 16 bytes.
            (bytes.len() >= 16).then(|| SocketAddr::new(IpAddr::V4(Ipv4Addr::from(ip)), port))
        }
        libc::AF_INET6 => {
            let ip: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(ip)), port))
        }
        _ => None,
    }
}

/// "Any address", "this host" and the machine's own address all mean the machine's address. Port 0 is left to the
/// kernel: it takes a free one, and clients that bind before they connect out need an address that leads out.
pub(super) fn bind_instead(asked: SocketAddr, own: Ipv4Addr, low_ports: u16) -> Option<SocketAddrV4> {
    let ip = plain(asked.ip());
    let ours = ip.is_unspecified() || is_this_host(ip) || ip == IpAddr::V4(own);
    let port = Spec::host_port(asked.port(), low_ports);
    (ours && port != 0).then(|| SocketAddrV4::new(own, port))
}

/// "This host" means the machine, for ports on which it listens; else the host (where databases may run).
pub(super) fn connect_instead(
    asked: SocketAddr,
    own: Ipv4Addr,
    low_ports: u16,
    listens: impl Fn(u16) -> bool,
) -> Option<SocketAddrV4> {
    let ip = plain(asked.ip());
    let port = Spec::host_port(asked.port(), low_ports);
    let local = ip.is_unspecified() || is_this_host(ip) || (ip == IpAddr::V4(own) && port != asked.port());
    (local && listens(port)).then(|| SocketAddrV4::new(own, port))
}

fn plain(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

fn is_this_host(ip: IpAddr) -> bool {
    ip == IpAddr::V4(Ipv4Addr::LOCALHOST) || ip == IpAddr::V6(Ipv6Addr::LOCALHOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Ipv4Addr = Ipv4Addr::new(127, 77, 1, 2);

    fn bound(asked: &str) -> Option<String> {
        bind_instead(asked.parse().unwrap(), OWN, 1024).map(|address| address.to_string())
    }

    #[test]
    fn every_way_to_say_here_becomes_the_machines_address() {
        for asked in ["0.0.0.0:8080", "127.0.0.1:8080", "[::]:8080", "[::1]:8080", "[::ffff:0.0.0.0]:8080"] {
            assert_eq!(bound(asked).as_deref(), Some("127.77.1.2:8080"), "{asked}");
        }
        assert_eq!(
            bound("0.0.0.0:80").as_deref(),
            Some("127.77.1.2:20080"),
            "a port that is not ours to bind"
        );
        assert_eq!(bound("127.77.1.2:80").as_deref(), Some("127.77.1.2:20080"));
    }

    #[test]
    fn other_addresses_and_free_ports_are_the_kernels_business() {
        for asked in ["0.0.0.0:0", "[::]:0", "10.0.0.1:8080", "127.77.1.3:8080", "[fe80::1]:8080"] {
            assert_eq!(bound(asked), None, "{asked}");
        }
    }

    #[test]
    fn this_host_is_the_machine_only_where_it_listens() {
        let to = |asked: &str| {
            connect_instead(asked.parse().unwrap(), OWN, 1024, |port| port == 8080 || port == 20080)
        };
        assert_eq!(to("127.0.0.1:8080"), Some(SocketAddrV4::new(OWN, 8080)));
        assert_eq!(to("[::1]:80"), Some(SocketAddrV4::new(OWN, 20080)));
        assert_eq!(to("127.0.0.1:5432"), None);
        assert_eq!(to("10.0.0.1:8080"), None);
    }

    #[test]
    fn addresses_are_read_as_the_kernel_reads_them() {
        let mut four = Vec::from(u16::try_from(libc::AF_INET).unwrap().to_ne_bytes());
        four.extend([0x1f, 0x90, 127, 0, 0, 1]);
        assert_eq!(parse(&four), None, "shorter than sockaddr_in");
        four.extend([0; 8]);
        assert_eq!(parse(&four), Some("127.0.0.1:8080".parse().unwrap()));
        let mut six = Vec::from(u16::try_from(libc::AF_INET6).unwrap().to_ne_bytes());
        six.extend([0x1f, 0x90, 0, 0, 0, 0]);
        six.extend(Ipv6Addr::LOCALHOST.octets());
        assert_eq!(parse(&six), Some("[::1]:8080".parse().unwrap()));
        assert_eq!(parse(&u16::try_from(libc::AF_UNIX).unwrap().to_ne_bytes()), None);
        assert_eq!(parse(&[]), None);
    }
}
