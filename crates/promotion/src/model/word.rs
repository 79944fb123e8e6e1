//! A person's word other than an approval: what they want, the line they sign, and the proof.

use serde::{Deserialize, Serialize};

use super::{At, EnvironmentName, Hash, ItemName, Kind, Person, PromotionId, canonical};

/// What a person wants of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish<'a> {
    /// A promotion.
    Request {
        /// Into which environment.
        environment: &'a EnvironmentName,
        /// Which verb, and what it undoes.
        kind: &'a Kind,
        /// Of which release.
        release: Hash,
    },
    /// The end of a promotion.
    Abort {
        /// Which.
        promotion: &'a PromotionId,
        /// Why.
        reason: &'a str,
    },
    /// An item of a promotion's checklist checked off, or that taken back.
    CheckOff {
        /// Of which promotion.
        promotion: &'a PromotionId,
        /// Over which plan.
        plan: &'a Hash,
        /// Which item.
        item: &'a ItemName,
        /// Checked off, and not taken back.
        is_done: bool,
        /// What was seen.
        comment: Option<&'a str>,
    },
    /// A circuit breaker closed.
    ResetBreaker {
        /// Of which environment.
        environment: &'a EnvironmentName,
        /// Why.
        reason: &'a str,
    },
    /// An environment closed to promotions, or opened again.
    Close {
        /// Which.
        environment: &'a EnvironmentName,
        /// How.
        closing: Closing,
        /// Why.
        reason: &'a str,
    },
    /// For a while what people and calendars ask for is lifted.
    BreakGlass {
        /// Where.
        environment: &'a EnvironmentName,
        /// Until when.
        until: At,
        /// Why.
        reason: &'a str,
    },
    /// An environment taken out of our hands.
    Eject {
        /// Which.
        environment: &'a EnvironmentName,
        /// Whether parked units are destroyed.
        destroy_parked: bool,
        /// Why.
        reason: Option<&'a str>,
    },
}

/// How a person closes an environment to promotions, or opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub enum Closing {
    /// To everything, until somebody opens it: a person works there by hand.
    Lock,
    /// To what is new, until an instant.
    Freeze {
        /// From when on it is open again.
        until: At,
    },
    /// What people closed is open again: the lock and every freeze of theirs. The windows of the project file stay.
    Unlock,
}

impl Closing {
    /// The verb's name, as signed and shown.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Freeze { .. } => "freeze",
            Self::Unlock => "unlock",
        }
    }

    /// Until when, where that is said.
    pub const fn until(self) -> Option<At> {
        match self {
            Self::Freeze { until } => Some(until),
            Self::Lock | Self::Unlock => None,
        }
    }

    /// It as a wish.
    pub const fn wish<'a>(self, environment: &'a EnvironmentName, reason: &'a str) -> Wish<'a> {
        Wish::Close { environment, closing: self, reason }
    }
}

impl Wish<'_> {
    /// The text that is signed: one line, so that a person can read what they sign. No two of them are the same, for
    /// each names its instant: who reads one in a journal cannot say it again.
    pub fn statement(&self, by: &Person, at: At) -> String {
        let what = match self {
            Self::Request { environment, kind: kind @ Kind::Rollback { of }, release } => {
                format!("request {} {environment} undoing {of} release {release}", kind.verb())
            }
            Self::Request { environment, kind, release } => {
                format!("request {} {environment} release {release}", kind.verb())
            }
            Self::Abort { promotion, reason } => {
                format!("abort {promotion} reason {}", canonical::text(reason))
            }
            Self::CheckOff { promotion, plan, item, is_done, comment } => {
                let verb = if *is_done { "check-off" } else { "take-back" };
                let comment = comment.map(|comment| format!(" comment {}", canonical::text(comment)));
                format!("{verb} {item} of {promotion} plan {plan}{}", comment.unwrap_or_default())
            }
            Self::ResetBreaker { environment, reason } => {
                format!("reset breaker {environment} reason {}", canonical::text(reason))
            }
            Self::Close { environment, closing, reason } => {
                let until = closing.until().map(|until| format!(" until {until}")).unwrap_or_default();
                format!("{} {environment}{until} reason {}", closing.verb(), canonical::text(reason))
            }
            Self::BreakGlass { environment, until, reason } => {
                format!("break-glass {environment} until {until} reason {}", canonical::text(reason))
            }
            Self::Eject { environment, destroy_parked, reason } => {
                let parked = if *destroy_parked { " destroying what is parked" } else { "" };
                let reason = reason.map(|reason| format!(" reason {}", canonical::text(reason)));
                format!("eject {environment}{parked}{}", reason.unwrap_or_default())
            }
        };
        format!("understudy {what} by {by} at {at}\n")
    }
}

/// The proof of a wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// When it was signed; stands in the statement.
    pub at: At,
    /// The proof over [`Wish::statement`]: an armored SSH signature, or what another provider of approvals reads back.
    pub proof: String,
}

/// A wish as it is shown to whoever checks proofs, before anything is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Who is said to have said it.
    pub by: Person,
    /// The text that was signed.
    pub text: String,
    /// The proof; none from people who are known without one, such as those on a local stand-in.
    pub proof: Option<String>,
}

impl Word {
    /// What `by` wants, with its proof; without one `now` stands for when.
    pub fn new(wish: &Wish<'_>, by: &Person, signed: Option<&Signed>, now: At) -> Self {
        let at = signed.map_or(now, |signed| signed.at);
        let proof = signed.map(|signed| signed.proof.clone());
        Self { by: by.clone(), text: wish.statement(by, at), proof }
    }
}
