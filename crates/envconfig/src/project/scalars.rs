//! Reading small values that several sections share.

use url::Url;

use crate::{
    Code, Period, Resolved, SecretRef,
    reading::{Kind, Value},
};

/// A length of time: a text, or the integer 0.
pub(super) fn period(value: &Value<'_>) -> Option<Resolved<Period>> {
    match &value.node.kind {
        Kind::Text(_) => value.resolved(),
        Kind::Integer(0) => Some(value.found(Period::ZERO)),
        Kind::Integer(n) => {
            let what = format!("`{}` has no unit", value.path);
            let hint = format!("write `\"{n}s\"` for seconds or `\"{n}m\"` for minutes");
            value.error(Code::Malformed, what, "a length of time is a number with a unit", Some(hint));
            None
        }
        _ => {
            value.wrong("a length of time such as \"5m\"");
            None
        }
    }
}

/// A reference to a secret. Anything else is masked in every message.
pub(super) fn secret(value: &Value<'_>) -> Option<Resolved<SecretRef>> {
    let reference = match &value.node.kind {
        Kind::Text(text) => text.parse::<SecretRef>().ok(),
        _ => None,
    };
    if reference.is_none() {
        value.sink.hide_all(value.node);
        let what = format!("`{}` is not a reference to a secret", value.path);
        let why =
            "a secret in a file ends up in git, in images and in logs; only where to find it belongs here";
        let hint = "write `\"env:NAME\"` for a variable or `\"file:PATH\"` for a file; if a real secret was written \
                    here, revoke it now";
        value.error(Code::SecretLiteral, what, why, Some(hint.to_owned()));
    }
    reference.map(|reference| value.found(reference))
}

/// An address with scheme `http` or `https`, without a user name or password.
pub(super) fn web_url(value: &Value<'_>) -> Option<Url> {
    let text = value.text()?;
    // The scheme is looked at first, so that `host:80/path` is not taken for an address with the scheme `host`.
    let url = Some(text).filter(|t| t.starts_with("http://") || t.starts_with("https://")).map(Url::parse);
    match url {
        Some(Ok(url)) if !url.username().is_empty() || url.password().is_some() => {
            value.sink.hide(value.span());
            let what = format!("`{}` has a user name or password in it", value.path);
            value.error(Code::SecretLiteral, what, "an address is printed in reports and logs", None);
            None
        }
        Some(Ok(url)) => Some(url),
        _ => {
            value.sink.hide(value.span());
            let what = format!("`{}` is not an address", value.path);
            let why = "it begins with `https://` or `http://`, then a host";
            value.error(Code::Malformed, what, why, None);
            None
        }
    }
}

/// A list of addresses, or one.
pub(super) fn web_urls(value: &Value<'_>) -> Vec<Url> {
    value.one_or_many().iter().filter_map(web_url).collect()
}
