//! The little XML there is: written piece by piece, and the text of one kind of element read.

use std::fmt::Write;

use hyper::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};

use crate::{
    http_io::{self, Body},
    query,
};

/// The namespace of every document but errors.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A document under way.
#[derive(Debug)]
pub(super) struct Xml(String);

impl Xml {
    pub(super) fn new() -> Self {
        Self(String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"))
    }

    /// Opens the root.
    pub(super) fn root(&mut self, tag: &str) {
        let _ = write!(self.0, "<{tag} xmlns=\"{NAMESPACE}\">");
    }

    pub(super) fn open(&mut self, tag: &str) {
        let _ = write!(self.0, "<{tag}>");
    }

    pub(super) fn close(&mut self, tag: &str) {
        let _ = write!(self.0, "</{tag}>");
    }

    /// An element with nothing but text.
    pub(super) fn text(&mut self, tag: &str, text: &str) {
        self.open(tag);
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                // Readers turn bare ones into spaces and line ends of their own.
                c if c.is_control() => {
                    let _ = write!(self.0, "&#x{:x};", u32::from(c));
                }
                c => self.0.push(c),
            }
        }
        self.close(tag);
    }

    pub(super) fn answer(self, status: StatusCode) -> Response<Body> {
        let mut answer = http_io::plain(status, self.0);
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        answer
    }
}

/// The texts of all elements `tag` that have no attributes, in order; none when one of them cannot be read.
pub(super) fn texts(document: &str, tag: &str) -> Option<Vec<String>> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let mut texts = Vec::new();
    for rest in document.split(open.as_str()).skip(1) {
        texts.push(unescape(rest.split_once(close.as_str())?.0)?);
    }
    Some(texts)
}

/// Undoes the five names and the numbers of XML 1.0, 4.1; none for anything else but text.
fn unescape(text: &str) -> Option<String> {
    if text.contains('<') {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (name, after) = after.split_once(';')?;
        out.push_str(before);
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let number = number.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)?
            }
        });
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

/// Percent encoding as signatures and `encoding-type=url` want it (API Reference, "Signature Calculations for the
/// Authorization Header", `UriEncode`): all bytes but letters, digits, `-`, `.`, `_` and `~`, in capital digits.
pub(super) fn percent(text: &str, keeps_slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if is_plain || (keeps_slash && byte == b'/') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Undoes it; none where that gives no text.
pub(super) fn unpercent(text: &str) -> Option<String> {
    String::from_utf8(query::decode_bytes(text, false)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// XML 1.0, 4.1 and 4.6: five named characters, and numbers in both forms.
    #[test]
    fn what_is_written_is_read_again() {
        let odd = "a<b>&\"c'\r\n é";
        let mut xml = Xml::new();
        xml.text("Key", odd);
        assert_eq!(texts(&xml.0, "Key").unwrap(), [odd]);
        assert_eq!(texts("<Key>&#65;&#x42;&apos;</Key><Key/>", "Key").unwrap(), ["AB'"]);
        for bad in
            ["<Key>&nbsp;</Key>", "<Key>&amp</Key>", "<Key>a", "<Key><b/></Key>", "<Key>&#xd800;</Key>"]
        {
            assert!(texts(bad, "Key").is_none(), "{bad}");
        }
    }

    /// API Reference, `UriEncode`: a space is `%20`, and a slash `%2F` everywhere but in a key.
    #[test]
    fn percent_encoding_is_strict() {
        assert_eq!(percent("a b/ü~+", true), "a%20b/%C3%BC~%2B");
        assert_eq!(percent("a/b", false), "a%2Fb");
        assert_eq!(unpercent("a%20b%252F+").unwrap(), "a b%2F+");
        assert!(unpercent("%ff").is_none());
    }
}
