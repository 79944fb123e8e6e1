//! The record of a release in an environment, as the outside sees it.

use std::collections::BTreeMap;

use flytypes::Digest;
use serde::{Deserialize, Serialize};

use super::{At, BreakGlass, ComponentName, EnvironmentName, Hash, Person, PromotionId};

/// The four statuses that readers outside know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeploymentStatus {
    /// Under way, or waiting.
    Pending,
    /// It runs.
    Deployed,
    /// It never ran, or it is not known what runs.
    Failed,
    /// It ran and was put back.
    RolledBack,
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentInfo {
    /// The promotion that made it.
    pub id: PromotionId,
    /// Where.
    pub environment: EnvironmentName,
    /// The release's version.
    pub version: String,
    /// The release's commit.
    #[serde(alias = "commit_sha")]
    pub commit_sha: String,
    /// When it reached its status.
    #[serde(alias = "deployed_at")]
    pub deployed_at: At,
    /// Who asked for it.
    #[serde(alias = "deployed_by")]
    pub deployed_by: Person,
    /// What became of it.
    pub status: DeploymentStatus,
    /// The verb: deploy, promote, bootstrap, rollback, adopt.
    pub verb: String,
    /// The release's hash.
    pub release: Hash,
    /// Component → content.
    pub digests: BTreeMap<ComponentName, Digest>,
    /// Component → what the provider calls it: an app, a site. Empty where no plan was made.
    pub apps: BTreeMap<ComponentName, String>,
    /// The plan's hash.
    pub plan: Option<Hash>,
    /// Why it ended as it did, when not well.
    pub why: Option<String>,
    /// The exception under which it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<BreakGlass>,
}
