//! Break-glass: for a while what people and calendars ask for is lifted, by name and on the record (P1).

use super::gates::Gate;
use super::session::Session;
use super::{Engine, EngineError};
use crate::journal::{Draft, Entry};
use crate::model::{At, BreakGlass, EnvironmentName, Kind, Millis, Person, Signed, Wish, Word};
use crate::ports::{PortError, PortErrorKind};

/// It ends by itself after this long at the latest: an exception that lasts is a rule that nobody agreed to.
const BREAK_GLASS_MAX: Millis = Millis::secs(4 * 3600);

impl Engine {
    /// Breaks the glass of an environment until `until`, once it is proven who wants that ([`Wish::BreakGlass`]): for those
    /// who may approve there.
    ///
    /// What is asked for meanwhile needs no evidence and no other approval, and neither a freeze nor the breaker stops it.
    /// Locks, leases, drift and marks of others do.
    pub async fn break_glass(
        &self,
        environment: &EnvironmentName,
        until: At,
        by: Person,
        reason: String,
        signed: Option<Signed>,
    ) -> Result<BreakGlass, EngineError> {
        let wish = Wish::BreakGlass { environment, until, reason: &reason };
        let by = self.heard(&wish, &by, signed.as_ref()).await?;
        let at = self.ports.clock.now();
        // From when it was said: else whoever signs could choose when it ends by waiting.
        let since = signed.as_ref().map_or(at, |signed| signed.at.min(at));
        let refused = |why: String| Err(EngineError::Refused { why });
        if reason.trim().is_empty() {
            return refused("a break-glass needs a reason: it is what whoever comes later reads".to_owned());
        }
        if until <= at || until.since(since) > BREAK_GLASS_MAX {
            return refused(format!(
                "a break-glass lasts until a moment within {BREAK_GLASS_MAX}, and {until} is none, here it is {at}"
            ));
        }
        let glass = BreakGlass { by, reason, since: at, until, signed };
        let entry = Entry::GlassBroken { glass: Box::new(glass.clone()) };
        self.append_open(environment, |view| {
            if let (Some(signed), Some(last)) = (&glass.signed, view.last_glass())
                && signed.at <= last.signed.as_ref().map_or(last.since, |word| word.at.max(last.since))
            {
                let why = format!("the glass was broken at {}, after this was signed; sign anew", last.since);
                return Err(EngineError::Proof(PortError::refused(why)));
            }
            if let Some(why) = view.rules_or_last().and_then(|rules| rules.bars(&glass.by)) {
                let why = format!("the glass of `{environment}` stays whole: {why}; one of them breaks it");
                return Err(EngineError::Refused { why });
            }
            Ok(Draft { promotion: None, at, entry: entry.clone() })
        })
        .await?;
        Ok(glass)
    }
}

/// Whether what is asked for by `kind` can be under a break-glass. What only goes back, or takes over, is stopped by none of
/// what it lifts.
pub(super) const fn is_lifted(kind: &Kind) -> bool {
    match kind {
        Kind::Deploy | Kind::Promote | Kind::Bootstrap | Kind::Repair => true,
        Kind::Rollback { .. } | Kind::Adopt => false,
    }
}

impl Session<'_> {
    /// What a gate says that the break-glass lifts, while it lasts.
    pub(super) fn lifted(&self) -> Option<Gate> {
        let glass = self.view().state.facts.request.break_glass.as_ref()?;
        let lasts = self.now() < glass.until;
        lasts.then(|| Gate::Open(format!("lifted by the {glass}")))
    }

    /// The gate `break-glass`: the exception still holds, and is by whom it names.
    pub(super) async fn glass(&self) -> Option<Gate> {
        let glass = self.view().state.facts.request.break_glass.as_ref()?;
        if self.now() >= glass.until {
            return Some(Gate::Closed(format!(
                "the {glass} is over; break it anew and ask again, or ask again: then evidence and people are asked for"
            )));
        }
        // The store is not asked who may: whoever can write into it could have written that.
        if let Some(why) = self.view().state.policy().bars(&glass.by) {
            return Some(Gate::Closed(format!("the {glass} counts for nothing: {why}")));
        }
        let said = glass.signed.as_ref().map_or(glass.since, |signed| signed.at);
        if glass.until.since(said) > BREAK_GLASS_MAX {
            return Some(Gate::Closed(format!("the {glass} lasts longer than {BREAK_GLASS_MAX}")));
        }
        let environment = &self.environment.name;
        let wish = Wish::BreakGlass { environment, until: glass.until, reason: &glass.reason };
        let word = Word::new(&wish, &glass.by, glass.signed.as_ref(), glass.since);
        Some(match self.engine.ports.approvals.verify_word(&word).await {
            Ok(person) if person == glass.by => Gate::Open(glass.to_string()),
            Ok(person) => {
                Gate::Closed(format!("{} broke the glass, and the proof now shows {person}", glass.by))
            }
            Err(error) if error.kind == PortErrorKind::Refused => {
                Gate::Closed(format!("that {} broke the glass does not hold: {}", glass.by, error.message))
            }
            Err(error) => Gate::Away(error.message),
        })
    }
}
