//! What a plan says about requests that come while machines change (P7).

use std::collections::BTreeSet;

use crate::model::{ComponentTarget, Fleet, GroupName, Kind, Millis, Strategy};

/// What a reader should know before approving that `fleet` becomes `target`, whose edges are `edges`.
pub(super) fn remarks(
    target: &ComponentTarget,
    fleet: &Fleet,
    kind: &Kind,
    edges: &BTreeSet<String>,
) -> Vec<String> {
    let groups = answering(target, fleet);
    if groups.is_empty() || *kind == Kind::Adopt {
        return Vec::new();
    }
    all_at_once(target, &groups).or_else(|| unasked(target, edges)).into_iter().collect()
}

/// The groups that answer requests now.
fn answering<'a>(target: &ComponentTarget, fleet: &'a Fleet) -> BTreeSet<&'a GroupName> {
    let open = fleet.live().filter(|unit| !unit.cordoned);
    open.map(|unit| &unit.group).filter(|group| target.serves.contains(*group)).collect()
}

/// Whoever chose it: the promise that no request is lost does not hold then.
fn all_at_once(target: &ComponentTarget, groups: &BTreeSet<&GroupName>) -> Option<String> {
    if target.strategy != Strategy::Immediate {
        return None;
    }
    let groups: Vec<String> = groups.iter().map(|group| format!("`{group}`")).collect();
    Some(format!(
        "`{}` changes all at once, without leaving traffic first: until the machines of group {} are back, on the way there \
         and on the way back, nobody answers its requests; any other strategy changes them in turn",
        target.place.name,
        groups.join(", ")
    ))
}

/// A change of routing is relied on when every edge has heard of it; without edges to ask, when some time has passed.
fn unasked(target: &ComponentTarget, edges: &BTreeSet<String>) -> Option<String> {
    let settle = target.limits.settle;
    (edges.is_empty() && settle > Millis::ZERO).then(|| {
        format!(
            "no edges of `{}` are named, so none is asked which machines it knows: each change of routing is relied on after \
             {settle} (`settle`); name them with `edges` beside its app in the project file",
            target.place.name
        )
    })
}
