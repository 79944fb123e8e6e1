//! The rules of a promotion path.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{ChecklistItem, EnvironmentName, FreezeWindow, Millis, Person, ScanRule, SuiteName};

/// What a class of environment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A laptop.
    Local,
    /// Per branch, disposable.
    Preview,
    /// The rehearsal.
    Staging,
    /// The real thing.
    Production,
}

impl Class {
    /// As the project file and the journal write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Preview => "preview",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Evidence that a release must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRule {
    /// The environment whose attestations count.
    pub from: EnvironmentName,
    /// Each of these suites.
    pub suites: BTreeSet<SuiteName>,
    /// No older than this.
    pub max_age: Millis,
    /// Files that must be the same where it was tested and where it is asked for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub base_data: BTreeSet<String>,
}

/// Who must agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRule {
    /// How many different people, the requester not among them.
    pub count: u32,
    /// Out of these.
    pub from: BTreeSet<Person>,
    /// The wait ends after this.
    pub expires: Millis,
}

/// When further promotions into an environment are stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerRule {
    /// This many failures …
    pub failures: u32,
    /// … within this time open it; one failed rollback opens it at once.
    pub window: Millis,
}

impl Default for BreakerRule {
    fn default() -> Self {
        Self { failures: 3, window: Millis::secs(24 * 3600) }
    }
}

/// Who goes next, where more than one release wants the same environment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueRule {
    /// In the order of asking.
    #[default]
    FirstCome,
    /// What was asked for last; what waits gives way to it.
    NewestWins,
    /// Nobody is let in while one is there.
    Refuse,
}

impl QueueRule {
    /// As the project file writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstCome => "first-come",
            Self::NewestWins => "newest-wins",
            Self::Refuse => "refuse",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The rules in force for promotions into an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Evidence before the promotion; none for environments where evidence is made.
    pub evidence: Option<EvidenceRule>,
    /// People; none where nobody is asked.
    pub approvals: Option<ApprovalRule>,
    /// The circuit breaker.
    pub breaker: BreakerRule,
    /// Suites run after the deploy; a pass becomes an attestation.
    pub verify: BTreeSet<SuiteName>,
    /// How long the new release must serve before it counts as done.
    pub soak: Millis,
    /// From the lock on, the whole may take this long; then it is rolled back.
    pub deadline: Millis,
    /// What may differ from what is recorded without being drift, in the terms of [`Difference::field`].
    ///
    /// [`Difference::field`]: super::Difference::field
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub drift_ignored: BTreeSet<String>,
    /// What people look at before a release is promoted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checklist: Vec<ChecklistItem>,
    /// What a scan must have said of a release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<ScanRule>,
    /// When nothing new comes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<FreezeWindow>,
    /// Who goes next.
    #[serde(default, skip_serializing_if = "QueueRule::is_default")]
    pub queue: QueueRule,
}

impl Policy {
    /// Why `person` is not among those who may approve, or nothing when they are or nobody is asked.
    pub fn bars(&self, person: &Person) -> Option<String> {
        let rule = self.approvals.as_ref().filter(|rule| rule.count > 0)?;
        (!rule.from.contains(person)).then(|| {
            let list: Vec<&str> = rule.from.iter().map(Person::as_str).collect();
            format!("{person} is not among those who may approve there: {}", list.join(", "))
        })
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            evidence: None,
            approvals: None,
            breaker: BreakerRule::default(),
            verify: BTreeSet::new(),
            soak: Millis::ZERO,
            deadline: Millis::secs(3600),
            drift_ignored: BTreeSet::new(),
            checklist: Vec::new(),
            scan: None,
            freezes: Vec::new(),
            queue: QueueRule::FirstCome,
        }
    }
}
