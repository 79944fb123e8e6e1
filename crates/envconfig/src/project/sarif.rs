//! `[promotion.FROM.TO] sarif`: what a scan must have said of a release.

use std::fmt;

use super::scalars;
use crate::{
    Code, Malformed, Period, ProjectPath, Resolved,
    reading::{Section, Value},
    text_value::word_value,
};

word_value! {
    /// From which level on a finding counts (SARIF 2.1.0, 3.27.10).
    FindingLevel, "a level of findings", {
        /// All of them.
        Note = "note",
        /// Problems.
        Warning = "warning",
        /// Serious problems.
        Error = "error",
    }
}

/// A scan that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sarif {
    /// Where `promote attest` finds the report, where none is named there.
    pub path: Option<ProjectPath>,
    /// How old it may be.
    pub max_age: Period,
    /// From which level on findings count.
    pub fail_on: FindingLevel,
    /// From which `security-severity` on they count whatever their level is, in tenths.
    pub severity: Option<u8>,
    /// Findings that do not count, for a while.
    pub accepted: Vec<Accepted>,
}

/// A finding that somebody answers for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// Of which rule.
    pub rule: String,
    /// In which file, as reports name it; everywhere, where none is named.
    pub file: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// From when on it counts again.
    pub until: jiff::Timestamp,
}

impl fmt::Display for Sarif {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and above, within {}", self.fail_on, self.max_age)?;
        self.severity.map_or(Ok(()), |it| write!(f, ", security-severity {}.{}", it / 10, it % 10))
    }
}

/// Nothing where the key is not there.
pub(super) fn read(value: Option<Value<'_>>) -> Option<Resolved<Sarif>> {
    let value = value?;
    let section = value.section()?;
    let path = section.get("path").and_then(|path| path.parse());
    let max_age = section.get("max-age").and_then(|age| scalars::period(&age)).map(|age| age.value);
    let fail_on = section.get("fail-on").and_then(|level| level.parse());
    let severity = section.get("security-severity").and_then(|severity| tenths(&severity));
    let list = section.get("accepted").and_then(|list| list.list()).unwrap_or_default();
    let accepted = list.iter().filter_map(accepted).collect();
    section.finish();
    Some(value.found(Sarif {
        path,
        max_age: max_age.unwrap_or(Period::from_secs(24 * 3600)),
        fail_on: fail_on.unwrap_or(FindingLevel::Error),
        severity,
        accepted,
    }))
}

/// A text such as `"7.0"`, from 0.0 to 10.0.
fn tenths(value: &Value<'_>) -> Option<u8> {
    let text = value.text()?;
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let number = whole.parse::<u8>().ok().zip(part.parse::<u8>().ok().filter(|_| part.len() == 1));
    let tenths = number.map(|(whole, part)| u32::from(whole) * 10 + u32::from(part));
    let tenths = tenths.and_then(|n| u8::try_from(n).ok()).filter(|n| *n <= 100);
    if tenths.is_none() {
        let why = "it is a text from `0.0` to `10.0`, with one digit behind the point";
        value.malformed(&Malformed::new(text, "a security-severity", why));
    }
    tenths
}

fn accepted(value: &Value<'_>) -> Option<Accepted> {
    let section = value.section()?;
    let text = |key: &str, why: &str| line(&section, key, why);
    let rule = text("rule", "it says which findings");
    let file = section.get("file").and_then(|file| Some(file.text()?.to_owned()));
    let owner = text("owner", "somebody answers for it");
    let reason = text("reason", "whoever comes later reads it");
    let until = section.require("until", "nothing is accepted for ever").and_then(|until| {
        let text = until.text()?;
        let read = text.parse::<jiff::Timestamp>();
        if read.is_err() {
            let why = "it is a date and a time with the distance to UTC, such as `2026-12-27T08:00Z`";
            until.malformed(&Malformed::new(text, "an instant", why));
        }
        read.ok()
    });
    section.finish();
    Some(Accepted { rule: rule?, file, owner: owner?, reason: reason?, until: until? })
}

fn line(section: &Section<'_>, key: &str, why: &str) -> Option<String> {
    let value = section.require(key, why)?;
    let text = value.text()?;
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        value.error(Code::Malformed, format!("`{key}` says nothing"), why, None);
        return None;
    }
    Some(text.to_owned())
}
