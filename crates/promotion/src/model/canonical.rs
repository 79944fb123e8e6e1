//! One spelling for one value: what hashes and signatures are computed over.
//!
//! Objects are written with their keys sorted by bytes, without white space; numbers and strings as `serde_json`
//! writes them. The domain goes in front, so that a hash of one kind of value never equals one of another kind.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A SHA-256 over a domain and a canonical value, in lower-case hex.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hash(String);

impl Hash {
    /// The 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, for people.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }

    /// Whether it is a hash at all: what is read from elsewhere may be any text.
    pub fn is_whole(&self) -> bool {
        self.0.len() == 64 && self.0.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
    }

    /// Reads a hash as a person typed it: all 64 digits, or at least the first twelve of `self`.
    pub fn answers_to(&self, typed: &str) -> bool {
        typed.len() >= 12 && self.0.starts_with(typed)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Hashes `value` under `domain`.
///
/// # Panics
/// Never for the types of this crate: they all serialise to JSON (string keys, finite numbers).
pub fn hash<T: Serialize + ?Sized>(domain: &str, value: &T) -> Hash {
    let mut sha = Sha256::new();
    sha.update(domain.as_bytes());
    sha.update([0]);
    sha.update(text(value).as_bytes());
    Hash(hex(&sha.finalize()))
}

/// The SHA-256 of a file's content, as `sha256sum` prints it.
pub fn of_bytes(bytes: &[u8]) -> Hash {
    Hash(hex(&Sha256::digest(bytes)))
}

/// The same of what a reader gives, to its end.
///
/// # Errors
/// As the reader says.
pub fn of_reader(mut reader: impl std::io::Read) -> std::io::Result<Hash> {
    let mut sha = Sha256::new();
    let mut part = [0; 64 * 1024];
    loop {
        match reader.read(&mut part)? {
            0 => return Ok(Hash(hex(&sha.finalize()))),
            n => sha.update(part.get(..n).unwrap_or_default()),
        }
    }
}

/// The canonical text of `value`.
///
/// # Panics
/// Never for the types of this crate, as above.
pub fn text<T: Serialize + ?Sized>(value: &T) -> String {
    let value =
        serde_json::to_value(value).expect("values of this crate have string keys and finite numbers");
    let mut out = Vec::new();
    write(&value, &mut out);
    String::from_utf8(out).expect("serde_json writes UTF-8")
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push(b'{');
            for (n, (key, value)) in entries.into_iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write_plain(key, out);
                out.push(b':');
                write(value, out);
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => write_plain(value, out),
    }
}

fn write_plain<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("memory takes every byte of a plain value");
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        assert_eq!(
            super::text(&json!({"b": [{"z": 1, "a": null}], "a": "x\"y"})),
            r#"{"a":"x\"y","b":[{"a":null,"z":1}]}"#
        );
    }

    /// SHA-256 of the byte string `d`, NUL, `{}` (FIPS 180-4), computed with `printf 'd\0{}' | sha256sum`.
    #[test]
    fn the_domain_is_part_of_the_hash() {
        let hash = super::hash("d", &json!({}));
        assert_eq!(hash.as_str().len(), 64);
        assert_ne!(hash, super::hash("e", &json!({})));
        assert!(hash.answers_to(hash.short()) && !hash.answers_to("abc"));
    }
}
