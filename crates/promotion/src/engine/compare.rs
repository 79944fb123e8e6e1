//! What runs at a place, against what is recorded. No IO.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::journal::{Recorded, Spot};
use crate::model::{
    At, ComponentName, ComponentTarget, Difference, Digest, Fleet, GroupTarget, Strategy, Unit, UnitConfig,
    UnitId, is_ignored, label,
};

/// What a look at a place came to.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// What differs, sorted.
    pub(super) differences: Vec<Difference>,
    /// What nobody can tell, for people.
    pub(super) unknown: Vec<String>,
    /// Of which units.
    unseen: BTreeSet<UnitId>,
}

impl Compared {
    /// What was known of units of which nobody can tell now is neither over nor new.
    pub(super) fn keep_hidden(&mut self, component: &ComponentName, known: &[Difference]) {
        for hidden in known.iter().filter(|it| it.component == *component) {
            let Some(hidden) = hidden.hidden(&self.unseen) else { continue };
            let alike = self.differences.iter_mut().find(|it| {
                (&it.field, &it.at, &it.was, &it.is, &it.by)
                    == (&hidden.field, &hidden.at, &hidden.was, &hidden.is, &hidden.by)
            });
            match alike {
                Some(it) => it.units.extend(hidden.units),
                None => self.differences.push(hidden),
            }
        }
        self.differences.sort();
    }
}

/// In what two units may differ alike: component apart.
type Alike = (String, Option<String>, String, String, Option<String>);

/// Collects differences: units that differ alike are one.
struct Differing<'a> {
    ignored: &'a BTreeSet<String>,
    found: BTreeMap<Alike, (BTreeSet<UnitId>, Option<At>)>,
}

impl Differing<'_> {
    fn unit(&mut self, field: &str, unit: &Unit, was: &str, is: &str) {
        self.add((field, None, was, is), [unit], unit.deployed_by.clone());
    }

    fn add<'u>(
        &mut self,
        (field, at, was, is): (&str, Option<String>, &str, &str),
        units: impl IntoIterator<Item = &'u Unit>,
        by: Option<String>,
    ) {
        if is_ignored(self.ignored, field) {
            return;
        }
        let alike = (field.to_owned(), at, was.to_owned(), is.to_owned(), by);
        let (ids, since) = self.found.entry(alike).or_default();
        for unit in units {
            ids.insert(unit.id.clone());
            // What changes no version has no instant.
            let changed = unit.version_since.filter(|_| field != "cordon");
            *since = [*since, changed].into_iter().flatten().min();
        }
    }
}

/// Compares. States are no part of it: what sleeps, was put to rest or failed is still what was put there. Parked units
/// are none of those that count, and what stands by or was taken out of the deploys' hands is missed by nobody.
pub(super) fn compare(recorded: &Recorded, fleet: &Fleet, ignored: &BTreeSet<String>) -> Compared {
    let target = &recorded.target;
    let mut differing = Differing { ignored, found: BTreeMap::new() };
    let (mut unknown, mut unseen) = (Vec::new(), BTreeSet::new());
    for unit in fleet.live() {
        if unit.is_away() || unit.digest.is_none() {
            unseen.insert(unit.id.clone());
            unknown.push(format!(
                "what machine {} of `{}` runs is not known: it is {}",
                unit.id, target.place.name, unit.state
            ));
        }
        if let (Some(digest), Some(put)) = (&unit.digest, target.digest())
            && digest != put
            && !unit.is_away()
        {
            differing.unit("image", unit, put.short(), Digest::short(digest));
        }
        if let Some(group) = target.groups.get(&unit.group).filter(|_| !unit.is_away()) {
            configured(target, group, unit, &mut differing);
        }
    }
    counted(recorded, fleet, &mut differing);
    let component = &target.place.component;
    let difference = |((field, at, was, is, by), (units, since))| Difference {
        component: component.clone(),
        field,
        at,
        units,
        was,
        is,
        by,
        since,
    };
    let mut differences: Vec<Difference> = differing.found.into_iter().map(difference).collect();
    differences.sort();
    Compared { differences, unknown, unseen }
}

/// The configuration that `unit` should have, unless it has one that is as good: a second fleet takes over what machines
/// of the first had of their own.
fn configured(target: &ComponentTarget, group: &GroupTarget, unit: &Unit, differing: &mut Differing<'_>) {
    let stands_for = unit.label(label::RESTORES).and_then(|it| it.split_once('/'));
    let earlier = stands_for.and_then(|(_, id)| UnitId::new(id).ok());
    let id = earlier.as_ref().filter(|id| target.own.contains_key(*id)).unwrap_or(&unit.id);
    let put = target.config_of(id, group);
    let is_taken_over = target.strategy == Strategy::BlueGreen
        && (unit.config == group.config || target.own.values().any(|own| *own == unit.config));
    if unit.config == *put || is_taken_over {
        return;
    }
    for (field, was, is) in fields(put, &unit.config) {
        differing.unit(&field, unit, &was, &is);
    }
}

