//! Which releases an environment has seen.

use super::view::{EnvironmentView, PromotionView};
use crate::machine::Phase;
use crate::model::{Kind, Release};

impl EnvironmentView {
    /// The last time that `release` was to be put here, unless a gate refused it before it had the lock: whatever begins
    /// promotions by itself asks once for each release, and what people ended or what failed it leaves to people. A gate
    /// that was closed may be open now; what is in the way behind the lock, such as another store's mark, a plan does not
    /// see, and asking again would not end.
    pub fn tried(&self, release: &Release) -> Option<&PromotionView> {
        let id = release.id();
        let is_it = |view: &&PromotionView| {
            let request = &view.state.facts.request;
            matches!(request.kind, Kind::Deploy | Kind::Promote | Kind::Bootstrap)
                && (view.state.phase != Phase::Blocked || view.state.facts.locked_at.is_some())
                && request.release.id() == id
        };
        self.promotions.values().filter(is_it).max_by_key(|view| view.first)
    }

    /// What passed here and is to go on to `next` by itself: the newest, where something else runs there and it was never
    /// tried. The first release anywhere is a bootstrap's.
    pub fn goes_on_to(&self, next: &Self) -> Option<&PromotionView> {
        let (newest, standing) = (self.newest()?, next.current()?);
        let release = &newest.state.facts.request.release;
        let is_new =
            next.tried(release).is_none() && standing.state.facts.request.release.id() != release.id();
        is_new.then_some(newest)
    }

    /// What runs, where it was the last thing that was put here to be tested: not what a rollback went back to, and not
    /// what was taken over as it was found.
    pub fn newest(&self) -> Option<&PromotionView> {
        let came = |view: &&PromotionView| view.state.phase == Phase::Succeeded;
        let last = self.ended().filter(came).last()?;
        let is_new = matches!(last.state.facts.request.kind, Kind::Deploy | Kind::Promote | Kind::Bootstrap);
        self.current().filter(|current| is_new && current.id() == last.id())
    }
}
