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
    /// A parameter that we do not know, with a name that nobody would give one: it may be something else.
    #[error("it has a parameter that {}", NOT_KNOWN)]
    Unknown,
    /// A character of the password, most likely, ends the part that it is meant for.
    #[error(
        "it has an `@` behind the host: in user and password `?` is written %3F, `#` %23, `/` %2F and `@` %40, and so is \
         an `@` in a parameter"
    )]
    Unescaped,
}

/// What is said of a parameter that is none of ours.
const NOT_KNOWN: &str = "is not known: there are sslmode, sslrootcert, schema, channel_binding and lease";

impl Address {
    /// Whether `text` can be taken apart at all. What stands behind a `?`, `#` or `/` is nothing to be shown as long as
    /// it may be the rest of a password.
    ///
    /// # Errors
    /// When an `@` stands behind what looks like the host: that is then part of the password. A database with one in its
    /// name writes `%40`.
    pub fn screen(text: &str) -> Result<(), AddressError> {
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let behind = rest.find(['/', '?', '#']).and_then(|at| rest.get(at..)).unwrap_or_default();
        if behind.contains('@') && !cfg!(feature = "sabotage-p9") {
            Err(AddressError::Unescaped)
        } else {
            Ok(())
        }
    }

    /// Reads `text`. A relative `sslrootcert` is meant from `root` on.
    ///
    /// # Errors
    /// When it is no URL, names no user or host, or has a parameter that we do not know.
    pub fn parse(text: &str, root: &Path) -> Result<Self, AddressError> {
        Self::screen(text)?;
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
                name if is_name(name) => return wrong(NOT_KNOWN),
                _ => return Err(AddressError::Unknown),
            }
        }
        Ok(given)
    }
}

/// What a parameter may be called, of ours and of libpq's.
fn is_name(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
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
    fn p9_nothing_that_is_shown_has_the_password() {
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

    /// RFC 3986, 3.2 to 3.5: `/`, `?` and `#` end what stands before them, so that one in a password has to be written
    /// otherwise (2.1). What it cuts off is the rest of the password, and is not shown.
    #[test]
    fn p9_what_a_password_may_have_been_cut_into_is_not_shown() {
        for cut in [
            "postgres://u:12?s3cret@h/d",
            "postgres://u:12?s3=cret@h/d",
            "postgres://u:12?schema=s3cret@h/d",
            "postgres://u:1#s3cret@h/d",
            "postgres://u:12/s3cret@h/d",
            "postgres://u:pw?s3cret@h/d",
            "postgres://u:p@h/d?sslmode=require#s3cret@h/d",
        ] {
            let error = read(cut).unwrap_err();
            assert_eq!(error, AddressError::Unescaped, "{cut}");
            let text = format!("{error} {error:?}");
            assert!(["%3F", "%23", "%2F", "%40"].iter().all(|code| text.contains(code)), "{text}");
            assert!(!text.contains("cret"), "{text}");
        }
        for odd in ["postgres://u:p@h/d?S3CRET=1", "postgres://u:p@h/d?s3cret", "postgres://u:p@h/d?s3%40h=1"]
        {
            let error = read(odd).unwrap_err();
            assert!(error.to_string().contains("is not known: there are sslmode"), "{error}");
            assert!(!format!("{error} {error:?}").to_lowercase().contains("s3"), "{error:?}");
        }
        let long = format!("postgres://u:p@h/d?{}=1", "a".repeat(41));
        assert_eq!(read(&long).unwrap_err(), AddressError::Unknown);
        // Written as it has to be, each of them is what was meant.
        let meant = read("postgres://u:1%3F2%232%2F3%40@h/d%40b?sslrootcert=a%40b.pem").unwrap();
        assert_eq!(meant.config.get_password(), Some("1?2#2/3@".as_bytes()));
        assert_eq!(meant.config.get_dbname(), Some("d@b"));
        assert_eq!(meant.roots.as_deref(), Some(Path::new("/project/a@b.pem")));
        // The password may well be `p@ss/w0rd`.
        assert_eq!(read("postgres://u:p@ss/w0rd@h/d").unwrap_err(), AddressError::Unescaped);
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
