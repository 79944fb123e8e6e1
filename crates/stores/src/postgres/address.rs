//! The address of a store: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…`, as libpq has it
//! (<https://www.postgresql.org/docs/current/libpq-connect.html>, 34.1.1.2 and 34.1.2).

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;
use url::Url;

/// How long a server may take to answer a call for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// How long data may stay unacknowledged before the connection counts as cut.
const SILENT_MAX: Duration = Duration::from_secs(20);

/// The schema where the address names none.
const SCHEMA: &str = "understudy";

/// How much of TLS there is to be: the modes of libpq that keep what they promise (`allow` and `prefer` do not).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// None.
    Disable,
    /// Encrypted; whoever answers is believed. With `sslrootcert` as `verify-ca`, as libpq does it.
    Require,
    /// Encrypted, and the certificate is signed by somebody we trust.
    VerifyCa,
    /// The same, and it is the host's that was asked for.
    VerifyFull,
}

/// Where a journal is kept, and how to get there. Shows no password, nor does its `Debug`.
#[derive(Clone)]
pub struct Address {
    pub(super) config: Config,
    pub(super) tls: TlsMode,
    pub(super) roots: Option<PathBuf>,
    pub(super) schema: String,
    shown: String,
}

/// Why a text is no address of a store. Quotes nothing that may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No URL, or of another scheme.
    #[error("it is no URL of the form postgres://USER@HOST:PORT/DATABASE")]
    NoUrl,
    /// A part that we do not guess.
    #[error("it does not say which {what}")]
    Missing {
        /// Which.
        what: &'static str,
    },
    /// A parameter with a value that it cannot have.
    #[error("its parameter `{name}` {why}")]
    Parameter {
        /// Which.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
}

impl Address {
    /// Reads `text`. A relative `sslrootcert` is meant from `root` on.
    ///
    /// # Errors
    /// When it is no URL, names no user or host, or has a parameter that we do not know.
    pub fn parse(text: &str, root: &Path) -> Result<Self, AddressError> {
        let url = Url::parse(text).map_err(|_| AddressError::NoUrl)?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(AddressError::NoUrl);
        }
        let given = Given::read(&url)?;
        let host = match url.host_str().filter(|host| !host.is_empty()) {
            Some(host) => decoded(host.trim_start_matches('[').trim_end_matches(']'))?,
            None => return Err(AddressError::Missing { what: "host" }),
        };
        let user = Some(decoded(url.username())?).filter(|user| !user.is_empty());
        let user = user.ok_or(AddressError::Missing { what: "user" })?;
        let database = Some(decoded(url.path().trim_start_matches('/'))?).filter(|name| !name.is_empty());
        let database = database.unwrap_or_else(|| user.clone());
        let port = url.port().unwrap_or(5432);
        let tls = given.tls.unwrap_or(if is_here(&host) { TlsMode::Disable } else { TlsMode::VerifyFull });
        let mut config = Config::new();
        config.user(&user).dbname(&database).host(&host).port(port);
        config.application_name("understudy").connect_timeout(CONNECT_MAX).tcp_user_timeout(SILENT_MAX);
        config.ssl_mode(if tls == TlsMode::Disable { SslMode::Disable } else { SslMode::Require });
        if let Some(password) = url.password() {
            config.password(decoded(password)?);
        }
        let schema = given.schema.unwrap_or_else(|| SCHEMA.to_owned());
        let shown_host = if host.contains(':') { format!("[{host}]") } else { host };
        let shown = format!("postgres://{user}@{shown_host}:{port}/{database} (schema {schema})");
        Ok(Self { config, tls, roots: given.roots.map(|path| root.join(path)), schema, shown })
    }

    /// How much of TLS there is to be.
    #[must_use]
    pub fn tls(&self) -> TlsMode {
        self.tls
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.shown).field(&self.tls).finish()
    }
}

/// The parameters behind the question mark.
#[derive(Default)]
struct Given {
    tls: Option<TlsMode>,
    roots: Option<PathBuf>,
    schema: Option<String>,
}

