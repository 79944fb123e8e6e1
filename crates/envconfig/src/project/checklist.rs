//! `[promotion.FROM.TO] checklist`: what people look at before a release goes there.

use std::{collections::BTreeSet, fmt};

use super::people::People;
use crate::{
    Code, GroupName, Person, Resolved,
    reading::{Section, Value, suggest},
};

/// Items of one list, and characters of one text: a list that nobody reads is none.
const ITEMS_MAX: usize = 50;
const TEXT_MAX: usize = 200;

/// One item.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChecklistItem {
    /// Its name, as people type and sign it.
    pub id: String,
    /// What is to be looked at.
    pub text: String,
    /// Who may check it off: the members of the groups, and the people that are named.
    pub by: BTreeSet<Person>,
}

impl fmt::Display for ChecklistItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.id, self.text)
    }
}

/// The items of a path; nothing where the key is not there.
pub(super) fn read(value: Option<Value<'_>>, people: &People) -> Resolved<Vec<ChecklistItem>> {
    let Some(value) = value else {
        return Resolved::default_of(Vec::new(), "nobody has to look at anything");
    };
    let mut items: Vec<ChecklistItem> = Vec::new();
    let list = value.list().unwrap_or_default();
    if list.len() > ITEMS_MAX {
        let what = format!("there are {} items, and {ITEMS_MAX} at most", list.len());
        value.error(Code::Malformed, what, "a list that nobody reads is none", None);
    }
    for entry in &list {
        let Some(section) = entry.section() else { continue };
        let item = item(entry, &section, people);
        section.finish();
        let Some(item) = item else { continue };
        if items.iter().any(|other| other.id == item.id) {
            let what = format!("item `{}` is there twice", item.id);
            entry.error(Code::Malformed, what, "it is known by its name", None);
            continue;
        }
        items.push(item);
    }
    value.found(items)
}

fn item(entry: &Value<'_>, section: &Section<'_>, people: &People) -> Option<ChecklistItem> {
    let id = section.require("id", "it is what people sign").and_then(|value| {
        let text = value.text()?;
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if (1..=40).contains(&text.len()) && text.chars().all(is_plain) {
            return Some(text.to_owned());
        }
        let what = format!("`{}` is no name of an item", text.escape_debug());
        value.error(Code::Malformed, what, "it is 1 to 40 lower-case letters, digits and `-`", None);
        None
    });
    let text = section.require("text", "it says what is to be looked at").and_then(|value| {
        let text = value.text()?;
        if (1..=TEXT_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
            return Some(text.to_owned());
        }
        let why = format!("it is one line of 1 to {TEXT_MAX} characters");
        value.error(Code::Malformed, "this is no text of an item".to_owned(), why, None);
        None
    });
    let by =
        section.require("by", "it says who may check the item off").and_then(|value| signers(&value, people));
    let (id, text, by) = (id?, text?, by?);
    if by.is_empty() {
        let what = format!("nobody can check `{id}` off");
        let hint = "name a group that has members, or a person such as `ssh:SHA256:…`".to_owned();
        entry.error(Code::TooFewApprovers, what, "`by` names nobody", Some(hint));
    }
    Some(ChecklistItem { id, text, by })
}

/// A name with a colon is a person, any other one a group; nothing where one of them is neither.
fn signers(value: &Value<'_>, people: &People) -> Option<BTreeSet<Person>> {
    let (mut by, mut is_sound) = (BTreeSet::new(), true);
    for item in value.list()? {
        if item.text()?.contains(':') {
            let person = item.parse::<Person>();
            is_sound &= person.is_some();
            by.extend(person);
            continue;
        }
        let group = item.parse::<GroupName>();
        let Some(name) = group.filter(|name| people.groups().contains_key(name)) else {
            let known: Vec<&str> = people.groups().keys().map(GroupName::as_str).collect();
            let text = item.text().unwrap_or_default();
            if text.parse::<GroupName>().is_ok() {
                let what = format!("there is no group `{text}`");
                item.error(Code::NoGroup, what, "`[people]` does not list it", suggest(text, &known));
            }
            is_sound = false;
            continue;
        };
        by.extend(people.in_groups([&name]).into_iter().cloned());
    }
    is_sound.then_some(by)
}
