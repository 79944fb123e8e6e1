//! Signed evidence: this release passed this suite here, at this time.

use std::collections::BTreeMap;

use flytypes::Digest;
use serde::{Deserialize, Serialize};

use super::envelope::{InToto, Subject};
use super::{
    At, Class, ComponentName, EnvironmentName, Hash, Millis, Person, PromotionId, Scan, SuiteName, canonical,
};

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
    /// What the release consists of. Statements of earlier versions name its hash alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub components: BTreeMap<ComponentName, Digest>,
    /// The suite's file, where the report of another step was read: its SHA-256, the same as on the checkout that was
    /// trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite_file: Option<Hash>,
    /// The base data that it was tested on: file → SHA-256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub base_data: BTreeMap<String, Hash>,
    /// What a scan found, where this is about one and not about a suite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<Scan>,
}

/// The kind of statement that an attestation is.
const PREDICATE: &str = "urn:understudy:suite-passed:v1";

/// The same, where it is about a scan: nothing in it says that anything passed.
const SCANNED: &str = "urn:understudy:scanned:v1";

impl Statement {
    /// The same for other tools: an in-toto statement about the components by their digests.
    pub fn payload(&self) -> Vec<u8> {
        let predicate = if self.scan.is_some() { SCANNED } else { PREDICATE };
        InToto::new(predicate, subjects(&self.release, &self.components), self.clone()).payload()
    }

    /// The text that earlier versions signed.
    pub fn text(&self) -> String {
        canonical::text(self)
    }
}

/// What a statement about a release is about: each of its components, or the release where they are not told.
pub(crate) fn subjects(release: &Hash, components: &BTreeMap<ComponentName, Digest>) -> Vec<Subject> {
    if components.is_empty() {
        return vec![Subject::sha256("release", release.as_str())];
    }
    let of = |(name, digest): (&ComponentName, &Digest)| {
        let text = digest.to_string();
        let (algorithm, hex) = text.split_once(':').unwrap_or(("sha256", &text));
        Subject { name: name.to_string(), digest: BTreeMap::from([(algorithm.to_owned(), hex.to_owned())]) }
    };
    components.iter().map(of).collect()
}

/// A statement with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// What is said.
    pub statement: Statement,
    /// By whom, as the signature shows.
    pub by: Person,
    /// A DSSE envelope with [`Statement::payload`] in it, or an armored SSH signature over [`Statement::text`].
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
