//! The circuit breaker over an environment's promotions: closed, open, half-open.

use super::view::{EnvironmentView, PromotionView};
use crate::machine::Phase;
use crate::model::{At, BreakerRule, Kind};

/// The breaker over an environment's promotions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BreakerState {
    /// Promotions go.
    Closed {
        /// Failures in the window.
        failures: u32,
    },
    /// They do not.
    Open {
        /// Why.
        why: String,
        /// Since when.
        since: At,
        /// After this instant one may try; none where only a person closes it.
        until: Option<At>,
    },
    /// Its window has gone by without another failure: one may try, and how that ends decides.
    HalfOpen {
        /// Why it had opened.
        why: String,
        /// When it had opened.
        opened: At,
        /// Since when one may try.
        since: At,
    },
}

impl BreakerState {
    /// The state's name, as it is shown.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "half-open",
        }
    }
}

/// A breaker that opened.
struct Opened {
    why: String,
    since: At,
    by_hand: bool,
}

impl EnvironmentView {
    /// The circuit breaker at `now`.
    ///
    /// So many failures within the window open it. A window later it is half-open: what is put there then is a probe. When
    /// it holds the breaker is closed, when it fails the breaker is open for another window. A rollback that failed opens it
    /// until a person closes it.
    pub fn breaker(&self, rule: &BreakerRule, now: At) -> BreakerState {
        let since = self.breaker_reset().unwrap_or(At(i64::MIN));
        let mut failed: Vec<At> = Vec::new();
        let mut opened: Option<Opened> = None;
        for view in self.ended().filter(|view| view.at > since) {
            let at = view.at;
            let may_try = opened.as_ref().is_some_and(|it| !it.by_hand && at.since(it.since) > rule.window);
            if view.state.phase == Phase::RollbackFailed {
                let first = opened.take().filter(|it| it.by_hand);
                let why = format!("the rollback of {} failed", view.id());
                opened = first.or(Some(Opened { why, since: at, by_hand: true }));
            } else if is_failure(view) {
                failed.retain(|earlier| at.since(*earlier) <= rule.window);
                failed.push(at);
                let n = u32::try_from(failed.len()).unwrap_or(u32::MAX);
                let why = match opened.take() {
                    Some(it) if it.by_hand => {
                        opened = Some(it);
                        continue;
                    }
                    Some(_) if may_try => format!("{}, which was the probe, failed", view.id()),
                    // What a break-glass let in failed, too: it stays open for a window from here.
                    Some(it) => it.why,
                    None if n >= rule.failures => format!("{n} promotions failed within {}", rule.window),
                    None => continue,
                };
                opened = Some(Opened { why, since: at, by_hand: false });
            } else if may_try && is_probe(view) {
                opened = None;
                failed.clear();
            }
        }
        let Some(Opened { why, since, by_hand }) = opened else {
            let failures = failed.iter().filter(|at| now.since(**at) <= rule.window).count();
            return BreakerState::Closed { failures: u32::try_from(failures).unwrap_or(u32::MAX) };
        };
        let until = since.plus(rule.window);
        if by_hand || now <= until {
            BreakerState::Open { why, since, until: (!by_hand).then_some(until) }
        } else {
            BreakerState::HalfOpen { why, opened: since, since: until }
        }
    }
}

/// What a person ended did not fail.
fn is_failure(view: &PromotionView) -> bool {
    view.state.phase == Phase::RolledBack && view.state.facts.aborted_by.is_none()
}

/// Something new came that was rehearsed, and holds.
fn is_probe(view: &PromotionView) -> bool {
    view.state.phase == Phase::Succeeded
        && view.state.facts.request.break_glass.is_none()
        && matches!(view.state.facts.request.kind, Kind::Deploy | Kind::Promote | Kind::Bootstrap)
}
