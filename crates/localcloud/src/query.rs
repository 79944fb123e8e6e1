//! Query strings and percent encoding.

/// Decoded `key=value` pairs in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the part behind the `?`; a key without `=` has the empty value.
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|p| !p.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key, true), decode(value, true))
        });
        Self(pairs.collect())
    }

    /// The first value of `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// All values of `key`, each split at commas.
    pub(crate) fn list(&self, key: &str) -> Vec<&str> {
        let values = self.0.iter().filter(|(k, _)| k == key);
        values.flat_map(|(_, v)| v.split(',')).filter(|v| !v.is_empty()).collect()
    }

    /// Whether `key` is given as `true`, `1` or without a value.
    pub(crate) fn flag(&self, key: &str) -> bool {
        matches!(self.get(key), Some("true" | "1" | ""))
    }

    /// All pairs.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// Pairs whose key starts with `prefix`, the prefix removed.
    pub(crate) fn prefixed<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(k, v)| Some((k.strip_prefix(prefix)?, v.as_str())))
    }
}

/// Undoes percent encoding; `+` is a space only in queries. Invalid escapes stay as they are.
pub(crate) fn decode(text: &str, plus: bool) -> String {
    String::from_utf8_lossy(&decode_bytes(text, plus)).into_owned()
}

/// The same, as it may be no text.
pub(crate) fn decode_bytes(text: &str, plus: bool) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = bytes.get(i + 1..i + 3).and_then(|h| std::str::from_utf8(h).ok());
        match (bytes[i], hex.and_then(|h| u8::from_str_radix(h, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                i += 2;
            }
            (b'+', _) if plus => out.push(b' '),
            (other, _) => out.push(other),
        }
        i += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_lists_and_escapes() {
        let q = Query::parse("state=started,stopped&state=failed&metadata.a%2Fb=c+d&force");
        assert_eq!(q.list("state"), ["started", "stopped", "failed"]);
        assert_eq!(q.prefixed("metadata.").collect::<Vec<_>>(), [("a/b", "c d")]);
        assert!(q.flag("force") && !q.flag("kill"));
        assert_eq!(decode("%zz%2", false), "%zz%2");
    }
}
