//! What is found, against what was put there: fleets that others changed meanwhile, and fleets that nobody can name.

use std::collections::{BTreeMap, BTreeSet};

use super::session::Session;
use crate::journal::{PromotionView, Spot};
use crate::model::{
    ComponentTarget, Fleet, Kind, PromotionId, Strategy, Unit, UnitConfig, UnitId, UnitState, label,
};

/// What somebody else deployed on a unit of the promotion whose release runs here.
pub(super) struct Drifted {
    of: PromotionId,
    what: String,
}

/// Whether there is such a thing.
pub(super) struct Drift(Option<Drifted>);

impl Drift {
    /// Why `of` cannot be undone: it would take away, unseen, what somebody put there since.
    pub(super) fn refusal(&self, of: &PromotionId) -> Option<String> {
        let drifted = self.0.as_ref().filter(|drifted| drifted.of == *of)?;
        Some(format!(
            "{}: going back would throw that away unseen; promote over it, or take it over with `stagectl eject` \
             and `promote adopt`",
            drifted.what
        ))
    }

    /// The same for whoever approves what comes next.
    pub(super) fn warning(self) -> Option<String> {
        self.0.map(|drifted| drifted.what)
    }
}

impl Session<'_> {
    /// What somebody else put there since the promotion did whose release runs here, as far as this journal knows.
    pub(super) fn drifted(&self, component: &ComponentTarget, fleet: &Fleet) -> Drift {
        Drift(self.find_drift(component, fleet))
    }

    fn find_drift(&self, component: &ComponentTarget, fleet: &Fleet) -> Option<Drifted> {
        let place = &component.place;
        let current = self.environment.current()?;
        let (of, facts) = (current.id(), &current.state.facts);
        let put = facts.plan.as_ref()?.component(&place.component)?.digest()?;
        let before = facts.snapshot.as_ref()?.components.get(&place.component);
        let (unit, digest) = fleet.live().find_map(|unit| {
            // What runs the earlier image already is where the way back leads; of what is out of reach nothing is known.
            let is_back = before.is_some_and(|it| it.units.iter().any(|was| was.unit.digest == unit.digest));
            let digest = unit.digest.as_ref().filter(|digest| *digest != put && !is_back)?;
            (unit.label(label::PROMOTION) == Some(of.as_str())).then_some((unit, digest))
        })?;
        let by = unit.deployed_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let what = format!(
            "machine {} of `{}` runs {}, deployed{by}, and {} is what {of} put there",
            unit.id,
            place.name,
            digest.short(),
            put.short()
        );
        Some(Drifted { of: of.clone(), what })
    }

    /// What whoever approves should know of drift that is open here.
    pub(super) fn open_drift(&self) -> Vec<String> {
        let Some(drift) = self.environment.drift() else { return Vec::new() };
        let since = drift.opened;
        let line = |difference| format!("drift since {since}, as far as anybody looked: {difference}");
        drift.differences.iter().map(line).collect()
    }

    /// Counts as recorded, and whoever is out of traffic though it should not be, or the other way round, named.
    pub(super) fn as_recorded(&self, target: &mut ComponentTarget, fleet: &Fleet) {
        let current = self.environment.current();
        let put = current.into_iter().flat_map(PromotionView::recorded);
        let Some(put) = put.into_iter().find(|it| it.target.place == target.place) else { return };
        for (name, group) in &mut target.groups {
            if let Some(recorded) = put.target.groups.get(name) {
                group.counts.clone_from(&recorded.counts);
            }
        }
        target.own.extend(taken_over(&put.target, fleet));
        let mut units: BTreeMap<Spot, Vec<&Unit>> = BTreeMap::new();
        for unit in fleet.live().filter(|unit| !unit.is_away()) {
            units.entry((unit.group.clone(), unit.region.clone())).or_default().push(unit);
        }
        for (spot, units) in units {
            let wanted = put.cordoned.get(&spot).copied().unwrap_or(0);
            let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
            let (shut, open): (Vec<&Unit>, Vec<&Unit>) = units.into_iter().partition(|unit| unit.cordoned);
            let opens = shut.iter().skip(wanted).map(|unit| (unit.id.clone(), true));
            let shuts = open.iter().take(wanted.saturating_sub(shut.len()));
            target.traffic.extend(opens.chain(shuts.map(|unit| (unit.id.clone(), false))));
        }
    }

    /// What runs where we were sent away is nobody's release until somebody takes it over again.
    pub(super) fn taken_out(&self, kind: &Kind, fleet: &Fleet) -> Option<String> {
        let (at, by) = self.environment.ejected()?;
        let is_new = matches!(kind, Kind::Promote | Kind::Deploy) && fleet.live().next().is_some();
        let name = &self.environment.name;
        is_new.then(|| {
            format!(
                "{by} took `{name}` out at {at} (stagectl eject); adopt what runs there first: promote adopt --env {name}"
            )
        })
    }
}

/// What units of a second fleet have of their own: it took that over from the first one's, and nobody wrote down which has
/// what. Each has what it is most like.
fn taken_over(put: &ComponentTarget, fleet: &Fleet) -> BTreeMap<UnitId, UnitConfig> {
    let mut taken = BTreeMap::new();
    if put.strategy != Strategy::BlueGreen {
        return taken;
    }
    let mut left: Vec<&UnitConfig> = put.own.values().collect();
    for unit in fleet.live().filter(|unit| !put.own.contains_key(&unit.id)) {
        let Some(group) = put.groups.get(&unit.group) else { continue };
        let as_group = unlike(&group.config, &unit.config);
        let nearest = (0..left.len()).min_by_key(|n| unlike(left[*n], &unit.config));
        if let Some(n) = nearest.filter(|n| unlike(left[*n], &unit.config) < as_group) {
            taken.insert(unit.id.clone(), left.remove(n).clone());
        }
    }
    taken
}

/// In how many fields two configurations differ.
fn unlike(one: &UnitConfig, other: &UnitConfig) -> usize {
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else { return usize::MAX };
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    keys.into_iter().filter(|key| one.get(*key) != other.get(*key)).count()
}

/// Why what runs cannot be taken over: nobody could say which release it is (P6).
pub(super) fn unclear(target: &ComponentTarget, fleet: &Fleet) -> Option<String> {
    let name = &target.place.name;
    if let Some(mix) = fleet.mix() {
        return Some(format!("`{name}` is mixed: {mix}; bring all its machines to one image first"));
    }
    let unit = fleet.live().find(|unit| unit.digest.is_none())?;
    Some(format!("what machine {} of `{name}` runs is not known: it is {}", unit.id, unit.state))
}

/// How many units are taken over at rest: nobody starts them to see whether they would run (P12).
pub(super) fn asleep(target: &ComponentTarget, fleet: &Fleet) -> Option<String> {
    let rests = |unit: &&Unit| matches!(unit.state, UnitState::Stopped | UnitState::Stopping);
    let n = fleet.live().filter(rests).count();
    let machines = if n == 1 { "machine" } else { "machines" };
    (n > 0).then(|| {
        format!("{n} stopped {machines} of `{}` unproven, same digest: taken over at rest", target.place.name)
    })
}
