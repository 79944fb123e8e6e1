//! Fly's tokens.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

/// A Fly token, or a comma-joined set of them (permission and discharge). It is never printed.
///
/// `fly tokens create` prints a token with a leading `FlyV1 `, and people paste it behind another `Bearer `: all such
/// prefixes are stripped. It goes out as `FlyV1` when any part is a macaroon (`fm1…`, `fm2…`), else as `Bearer`.
///
/// ```
/// use flyclient::Token;
/// let token: Token = "Bearer FlyV1 fm2_abc,fm2_def".parse()?;
/// assert_eq!(token.scheme(), "FlyV1");
/// assert_eq!(format!("{token:?}"), "Token(FlyV1, redacted)");
/// # Ok::<(), flyclient::TokenError>(())
/// ```
#[derive(Clone)]
pub struct Token {
    secret: SecretString,
    scheme: &'static str,
}

/// Why a text is no token. The text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Nothing is left after the prefixes.
    #[error("the token is empty: create one with `fly tokens create deploy`")]
    Empty,
    /// Something that cannot be in an HTTP header.
    #[error(
        "the token has a character that no token has, at offset {offset}: was it cut or wrapped when it was copied?"
    )]
    Character {
        /// Offset in bytes.
        offset: usize,
    },
}

const PREFIXES: [&str; 2] = ["flyv1", "bearer"];
const REDACTED: &str = "<redacted>";

/// Parts shorter than this are not searched for in foreign text: they would be found everywhere.
const SCRUB_LENGTH_MIN: usize = 6;

impl Token {
    /// The scheme under which it is sent: `FlyV1` or `Bearer`.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// The value of an `Authorization` header, marked as sensitive.
    pub(crate) fn header(&self) -> HeaderValue {
        sensitive(&format!("{} {}", self.scheme, self.secret.expose_secret()))
    }

    /// The value of an `Authorization` header for HTTP basic authentication, as registries want it.
    pub(crate) fn basic(&self, user: &str) -> HeaderValue {
        sensitive(&format!("Basic {}", self.basic_text(user)))
    }

    fn basic_text(&self, user: &str) -> String {
        STANDARD.encode(format!("{user}:{}", self.secret.expose_secret()))
    }

    /// `text` without this token, should a server have sent it back: whole, in parts, or in base64.
    pub(crate) fn scrub(&self, text: &str) -> String {
        if cfg!(feature = "sabotage-p9") {
            return text.to_owned();
        }
        let secret = self.secret.expose_secret();
        let mut needles = vec![secret.to_owned(), STANDARD.encode(secret), self.basic_text("x")];
        needles.extend(secret.split(',').map(|part| part.trim().to_owned()));
        needles.retain(|needle| needle.len() >= SCRUB_LENGTH_MIN);
        needles.iter().fold(text.to_owned(), |text, needle| text.replace(needle, REDACTED))
    }
}

impl Token {
    /// `text` without this token as HTTP basic authentication under `user` has it.
    pub(crate) fn scrub_basic(&self, text: &str, user: &str) -> String {
        text.replace(&self.basic_text(user), REDACTED)
    }
}

fn sensitive(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).expect("because a token has visible ASCII characters only");
    value.set_sensitive(true);
    value
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut rest = text.trim();
        while let Some((word, tail)) = rest.split_once(char::is_whitespace) {
            if !PREFIXES.contains(&word.to_ascii_lowercase().as_str()) {
                break;
            }
            rest = tail.trim_start();
        }
        if rest.is_empty() || PREFIXES.contains(&rest.to_ascii_lowercase().as_str()) {
            return Err(TokenError::Empty);
        }
        if let Some(offset) = rest.bytes().position(|b| !(b.is_ascii_graphic() || b == b' ')) {
            return Err(TokenError::Character { offset });
        }
        let macaroon = rest.split(',').any(|part| {
            let part = part.trim();
            part.starts_with("fm1") || part.starts_with("fm2")
        });
        let scheme = if macaroon { "FlyV1" } else { "Bearer" };
        Ok(Self { secret: SecretString::from(rest), scheme })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, redacted)", self.scheme)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> String {
        text.parse::<Token>().unwrap().header().to_str().unwrap().to_owned()
    }

    #[test]
    fn prefixes_are_stripped_and_the_scheme_is_chosen() {
        // fly.md 1.1: FlyV1 when any token of the set is a macaroon, else Bearer; strip a prefix repeatedly.
        assert_eq!(header("opaque-value"), "Bearer opaque-value");
        assert_eq!(header("Bearer opaque-value"), "Bearer opaque-value");
        assert_eq!(header("  FlyV1 FlyV1 fm2_a\n"), "FlyV1 fm2_a");
        assert_eq!(header("bearer flyv1 fm2_a,fm2_b"), "FlyV1 fm2_a,fm2_b");
        assert_eq!(header("FlyV1 fm1r_a,fo1_b"), "FlyV1 fm1r_a,fo1_b");
        assert_eq!(header("fo1_a,fm1a_b"), "FlyV1 fo1_a,fm1a_b");
        assert_eq!(header("fo1_a"), "Bearer fo1_a");
    }

    #[test]
    fn what_is_no_token_is_named_without_repeating_it() {
        for empty in ["", "  ", "Bearer", "FlyV1 ", "Bearer FlyV1"] {
            assert_eq!(empty.parse::<Token>().unwrap_err(), TokenError::Empty, "{empty:?}");
        }
        let error = "hidden\nvalue".parse::<Token>().unwrap_err();
        assert_eq!(error, TokenError::Character { offset: 6 });
        assert!(!format!("{error} {error:?}").contains("hidden"));
    }

    #[test]
    fn p9_it_is_not_printed_and_is_taken_out_of_foreign_text() {
        let token: Token = "fm2_longsecret,fm2_othersecret".parse().unwrap();
        assert!(!format!("{token:?}").contains("secret"));
        assert!(!format!("{:?}", token.header()).contains("secret"));
        let base64 = STANDARD.encode("x:fm2_longsecret,fm2_othersecret");
        let text =
            token.scrub(&format!("bad fm2_othersecret and fm2_longsecret,fm2_othersecret and {base64}"));
        assert!(!text.contains("secret") && !text.contains(&base64), "{text}");
    }
}
