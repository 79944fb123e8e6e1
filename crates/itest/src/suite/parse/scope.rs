//! Which variables have a value at a given place of a suite.

use std::collections::BTreeSet;

use super::reader::{Entry, nearest};
use crate::template::{JsonTemplate, Template};

/// The names that are defined here, and all that ever were.
pub(super) struct Scope {
    here: BTreeSet<String>,
    ever: BTreeSet<String>,
}

impl Scope {
    pub(super) fn new<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        let here: BTreeSet<String> = names.map(str::to_owned).collect();
        Self { ever: here.clone(), here }
    }

    /// The names so far, to come back to at the end of a case.
    pub(super) fn mark(&self) -> BTreeSet<String> {
        self.here.clone()
    }

    pub(super) fn back_to(&mut self, mark: BTreeSet<String>) {
        self.here = mark;
    }

    pub(super) fn define(&mut self, name: &str) {
        self.here.insert(name.to_owned());
        self.ever.insert(name.to_owned());
    }

    pub(super) fn was_ever_defined(&self, name: &str) -> bool {
        self.ever.contains(name)
    }

    pub(super) fn ever_defined(&self) -> impl Iterator<Item = &str> {
        self.ever.iter().map(String::as_str)
    }

    /// Complains of each name without a value.
    fn check<'n>(&self, entry: &Entry<'_, '_>, names: impl Iterator<Item = &'n str>) {
        for name in names.filter(|name| !self.here.contains(*name)) {
            let help = if self.ever.contains(name) {
                Some("it gets its value later or in another case".to_owned())
            } else {
                nearest(name, self.here.iter().map(String::as_str)).or_else(|| {
                    Some("give it a value under [variables], list it in `inputs` or capture it".to_owned())
                })
            };
            entry.problem_with_help::<()>(format!("the variable `{name}` is not defined here"), help);
        }
    }

    /// A string with placeholders.
    pub(super) fn template(&self, entry: &Entry<'_, '_>) -> Option<Template> {
        let template = Template::parse(&entry.string()?);
        self.check(entry, template.names());
        Some(template)
    }

    /// A JSON value with placeholders.
    pub(super) fn json(&self, entry: &Entry<'_, '_>) -> Option<JsonTemplate> {
        let template = JsonTemplate::parse(&entry.json()?);
        self.check(entry, template.names().into_iter());
        Some(template)
    }

    /// A table of strings, numbers and booleans, all sent as text.
    pub(super) fn pairs(&self, entries: &[Entry<'_, '_>]) -> Vec<(String, Template)> {
        let text = |entry: &Entry<'_, '_>| match entry.json()? {
            serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
                entry.problem(format!("`{}` must be a string, a number or a boolean", entry.key))
            }
            value => {
                let template = Template::parse(&crate::variables::as_text(&value));
                self.check(entry, template.names());
                Some(template)
            }
        };
        entries.iter().filter_map(|entry| Some((entry.key.clone(), text(entry)?))).collect()
    }
}