impl Given {
    fn read(url: &Url) -> Result<Self, AddressError> {
        let mut given = Self::default();
        for (name, value) in url.query_pairs() {
            let wrong = |why| Err(AddressError::Parameter { name: name.to_string(), why });
            match &*name {
                "sslmode" => match &*value {
                    "disable" => given.tls = Some(TlsMode::Disable),
                    "require" => given.tls = Some(TlsMode::Require),
                    "verify-ca" => given.tls = Some(TlsMode::VerifyCa),
                    "verify-full" => given.tls = Some(TlsMode::VerifyFull),
                    "allow" | "prefer" => {
                        return wrong(
                            "lets the network choose to do without TLS: say disable, require or verify-full",
                        );
                    }
                    _ => return wrong("is one of disable, require, verify-ca and verify-full"),
                },
                "sslrootcert" if value.is_empty() => return wrong("is a file with certificates, in PEM"),
                "sslrootcert" => given.roots = Some(PathBuf::from(&*value)),
                "schema" if is_identifier(&value) => given.schema = Some(value.into_owned()),
                "schema" => return wrong("is 1 to 63 of a-z, 0-9 and _, and does not begin with a digit"),
                "channel_binding" if matches!(&*value, "disable" | "prefer") => {}
                "channel_binding" => {
                    return wrong("can be disable or prefer: there is no binding to channels here");
                }
                "password" => {
                    return wrong("is not read: the password goes behind the user, as USER:PASSWORD@HOST");
                }
                _ => {
                    return wrong(
                        "is not known: there are sslmode, sslrootcert, schema, channel_binding and lease",
                    );
                }
            }
        }
        Ok(given)
    }
}

/// What may stand in a statement without quotes and means itself.
fn is_identifier(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// A socket of this machine, or its loopback.
fn is_here(host: &str) -> bool {
    host.starts_with('/')
        || host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn decoded(text: &str) -> Result<String, AddressError> {
    percent_decode_str(text).decode_utf8().map(|text| text.into_owned()).map_err(|_| AddressError::NoUrl)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Address, AddressError> {
        Address::parse(text, Path::new("/project"))
    }

    #[test]
    fn a_server_elsewhere_must_prove_itself_and_one_here_need_not() {
        for (host, mode) in [
            ("db.example.com", TlsMode::VerifyFull),
            ("db.example.com:6543", TlsMode::VerifyFull),
            ("10.0.0.7", TlsMode::VerifyFull),
            ("localhost", TlsMode::Disable),
            ("127.0.0.1:5433", TlsMode::Disable),
            ("[::1]", TlsMode::Disable),
            ("%2Fvar%2Frun%2Fpostgresql", TlsMode::Disable),
        ] {
            assert_eq!(read(&format!("postgres://u@{host}/d")).unwrap().tls(), mode, "{host}");
        }
        for (text, mode) in [
            ("disable", TlsMode::Disable),
            ("require", TlsMode::Require),
            ("verify-ca", TlsMode::VerifyCa),
            ("verify-full", TlsMode::VerifyFull),
        ] {
            let address = read(&format!("postgresql://u@db.example.com/d?sslmode={text}")).unwrap();
            assert_eq!(address.tls(), mode);
        }
    }

    #[test]
    fn nothing_that_is_shown_has_the_password() {
        let address = read("postgres://me:s3cr%40t@h.example:6543/d?schema=shop&sslrootcert=ca.pem").unwrap();
        assert_eq!(address.config.get_password(), Some("s3cr@t".as_bytes()));
        assert_eq!(address.to_string(), "postgres://me@h.example:6543/d (schema shop)");
        assert_eq!(address.roots.as_deref(), Some(Path::new("/project/ca.pem")));
        let texts = [format!("{address:?}"), format!("{:?}", address.config)];
        assert!(texts.iter().all(|text| !text.contains("s3cr")), "{texts:?}");
        for wrong in
            ["postgres://:s3cret@h/d", "postgres://u:s3cret@h/d?sslmode=s3cret", "mysql://u:s3cret@h/d"]
        {
            let error = read(wrong).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn a_database_is_named_after_its_user_where_none_is_named() {
        assert_eq!(read("postgres://me@localhost").unwrap().config.get_dbname(), Some("me"));
        assert_eq!(read("postgres://me@localhost/").unwrap().config.get_ports(), [5432]);
        let socket = read("postgres://me@%2Frun%2Fpg/d").unwrap();
        assert_eq!(socket.to_string(), "postgres://me@/run/pg:5432/d (schema understudy)");
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        let why = |text: &str| read(text).unwrap_err().to_string();
        assert!(why("postgres://u@h/d?sslmode=prefer").contains("`sslmode` lets the network choose"));
        assert!(why("postgres://u@h/d?sslmode=full").contains("`sslmode` is one of"));
        assert!(why("postgres://u@h/d?options=-c%20x").contains("`options` is not known"));
        assert!(why("postgres://u@h/d?schema=Shop").contains("`schema` is 1 to 63"));
        assert!(why("postgres://u@h/d?schema=a;b").contains("`schema` is 1 to 63"));
        assert!(why("postgres://u@h/d?channel_binding=require").contains("`channel_binding` can be"));
        assert!(why("postgres://h/d").contains("which user"));
        assert!(why("postgres:///d").contains("which host"));
        assert!(why("s3://u@h/d").contains("postgres://USER"));
    }
}
