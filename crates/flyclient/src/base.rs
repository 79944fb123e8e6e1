//! Where an API is.

use std::{fmt, str::FromStr};

use url::{Host, Url};

/// The base URL of an API, below which all its paths are; a credential given with it is sent nowhere else.
///
/// HTTPS, or plain HTTP for loopback addresses and for names under `.internal`, which only resolve inside Fly's private
/// network (`http://_api.internal:4280`): a credential in clear text is for those alone.
///
/// ```
/// use flyclient::Base;
/// assert_eq!("https://api.machines.dev/".parse::<Base>()?, Base::fly());
/// assert!("http://api.machines.dev".parse::<Base>().is_err());
/// # Ok::<(), flyclient::BaseError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Base(Url);

/// Why a text is no base URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseError {
    /// No URL at all.
    #[error("`{text}` is no base URL: expected something like `https://api.machines.dev`")]
    NoUrl {
        /// What was read.
        text: String,
    },
    /// Another scheme.
    #[error("`{scheme}` is no scheme for a base URL: use https, or http for loopback addresses")]
    Scheme {
        /// What was read.
        scheme: String,
    },
    /// Plain HTTP to the outside would show the credential to everybody on the way.
    #[error("plain http to `{host}` would send the token in clear text: use https")]
    ClearText {
        /// The host.
        host: String,
    },
    /// User, password, query or fragment.
    #[error("a base URL has no user, password, query or fragment: give the token by itself")]
    Extra,
}

impl Base {
    /// The public Machines API, <https://api.machines.dev>.
    pub fn fly() -> Self {
        "https://api.machines.dev".parse().expect("because a test reads this constant")
    }

    /// The public API of logs, <https://api.fly.io>.
    pub fn fly_logs() -> Self {
        "https://api.fly.io".parse().expect("because a test reads this constant")
    }

    /// The URL of `path`, which begins with `/` and is percent-encoded; `None` where the path would leave the base.
    pub(crate) fn join(&self, path: &str, query: &[(String, String)]) -> Option<Url> {
        let mut url = self.0.clone();
        let whole = format!("{}{path}", self.0.path().trim_end_matches('/'));
        url.set_path(&whole);
        if url.path() != whole {
            return None;
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Some(url)
    }

    /// Whether `url` has this base's scheme, host and port.
    pub(crate) fn is_origin_of(&self, url: &Url) -> bool {
        self.0.origin() == url.origin()
    }

    /// The URL.
    pub fn as_url(&self) -> &Url {
        &self.0
    }
}

/// Whether only this machine is meant.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl FromStr for Base {
    type Err = BaseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text.trim()).map_err(|_| BaseError::NoUrl { text: text.to_owned() })?;
        if !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(BaseError::Extra);
        }
        let Some(host) = url.host_str() else { return Err(BaseError::NoUrl { text: text.to_owned() }) };
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_loopback(&url) || host.ends_with(".internal") => Ok(Self(url)),
            "http" => Err(BaseError::ClearText { host: host.to_owned() }),
            scheme => Err(BaseError::Scheme { scheme: scheme.to_owned() }),
        }
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_offered_in_clear_text_to_the_outside() {
        for good in [
            "https://api.machines.dev",
            "http://127.0.0.1:1",
            "http://localhost:1",
            "http://[::1]:4",
            "http://_api.internal:4280",
            "http://a.localhost",
        ] {
            assert!(good.parse::<Base>().is_ok(), "{good}");
        }
        assert!(matches!("http://api.machines.dev".parse::<Base>(), Err(BaseError::ClearText { .. })));
        assert!(matches!("http://127.0.0.1.example.org".parse::<Base>(), Err(BaseError::ClearText { .. })));
        assert!(matches!("ftp://x".parse::<Base>(), Err(BaseError::Scheme { .. })));
        assert!(matches!("nonsense".parse::<Base>(), Err(BaseError::NoUrl { .. })));
        for bad in ["https://u:p@x", "https://x?a=1", "https://x#f"] {
            assert_eq!(bad.parse::<Base>(), Err(BaseError::Extra), "{bad}");
        }
    }

    #[test]
    fn paths_stay_below_the_base() {
        let base: Base = "http://127.0.0.1:1/fly/".parse().unwrap();
        let url = base.join("/v1/apps/a", &[("a b".to_owned(), "c&d".to_owned())]).unwrap();
        assert_eq!(url.as_str(), "http://127.0.0.1:1/fly/v1/apps/a?a+b=c%26d");
        assert!(base.join("/v1/../../x", &[]).is_none());
        assert!(base.join("/v1/%2e%2e/x", &[]).is_none());
        assert_eq!(Base::fly().join("/v1/apps", &[]).unwrap().as_str(), "https://api.machines.dev/v1/apps");
    }
}
