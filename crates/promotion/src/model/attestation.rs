//! Signed evidence: this release passed this suite here, at this time.

use serde::{Deserialize, Serialize};

use super::{At, Class, EnvironmentName, Hash, Millis, Person, PromotionId, SuiteName, canonical};

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The release's hash.
    pub release: Hash,
    /// The configuration the release ran with there.
    pub config: Hash,
    /// The suite.
    pub suite: SuiteName,
    /// Where.
    pub environment: EnvironmentName,
    /// The class of that environment.
    pub class: Class,
    /// Which deployment was tested.
    pub deployment: PromotionId,
    /// The report's hash.
    pub report: Hash,
    /// When the suite ended.
    pub at: At,
}

impl Statement {
    /// The text that is signed.
    pub fn text(&self) -> String {
        canonical::text(self)
    }
}

/// A statement with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// What is said.
    pub statement: Statement,
    /// By whom, as the signature shows.
    pub by: Person,
    /// The signature over [`Statement::text`].
    pub signature: String,
}

impl Attestation {
    /// Whether it counts for `release` and `suite` at `now`, its signature apart.
    pub fn covers(
        &self,
        release: &Hash,
        from: &EnvironmentName,
        suite: &SuiteName,
        max_age: Millis,
        now: At,
    ) -> bool {
        let it = &self.statement;
        it.release == *release
            && it.environment == *from
            && it.suite == *suite
            && it.at <= now.plus(Millis::secs(60))
            && now.since(it.at) <= max_age
    }
}
