//! Names to addresses, asked for each case anew: a cut-over of a name is seen by the next case.

use std::net::{Ipv4Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The system's resolver, except that `localhost` and everything below it is 127.0.0.1 (RFC 6761, 6.3), which
/// not every system knows, and that one address may be given for all names.
pub(super) struct Resolver {
    /// Connect here, whatever the name.
    pub(super) fixed: Option<SocketAddr>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let fixed = self.fixed;
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = match fixed {
                Some(address) => vec![address],
                None if is_localhost(name.as_str()) => vec![(Ipv4Addr::LOCALHOST, 0).into()],
                None => tokio::net::lookup_host((name.as_str(), 0)).await?.collect(),
            };
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::is_localhost;

    #[test]
    fn localhost_and_what_is_below_it() {
        for name in ["localhost", "api.localhost", "A.B.LocalHost", "api.localhost."] {
            assert!(is_localhost(name), "{name}");
        }
        for name in ["notlocalhost", "localhost.example.com", "example.com", ""] {
            assert!(!is_localhost(name), "{name}");
        }
    }
}
