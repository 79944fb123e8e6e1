//! The configuration of all of a release's components, as one hash.

use std::collections::BTreeMap;

use super::{ComponentTarget, Hash, canonical};

/// What a release is configured with: evidence binds to it beside the release.
pub fn config_hash(components: &[ComponentTarget]) -> Hash {
    let configs: Vec<_> = components
        .iter()
        .map(|target| {
            let groups: BTreeMap<_, _> =
                target.groups.iter().map(|(name, group)| (name, &group.config)).collect();
            (&target.place.component, groups)
        })
        .collect();
    canonical::hash("understudy configuration v1", &configs)
}
