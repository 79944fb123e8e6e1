//! One spelling for one value: what hashes and signatures are computed over.
//!
//! Objects are written with their keys sorted by bytes, without white space; numbers and strings as `serde_json`
//! writes them. The domain goes in front, so that a hash of one kind of value never equals one of another kind.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;
use std::{fmt, io};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::ser::Formatter;
use sha2::{Digest as _, Sha256};

/// A SHA-256 over a domain and a canonical value, in lower-case hex.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(Arc<str>);

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

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
    sha.update(bytes(value));
    Hash(hex(&sha.finalize()).into())
}

/// The SHA-256 of a file's content, as `sha256sum` prints it.
pub fn of_bytes(bytes: &[u8]) -> Hash {
    Hash(hex(&Sha256::digest(bytes)).into())
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
            0 => return Ok(Hash(hex(&sha.finalize()).into())),
            n => sha.update(part.get(..n).unwrap_or_default()),
        }
    }
}

/// The canonical text of `value`.
///
/// # Panics
/// Never for the types of this crate, as above.
pub fn text<T: Serialize + ?Sized>(value: &T) -> String {
    String::from_utf8(bytes(value)).expect("serde_json writes UTF-8")
}

fn bytes<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let out = Out(RefCell::new(Vec::with_capacity(512)));
    let mut writer = serde_json::Serializer::with_formatter(&out, Sorting::of(&out));
    value.serialize(&mut writer).expect("values of this crate have string keys and finite numbers");
    out.0.into_inner()
}

/// What was written so far; whoever sorts looks back into it.
struct Out(RefCell<Vec<u8>>);

impl io::Write for &Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes values as they come, and puts an object's fields in order at its end.
struct Sorting<'a> {
    out: &'a Out,
    /// Of each object that is open: where its first field stands in the text, and in `fields`.
    objects: Vec<(usize, usize)>,
    /// The fields of all open objects.
    fields: Vec<Field>,
}

/// Where a field's name begins and ends, and its value ends, quotes included.
#[derive(Clone, Copy)]
struct Field {
    name: usize,
    name_end: usize,
    end: usize,
}

impl<'a> Sorting<'a> {
    const fn of(out: &'a Out) -> Self {
        Self { out, objects: Vec::new(), fields: Vec::new() }
    }

    fn place(&self) -> usize {
        self.out.0.borrow().len()
    }
}

/// Sorts `fields` of the object whose first one begins at `start`. Of one that is there twice the last is kept.
fn sort(out: &mut Vec<u8>, start: usize, fields: &mut [Field]) {
    let name = |field: &Field| field.name - start..field.name_end - start;
    if fields.is_sorted_by(|a, b| compared(&out[start..][name(a)]) < compared(&out[start..][name(b)])) {
        return;
    }
    let text = out.split_off(start);
    fields.sort_by(|a, b| compared(&text[name(a)]).cmp(&compared(&text[name(b)])));
    for (n, field) in fields.iter().enumerate() {
        if fields.get(n + 1).is_some_and(|next| compared(&text[name(next)]) == compared(&text[name(field)])) {
            continue;
        }
        if out.len() > start {
            out.push(b',');
        }
        out.extend_from_slice(&text[field.name - start..field.end - start]);
    }
}

/// A field's name as it sorts: by the bytes that it means, not by those of its escapes.
fn compared(written: &[u8]) -> Cow<'_, [u8]> {
    let inner = written.get(1..written.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains(&b'\\') {
        return Cow::Borrowed(inner);
    }
    let meant = serde_json::from_slice::<String>(written).expect("serde_json reads the names that it wrote");
    Cow::Owned(meant.into_bytes())
}

impl Formatter for Sorting<'_> {
    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"{")?;
        self.objects.push((self.place(), self.fields.len()));
        Ok(())
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, is_first: bool) -> io::Result<()> {
        if !is_first {
            writer.write_all(b",")?;
        }
        let name = self.place();
        self.fields.push(Field { name, name_end: name, end: name });
        Ok(())
    }

    fn end_object_key<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        let place = self.place();
        if let Some(field) = self.fields.last_mut() {
            field.name_end = place;
        }
        Ok(())
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        let place = self.place();
        if let Some(field) = self.fields.last_mut() {
            field.end = place;
        }
        Ok(())
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if let Some((start, first)) = self.objects.pop() {
            sort(&mut self.out.0.borrow_mut(), start, &mut self.fields[first..]);
            self.fields.truncate(first);
        }
        writer.write_all(b"}")
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::ser::{Serialize, SerializeMap as _, Serializer};
    use serde_json::{Value, json};

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

    /// An object whose fields are written in this order, whatever that is.
    #[derive(Debug, Clone)]
    enum Written {
        Plain(Value),
        List(Vec<Self>),
        Fields(Vec<(String, Self)>),
    }

    impl Serialize for Written {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self {
                Self::Plain(value) => value.serialize(serializer),
                Self::List(items) => items.serialize(serializer),
                Self::Fields(fields) => {
                    let mut map = serializer.serialize_map(Some(fields.len()))?;
                    for (name, value) in fields {
                        map.serialize_entry(name, value)?;
                    }
                    map.end()
                }
            }
        }
    }

    fn written() -> impl Strategy<Value = Written> {
        let plain = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        // names that share beginnings, and those whose escapes sort in another place than they do
        let name = prop_oneof!["[ab]{0,3}", "[a\"\\\\\n\u{1}!\\]]{0,3}", ".{0,3}"];
        plain.prop_map(Written::Plain).prop_recursive(4, 48, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Written::List),
                prop::collection::vec((name.clone(), inner), 0..7).prop_map(Written::Fields),
            ]
        })
    }

    /// The rule told once more, by the tree that `serde_json` makes of a value.
    fn by_the_rule(value: &Value) -> String {
        match value {
            Value::Object(map) => {
                let mut fields: Vec<_> = map.iter().collect();
                fields.sort_by_key(|(name, _)| name.as_bytes());
                let fields = fields.into_iter();
                let fields: Vec<_> = fields
                    .map(|(name, it)| format!("{}:{}", Value::from(&**name), by_the_rule(it)))
                    .collect();
                format!("{{{}}}", fields.join(","))
            }
            Value::Array(items) => {
                format!("[{}]", items.iter().map(by_the_rule).collect::<Vec<_>>().join(","))
            }
            plain => plain.to_string(),
        }
    }

    proptest! {
        #[test]
        fn any_value_is_spelled_by_the_rule(value in written()) {
            let tree = serde_json::to_value(&value).expect("string keys and finite numbers");
            prop_assert_eq!(super::text(&value), by_the_rule(&tree));
        }
    }
}
