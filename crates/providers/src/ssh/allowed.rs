//! The `allowed_signers` file: `principals [options] keytype base64 [comment]`, one key a line.

use promotion::model::{At, Person};
use ssh_key::PublicKey;

/// Who may sign what.
#[derive(Debug, Clone, Default)]
pub struct AllowedSigners {
    keys: Vec<Signer>,
}

/// One line.
#[derive(Debug, Clone)]
struct Signer {
    key: PublicKey,
    rights: Rights,
}

/// What a line's options say.
#[derive(Debug, Clone, Default)]
struct Rights {
    namespaces: Option<Vec<String>>,
    from: Option<At>,
    until: Option<At>,
}

/// Why a file is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {why}")]
pub struct AllowedError {
    /// Which file.
    pub file: String,
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub why: String,
}

impl AllowedSigners {
    /// Reads a file's text; `file` is for messages. Options other than `namespaces=`, `valid-after=` and `valid-before=` are
    /// refused rather than ignored: each of them takes a right away. A key that has a time counts once
    /// [`AllowedSigners::at`] says what time it is, and not before.
    pub fn parse(file: &str, text: &str) -> Result<Self, AllowedError> {
        let mut keys = Vec::new();
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |why: String| AllowedError { file: file.to_owned(), line: n + 1, why };
            let (_principals, rest) = line
                .split_once(char::is_whitespace)
                .ok_or_else(|| wrong("expected `name ssh-ed25519 AAAA…`".to_owned()))?;
            let (rights, key) = options(rest.trim_start()).map_err(wrong)?;
            let key = key.parse::<PublicKey>().map_err(|error| {
                wrong(format!("this is no public key ({error}); expected `ssh-ed25519 AAAA…`"))
            })?;
            keys.push(Signer { key, rights });
        }
        Ok(Self { keys })
    }

    /// Those whose time it is at `now`.
    #[must_use]
    pub fn at(mut self, now: At) -> Self {
        self.keys.retain_mut(|Signer { rights, .. }| {
            let (from, until) = (rights.from.take(), rights.until.take());
            from.is_none_or(|from| from <= now) && until.is_none_or(|until| now < until)
        });
        self
    }

    /// Adds a key for one namespace.
    #[must_use]
    pub fn with(mut self, key: PublicKey, namespace: &str) -> Self {
        let namespaces = Some(vec![namespace.to_owned()]);
        self.keys.push(Signer { key, rights: Rights { namespaces, ..Rights::default() } });
        self
    }

    /// Whether `who` has a key here, for whatever; where nobody is listed nobody is known.
    pub fn knows(&self, who: &Person) -> bool {
        self.keys.iter().any(|signer| super::person(&signer.key) == *who)
    }

    /// Whether `key` may sign in `namespace`. A line without namespaces is for what people say: requests and approvals.
    pub fn allows(&self, key: &PublicKey, namespace: &str) -> bool {
        self.keys(namespace).any(|allowed| allowed.key_data() == key.key_data())
    }

    /// The keys that may sign in `namespace`.
    pub fn keys(&self, namespace: &str) -> impl Iterator<Item = &PublicKey> {
        let namespace = namespace.to_owned();
        let may = move |signer: &&Signer| {
            let Rights { namespaces, from, until } = &signer.rights;
            from.is_none()
                && until.is_none()
                && match namespaces {
                    Some(names) => names.contains(&namespace),
                    None => {
                        matches!(namespace.as_str(), super::APPROVAL_NAMESPACE | super::REQUEST_NAMESPACE)
                    }
                }
        };
        self.keys.iter().filter(may).map(|signer| &signer.key)
    }
}

/// The options of a line, and its key: `name="value",name="value" ssh-…`.
fn options(mut rest: &str) -> Result<(Rights, &str), String> {
    let mut rights = Rights::default();
    if ["ssh-", "ecdsa-", "sk-"].iter().any(|kind| rest.starts_with(kind)) {
        return Ok((rights, rest));
    }
    loop {
        let (name, value) = rest.split_once("=\"").unwrap_or((rest, ""));
        let name = name.split(['=', ' ', ',']).next().unwrap_or_default();
        let quoted = value.split_once('"');
        let unclosed = || format!("the quote after `{name}=` is not closed");
        match name {
            "namespaces" => {
                let (names, _) = quoted.ok_or_else(unclosed)?;
                rights.namespaces = Some(names.split(',').map(|name| name.trim().to_owned()).collect());
            }
            "valid-after" => rights.from = Some(instant(name, quoted.ok_or_else(unclosed)?.0)?),
            "valid-before" => rights.until = Some(instant(name, quoted.ok_or_else(unclosed)?.0)?),
            other => {
                return Err(format!(
                    "option `{other}` is not supported; only `namespaces=\"…\"`, `valid-after=\"…\"` and \
                     `valid-before=\"…\"` are"
                ));
            }
        }
        let (_, behind) = quoted.ok_or_else(unclosed)?;
        match behind.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Ok((rights, behind.trim_start())),
        }
    }
}

/// `YYYYMMDDZ` or `YYYYMMDDHHMM[SS]Z`. Without the `Z` it would mean another time on every machine.
fn instant(option: &str, text: &str) -> Result<At, String> {
    let wrong = || {
        format!(
            "`{text}` of option `{option}` is no time in UTC; expected `YYYYMMDDZ` or `YYYYMMDDHHMM[SS]Z`"
        )
    };
    let digits = text.strip_suffix('Z').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let digits = digits.ok_or_else(wrong)?;
    let rest = match digits.len() {
        8 => "000000",
        12 => "00",
        14 => "",
        _ => return Err(wrong()),
    };
    let time = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", format!("{digits}{rest}"));
    let zoned = time.and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC)).map_err(|_| wrong())?;
    Ok(At(zoned.timestamp().as_millisecond()))
}
