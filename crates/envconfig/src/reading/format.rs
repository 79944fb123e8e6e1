//! The formats a file may have.

use std::fmt;

use super::{
    Kind, json,
    tree::{self, Parsed, Wrong},
    yaml,
};

/// A format, told by the file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Toml,
    Json,
    Yaml,
}

impl Format {
    const ALL: [Self; 3] = [Self::Toml, Self::Json, Self::Yaml];

    /// What flyctl takes a file of this name for: TOML unless the name says something else.
    pub(crate) fn of_name(file: &str) -> Self {
        match file.rsplit_once('.').map(|(_, extension)| extension) {
            Some("json") => Self::Json,
            Some("yaml" | "yml") => Self::Yaml,
            _ => Self::Toml,
        }
    }

    /// What `text` is, if it is a table of at least one key, and its keys look like keys: a broken line of TOML may be
    /// YAML by chance.
    pub(super) fn of_text(text: &str) -> Option<Self> {
        let is_table = |format: &Self| {
            let parsed = format.parse(text);
            let is_key = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
            parsed.is_ok_and(|p| match &p.root.kind {
                Kind::Table(entries) => !entries.is_empty() && entries.iter().all(|e| is_key(&e.name)),
                _ => false,
            })
        };
        // All JSON is YAML, so what begins like JSON and is none is broken JSON.
        let is_json = text.trim_start().starts_with('{');
        Self::ALL.into_iter().filter(|format| !is_json || *format != Self::Yaml).find(is_table)
    }

    /// The root, which is a table.
    pub(super) fn parse(self, text: &str) -> Result<Parsed, Wrong> {
        let parsed = match self {
            Self::Toml => tree::parse(text),
            Self::Json => json::parse(text),
            Self::Yaml => yaml::parse(text),
        }?;
        match &parsed.root.kind {
            Kind::Table(_) => Ok(parsed),
            // An empty document says nothing.
            Kind::Null if self == Self::Yaml => {
                let root = tree::Node { kind: Kind::Table(Vec::new()), ..parsed.root };
                Ok(Parsed { root, ..parsed })
            }
            kind => Err((0..0, format!("the file is {}, and a table is expected", kind.called()))),
        }
    }

    /// What stands between a key and its value.
    pub(super) fn separator(self) -> char {
        match self {
            Self::Toml => '=',
            Self::Json | Self::Yaml => ':',
        }
    }

    /// How a file of this format ends.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Toml => "toml",
            Self::Json => "json",
            Self::Yaml => "yaml",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Toml => "TOML",
            Self::Json => "JSON",
            Self::Yaml => "YAML",
        })
    }
}
