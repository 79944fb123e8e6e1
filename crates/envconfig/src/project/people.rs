//! `[people]`: who may approve.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Code, GroupName, Person,
    reading::{Section, Value},
};

/// Groups of people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct People {
    groups: BTreeMap<GroupName, BTreeSet<Person>>,
}

impl People {
    /// All groups.
    pub fn groups(&self) -> &BTreeMap<GroupName, BTreeSet<Person>> {
        &self.groups
    }

    /// Everybody in one of `groups`; a person in two of them counts once.
    pub fn in_groups<'g>(&self, groups: impl IntoIterator<Item = &'g GroupName>) -> BTreeSet<&Person> {
        groups.into_iter().filter_map(|group| self.groups.get(group)).flatten().collect()
    }

    /// The groups that `person` is in.
    pub fn groups_of<'p>(&'p self, person: &'p Person) -> impl Iterator<Item = &'p GroupName> {
        self.groups.iter().filter(|(_, people)| people.contains(person)).map(|(name, _)| name)
    }
}

pub(super) fn read(root: &Section<'_>) -> People {
    let mut people = People::default();
    let Some(section) = root.get("people").and_then(|value| value.section()) else { return people };
    for (entry, value) in section.all() {
        let members = group(&value);
        match entry.name.parse::<GroupName>() {
            Ok(name) => {
                people.groups.insert(name, members);
            }
            Err(error) => {
                let what = error.what_is_wrong();
                value.sink.error(Code::Malformed, &entry.span, &value.path, what, error.why, None);
            }
        }
    }
    people
}

fn group(value: &Value<'_>) -> BTreeSet<Person> {
    value.list_of().unwrap_or_default().into_iter().collect()
}
