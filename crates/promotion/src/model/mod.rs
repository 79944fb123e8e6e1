//! The values everything else is about. No IO.

mod anchor;
mod approval;
mod attestation;
pub mod canonical;
mod checklist;
mod config;
mod deployment;
mod drift;
mod envelope;
mod fleet;
mod freeze;
mod image;
mod names;
mod one_off;
mod plan;
mod policy;
mod release;
mod request;
mod running;
mod sarif;
mod scan;
mod secrets;
mod snapshot;
mod target;
mod test_report;
mod time;
mod unit_config;
mod word;

pub use anchor::AnchorPoint;
pub use approval::{Approval, Claim, Decision};
pub(crate) use attestation::subjects;
pub use attestation::{Attestation, Statement};
pub use canonical::Hash;
pub use checklist::{CheckOff, ChecklistItem};
pub use config::config_hash;
pub use deployment::{DeploymentInfo, DeploymentStatus};
pub use drift::{Difference, is_ignored};
pub use envelope::{Envelope, EnvelopeSignature, InToto, STATEMENT_PAYLOAD, Subject, pae};
pub use fleet::{CheckResult, Fleet, LeaseView, Nap, Place, Unit, UnitState, label};
pub use flytypes::{Digest, ImageRef};
pub use freeze::{FreezeSpan, FreezeWindow, Frozen, frozen};
pub use image::{ImagePreview, ImageRecord, image_label, is_same_commit, is_same_version, keep_tag};
pub use names::{
    ComponentName, EnvironmentName, GroupName, ItemName, NameError, Nonce, Person, PromotionId, RegionName,
    Slot, StoreId, SuiteName, UnitId, UnitVersion,
};
pub use one_off::{OneOff, OneOffEnd, OneOffRun, OneOffSpec, OneOffState};
pub use plan::{Baseline, Plan, PreviewLine, RollbackVerdict, Target};
pub use policy::{ApprovalRule, BreakerRule, Class, EvidenceRule, Policy, QueueRule};
pub use release::Release;
pub use request::{BreakGlass, Kind, Request};
pub use running::Running;
pub use sarif::ReadScan;
pub use scan::{AcceptedFinding, Level, Scan, ScanFinding, ScanRule};
pub use secrets::{SecretsSeen, SecretsTarget};
pub use snapshot::{ComponentSnapshot, Snapshot, UnitRecord};
pub use target::{ComponentTarget, GroupTarget, Limits, MaxUnavailable, Proof, Strategy, UnitSpec};
pub use test_report::{ReadReport, SuiteRun, TestReport, Verdict};
pub use time::{At, Millis, NoInstant};
pub use unit_config::UnitConfig;
pub use word::{Closing, Signed, Wish, Word};
