//! Which releases an environment has seen.

use super::view::{EnvironmentView, PromotionView};
use crate::machine::Phase;
use crate::model::{Kind, Release};

impl EnvironmentView {
    /// The last time that `release` was to be put here, unless a gate refused it: whatever begins promotions by itself
    /// asks once for each release, and what people ended or what failed it leaves to people. A gate that was closed may
    /// be open now.
    pub fn tried(&self, release: &Release) -> Option<&PromotionView> {
        let id = release.id();
        let is_it = |view: &&PromotionView| {
            let request = &view.state.facts.request;
            matches!(request.kind, Kind::Deploy | Kind::Promote | Kind::Bootstrap)
                && view.state.phase != Phase::Blocked
                && request.release.id() == id
        };
        self.promotions.values().filter(is_it).max_by_key(|view| view.first)
    }
}