/// Field by field. Values are shown where they cannot be secret.
fn fields(put: &UnitConfig, found: &UnitConfig) -> Vec<(String, String, String)> {
    let (Some(put), Some(found)) = (put.as_object(), found.as_object()) else {
        return vec![("config".to_owned(), "as it was put there".to_owned(), "another".to_owned())];
    };
    let mut fields = Vec::new();
    let keys: BTreeSet<&String> = put.keys().chain(found.keys()).collect();
    for key in keys {
        let (was, is) = (put.get(key).unwrap_or(&Value::Null), found.get(key).unwrap_or(&Value::Null));
        match (key.as_str(), was, is) {
            _ if was == is => {}
            ("env", Value::Object(_) | Value::Null, Value::Object(_) | Value::Null) => {
                let (was, is) = (was.as_object(), is.as_object());
                let names: BTreeSet<&String> = was.into_iter().chain(is).flat_map(|it| it.keys()).collect();
                for name in names {
                    let (was, is) = (was.and_then(|it| it.get(name)), is.and_then(|it| it.get(name)));
                    if was != is {
                        let said = |it: Option<&Value>| if it.is_some() { "set" } else { "not set" };
                        let is = if was.is_some() && is.is_some() { "another value" } else { said(is) };
                        fields.push((format!("env.{name}"), said(was).to_owned(), is.to_owned()));
                    }
                }
            }
            ("guest", ..) => fields.push((key.clone(), was.to_string(), is.to_string())),
            _ => {
                let said = |it: &Value| if it.is_null() { "not set" } else { "as it was put there" };
                let is = if is.is_null() { "not set" } else { "another" };
                fields.push((key.clone(), said(was).to_owned(), is.to_owned()));
            }
        }
    }
    fields
}

/// What of a group is in one region.
#[derive(Default)]
struct Here<'a> {
    live: Vec<&'a Unit>,
    /// Ours by its label, and out of the deploys' hands since.
    set_aside: usize,
}

fn counted(recorded: &Recorded, fleet: &Fleet, differing: &mut Differing<'_>) {
    let mut here: BTreeMap<Spot, Here<'_>> = BTreeMap::new();
    for (group, shape) in &recorded.target.groups {
        for region in shape.counts.keys() {
            here.entry((group.clone(), region.clone())).or_default();
        }
    }
    for unit in fleet.live() {
        here.entry((unit.group.clone(), unit.region.clone())).or_default().live.push(unit);
    }
    let is_aside = |unit: &&Unit| {
        !unit.managed && unit.label(label::PROMOTION).is_some() && unit.label(label::ONE_OFF).is_none()
    };
    for unit in fleet.units.iter().filter(is_aside) {
        if let Some(here) = here.get_mut(&(unit.group.clone(), unit.region.clone())) {
            here.set_aside += 1;
        }
    }
    for (spot, found) in here {
        let (group, region) = &spot;
        let put = recorded.target.groups.get(group).and_then(|group| group.counts.get(region)).copied();
        let put = usize::try_from(put.unwrap_or(0)).unwrap_or(usize::MAX);
        let at = Some(format!("{group} in {region}"));
        let standing_by = found.live.iter().filter(|unit| !unit.standby_for.is_empty()).count();
        let (least, most) = (found.live.len() - standing_by, found.live.len() + found.set_aside);
        if put < least || most < put {
            // Of too many those are named that carry no mark of ours.
            let unmarked = found.live.iter().filter(|unit| unit.label(label::PROMOTION).is_none());
            let strangers: Vec<&Unit> = unmarked.copied().filter(|_| put < least).collect();
            let by = strangers.iter().find_map(|unit| unit.deployed_by.clone());
            let (was, is) = (put.to_string(), found.live.len().to_string());
            differing.add(("count", at.clone(), &was, &is), strangers, by);
        }
        let put = recorded.cordoned.get(&spot).copied().unwrap_or(0);
        let put = usize::try_from(put).unwrap_or(usize::MAX);
        let known = found.live.iter().copied().filter(|unit| !unit.is_away());
        let cordoned: Vec<&Unit> = known.filter(|unit| unit.cordoned).collect();
        let may_be_hidden = found.live.iter().filter(|unit| unit.is_away()).count() + found.set_aside;
        let is_fewer = cordoned.len() + may_be_hidden < put && found.live.len() >= put;
        if cordoned.len() > put || is_fewer {
            let was = format!("{put} out of traffic");
            let is = format!("{} out of traffic", cordoned.len());
            differing.add(("cordon", at, &was, &is), cordoned, None);
        }
    }
}
