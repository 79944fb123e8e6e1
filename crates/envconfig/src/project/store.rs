//! `[store]`: where the journal is, and where its anchors are. `[shared]`: what two environments share on purpose.

use std::{collections::BTreeSet, fmt};

use url::Url;

use super::scalars;
use crate::{
    Code, SecretRef, Source,
    reading::{Kind, Section, Value},
};

/// Where the journal is, and who said so.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreRef {
    /// The address.
    pub url: StoreUrl,
    /// Its provenance.
    pub source: Source,
    /// Where anchors are put, if anywhere.
    pub anchor: Option<AnchorRef>,
    /// Where the key is found with which runners sign what they saw; each machine has one of its own where nobody says.
    pub key: Option<SecretRef>,
}

/// A place outside the store in which points of the journal are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnchorRef {
    /// The address: `file:` or `s3:`.
    pub url: StoreUrl,
    /// Its provenance.
    pub source: Source,
}

/// The address of a store, or where to find it.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// The address is a secret because it may contain a password.
    Secret(SecretRef),
    /// An address without a password: `sqlite:`, `s3:` or `postgres:`.
    Literal(Url),
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(reference) => reference.fmt(f),
            Self::Literal(url) => url.fmt(f),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an address may begin with, and how that is said.
struct Schemes {
    what: &'static str,
    names: &'static [&'static str],
    why: &'static str,
}

const STORES: Schemes = Schemes {
    what: "the address of a store",
    names: &["sqlite", "s3", "postgres", "postgresql"],
    why: "it is `env:NAME`, or begins with `sqlite:`, `s3:` or `postgres:`",
};

const ANCHORS: Schemes = Schemes {
    what: "a place for anchors",
    names: &["file", "s3"],
    why: "it is `env:NAME`, or begins with `file:///` or `s3:`",
};

pub(super) fn read(value: &Value<'_>) -> Option<StoreRef> {
    let section = value.section()?;
    let url = section.require("url", "it says where the journal is");
    let anchor = section.get("anchor");
    let key = section.get("key").and_then(|key| scalars::secret(&key)).map(|found| found.value);
    section.finish();
    let anchor = anchor.and_then(|anchor| {
        let source = anchor.sink.source(anchor.span());
        store_url(&anchor, &ANCHORS).map(|url| AnchorRef { url, source })
    });
    let url = url?;
    let source = url.sink.source(url.span());
    store_url(&url, &STORES).map(|url| StoreRef { url, source, anchor, key })
}

fn store_url(value: &Value<'_>, schemes: &Schemes) -> Option<StoreUrl> {
    let text = match &value.node.kind {
        Kind::Text(text) => text.as_str(),
        _ => {
            value.wrong("a text");
            return None;
        }
    };
    // A directory, where one may stand, and no file with an address in it.
    let is_directory = schemes.names.contains(&"file") && text.starts_with("file:///");
    if let Some(reference) = text.parse::<SecretRef>().ok().filter(|_| !is_directory) {
        return Some(StoreUrl::Secret(reference));
    }
    // Never quoted: a connection string that cannot be read may still hold a password.
    value.sink.hide(value.span());
    match Url::parse(text) {
        Ok(url) if url.password().is_some() || url.query().is_some_and(|q| q.contains("password")) => {
            let what = format!("`{}` has a password in it", value.path);
            let hint = "write `\"env:NAME\"` and put the address into that variable; revoke the password";
            value.error(
                Code::SecretLiteral,
                what,
                "a secret in a file ends up in git and in logs",
                Some(hint.to_owned()),
            );
            None
        }
        Ok(url) if schemes.names.contains(&url.scheme()) => Some(StoreUrl::Literal(url)),
        _ => {
            let what = format!("`{}` is not {}", value.path, schemes.what);
            value.error(Code::Malformed, what, schemes.why, None);
            None
        }
    }
}

/// `[shared] secrets`: references that may be equal in several environments.
pub(super) fn shared_secrets(root: &Section<'_>) -> BTreeSet<SecretRef> {
    let Some(section) = root.get("shared").and_then(|value| value.section()) else { return BTreeSet::new() };
    let secrets = section.get("secrets").and_then(|value| value.list()).unwrap_or_default();
    section.finish();
    secrets.iter().filter_map(scalars::secret).map(|found| found.value).collect()
}
