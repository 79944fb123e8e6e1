//! The rules of a promotion, all of them. Nothing else decides phases.
//!
//! A live pair of phase and signal has one row, or two with opposite guards, or says why it is ignored; the build
//! fails otherwise. `docs/promotion-states.md` is made from this table.

use super::check;
use super::phase::{
    EffectName::{self, AskApproval, Escalate, Release, Tell},
    Guard::{
        self, Always, IsForward, IsRollback, NeedsApproval, NeedsNobody, NoSoak, QuorumMet, QuorumOpen,
        SoakAsked, TimeIsLeft, TimeIsUp,
    },
    Phase::{
        self, Aborted, AwaitingApproval, Blocked, Copying, Deploying, Expired, Locked, Planned, Queued,
        Rechecking, Rejected, Requested, RollbackFailed, RolledBack, RollingBack, Snapshotting, Soaking,
        Succeeded, Superseded, Verifying,
    },
    Signal::{
        self, Approve, Cancel, CheckOff, Deadline, Differs, Done, Errored, Failed, GateClosed, LockTaken,
        PlanMade, Reject, Supersede, TakeBack,
    },
};

/// What a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Go to this phase and do these once.
    Go(Phase, &'static [EffectName]),
    /// Nothing changes, for this reason.
    Ignore(&'static str),
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// In this phase …
    pub from: Phase,
    /// … on this signal …
    pub on: Signal,
    /// … when this holds …
    pub when: Guard,
    /// … this follows.
    pub rule: Rule,
}

const fn go(from: Phase, on: Signal, when: Guard, to: Phase, effects: &'static [EffectName]) -> Row {
    Row { from, on, when, rule: Rule::Go(to, effects) }
}

const fn ignore(from: Phase, on: Signal, why: &'static str) -> Row {
    Row { from, on, when: Always, rule: Rule::Ignore(why) }
}

const NOT_ASKED: &str = "nobody was asked yet";
const ALREADY: &str = "people have decided";
const NO_PLAN: &str = "plans are made before the lock";
const NO_GATE: &str = "gates are asked before the first change";
const NO_LOCK: &str = "the lock is taken once, from the queue";
const LOCKED: &str = "it holds the environment: end it by abort";
const NO_DRIFT: &str = "drift is judged at rechecking";
const NO_WORK: &str = "the phase has no work of this kind";

#[rustfmt::skip]
/// The rules.
pub const TABLE: &[Row] = &[
    //   from              on           when           to                 do once
    go(Requested,        PlanMade,    Always,        Planned,           &[]),
    go(Requested,        GateClosed,  Always,        Blocked,           &[Tell]),
    go(Requested,        Failed,      Always,        Aborted,           &[Tell]),
    go(Requested,        Errored,     Always,        Requested,         &[]),
    go(Requested,        Deadline,    Always,        Expired,           &[Tell]),
    go(Requested,        Cancel,      Always,        Aborted,           &[Tell]),
    go(Requested,        Supersede,   Always,        Superseded,        &[Tell]),
    ignore(Requested,    Done,        NO_WORK),
    ignore(Requested,    Approve,     NOT_ASKED),
    ignore(Requested,    Reject,      NOT_ASKED),
    ignore(Requested,    CheckOff,    NOT_ASKED),
    ignore(Requested,    TakeBack,    NOT_ASKED),
    ignore(Requested,    LockTaken,   NO_LOCK),
    ignore(Requested,    Differs,     NO_DRIFT),

    go(Planned,          Done,        NeedsApproval, AwaitingApproval,  &[AskApproval]),
    go(Planned,          Done,        NeedsNobody,   Queued,            &[]),
    go(Planned,          GateClosed,  Always,        Blocked,           &[Tell]),
    go(Planned,          Failed,      Always,        Aborted,           &[Tell]),
    go(Planned,          Errored,     Always,        Planned,           &[]),
    go(Planned,          Deadline,    Always,        Expired,           &[Tell]),
    go(Planned,          Cancel,      Always,        Aborted,           &[Tell]),
    go(Planned,          Supersede,   Always,        Superseded,        &[Tell]),
    ignore(Planned,      PlanMade,    "there is one"),
    ignore(Planned,      Approve,     NOT_ASKED),
    ignore(Planned,      Reject,      NOT_ASKED),
    ignore(Planned,      CheckOff,    NOT_ASKED),
    ignore(Planned,      TakeBack,    NOT_ASKED),
    ignore(Planned,      LockTaken,   NO_LOCK),
    ignore(Planned,      Differs,     NO_DRIFT),

    go(AwaitingApproval, Approve,     QuorumMet,     Queued,            &[]),
    go(AwaitingApproval, Approve,     QuorumOpen,    AwaitingApproval,  &[]),
    go(AwaitingApproval, Reject,      Always,        Rejected,          &[Tell]),
    go(AwaitingApproval, CheckOff,    QuorumMet,     Queued,            &[]),
    go(AwaitingApproval, CheckOff,    QuorumOpen,    AwaitingApproval,  &[]),
    go(AwaitingApproval, TakeBack,    Always,        AwaitingApproval,  &[]),
    go(AwaitingApproval, Deadline,    Always,        Expired,           &[Tell]),
    go(AwaitingApproval, Cancel,      Always,        Aborted,           &[Tell]),
    go(AwaitingApproval, Supersede,   Always,        Superseded,        &[Tell]),
    ignore(AwaitingApproval, Done,    NO_WORK),
    ignore(AwaitingApproval, PlanMade, "the plan that people look at stays"),
    ignore(AwaitingApproval, GateClosed, NO_GATE),
    ignore(AwaitingApproval, LockTaken, NO_LOCK),
    ignore(AwaitingApproval, Differs, NO_DRIFT),
    ignore(AwaitingApproval, Failed,  NO_WORK),
    ignore(AwaitingApproval, Errored, NO_WORK),

    go(Queued,           LockTaken,   Always,        Locked,            &[]),
    go(Queued,           Deadline,    Always,        Expired,           &[Tell]),
    go(Queued,           Cancel,      Always,        Aborted,           &[Tell]),
    go(Queued,           Supersede,   Always,        Superseded,        &[Tell]),
    ignore(Queued,       Done,        NO_WORK),
    ignore(Queued,       PlanMade,    NO_PLAN),
    ignore(Queued,       GateClosed,  NO_GATE),
    ignore(Queued,       Approve,     ALREADY),
    go(Queued,           Reject,      Always,        Rejected,          &[Tell]),
    ignore(Queued,       CheckOff,    ALREADY),
    go(Queued,           TakeBack,    Always,        Rejected,          &[Tell]),
    ignore(Queued,       Differs,     NO_DRIFT),
    ignore(Queued,       Failed,      NO_WORK),
    ignore(Queued,       Errored,     NO_WORK),

    go(Locked,           Done,        Always,        Rechecking,        &[]),
    go(Locked,           GateClosed,  Always,        Blocked,           &[Release, Tell]),
    go(Locked,           Failed,      Always,        Blocked,           &[Release, Tell]),
    go(Locked,           Errored,     Always,        Locked,            &[]),
    go(Locked,           Deadline,    Always,        Aborted,           &[Release, Tell]),
    go(Locked,           Cancel,      Always,        Aborted,           &[Release, Tell]),
    go(Locked,           Reject,      Always,        Rejected,          &[Release, Tell]),
    ignore(Locked,       CheckOff,    ALREADY),
    go(Locked,           TakeBack,    Always,        Rejected,          &[Release, Tell]),
    ignore(Locked,       PlanMade,    NO_PLAN),
    ignore(Locked,       Approve,     ALREADY),
    ignore(Locked,       LockTaken,   NO_LOCK),
    ignore(Locked,       Differs,     NO_DRIFT),
    ignore(Locked,       Supersede,   LOCKED),

    go(Rechecking,       Done,        Always,        Copying,           &[]),
    go(Rechecking,       Differs,     Always,        Planned,           &[Release]),
    go(Rechecking,       GateClosed,  Always,        Blocked,           &[Release, Tell]),
    go(Rechecking,       Failed,      Always,        Blocked,           &[Release, Tell]),
    go(Rechecking,       Errored,     Always,        Rechecking,        &[]),
    go(Rechecking,       Deadline,    Always,        Aborted,           &[Release, Tell]),
    go(Rechecking,       Cancel,      Always,        Aborted,           &[Release, Tell]),
    go(Rechecking,       Reject,      Always,        Rejected,          &[Release, Tell]),
    ignore(Rechecking,   CheckOff,    ALREADY),
    go(Rechecking,       TakeBack,    Always,        Rejected,          &[Release, Tell]),
    ignore(Rechecking,   PlanMade,    NO_PLAN),
    ignore(Rechecking,   Approve,     ALREADY),
    ignore(Rechecking,   LockTaken,   NO_LOCK),
    ignore(Rechecking,   Supersede,   LOCKED),

    go(Copying,          Done,        Always,        Snapshotting,      &[]),
    go(Copying,          Failed,      Always,        Aborted,           &[Release, Tell]),
    go(Copying,          Errored,     Always,        Copying,           &[]),
    go(Copying,          Deadline,    Always,        Aborted,           &[Release, Tell]),
    go(Copying,          Cancel,      Always,        Aborted,           &[Release, Tell]),
    ignore(Copying,      PlanMade,    NO_PLAN),
    ignore(Copying,      GateClosed,  NO_GATE),
    ignore(Copying,      Approve,     ALREADY),
    ignore(Copying,      Reject,      LOCKED),
    ignore(Copying,      CheckOff,    ALREADY),
    ignore(Copying,      TakeBack,    LOCKED),
    ignore(Copying,      LockTaken,   NO_LOCK),
    ignore(Copying,      Differs,     NO_DRIFT),
    ignore(Copying,      Supersede,   LOCKED),

    go(Snapshotting,     Done,        Always,        Deploying,         &[]),
    go(Snapshotting,     Failed,      Always,        Aborted,           &[Release, Tell]),
    go(Snapshotting,     Errored,     Always,        Snapshotting,      &[]),
    go(Snapshotting,     Deadline,    Always,        Aborted,           &[Release, Tell]),
    go(Snapshotting,     Cancel,      Always,        Aborted,           &[Release, Tell]),
    ignore(Snapshotting, PlanMade,    NO_PLAN),
    ignore(Snapshotting, GateClosed,  NO_GATE),
    ignore(Snapshotting, Approve,     ALREADY),
    ignore(Snapshotting, Reject,      LOCKED),
    ignore(Snapshotting, CheckOff,    ALREADY),
    ignore(Snapshotting, TakeBack,    LOCKED),
    ignore(Snapshotting, LockTaken,   NO_LOCK),
    ignore(Snapshotting, Differs,     NO_DRIFT),
    ignore(Snapshotting, Supersede,   LOCKED),

    go(Deploying,        Done,        Always,        Verifying,         &[]),
    go(Deploying,        Failed,      Always,        RollingBack,       &[]),
    go(Deploying,        Errored,     Always,        Deploying,         &[]),
    go(Deploying,        Deadline,    Always,        RollingBack,       &[]),
    go(Deploying,        Cancel,      Always,        RollingBack,       &[]),
    ignore(Deploying,    PlanMade,    NO_PLAN),
    ignore(Deploying,    GateClosed,  NO_GATE),
    ignore(Deploying,    Approve,     ALREADY),
    ignore(Deploying,    Reject,      LOCKED),
    ignore(Deploying,    CheckOff,    ALREADY),
    ignore(Deploying,    TakeBack,    LOCKED),
    ignore(Deploying,    LockTaken,   NO_LOCK),
    ignore(Deploying,    Differs,     NO_DRIFT),
    ignore(Deploying,    Supersede,   LOCKED),

    go(Verifying,        Done,        SoakAsked,     Soaking,           &[]),
    go(Verifying,        Done,        NoSoak,        Succeeded,         &[Release, Tell]),
    // A person ran away from what a way back from here would lead to; only a person goes there again, by cancel.
    go(Verifying,        Failed,      IsForward,     RollingBack,       &[]),
    go(Verifying,        Failed,      IsRollback,    RollbackFailed,    &[Release, Escalate, Tell]),
    go(Verifying,        Errored,     Always,        Verifying,         &[]),
    go(Verifying,        Deadline,    IsForward,     RollingBack,       &[]),
    go(Verifying,        Deadline,    IsRollback,    RollbackFailed,    &[Release, Escalate, Tell]),
    go(Verifying,        Cancel,      Always,        RollingBack,       &[]),
    ignore(Verifying,    PlanMade,    NO_PLAN),
    ignore(Verifying,    GateClosed,  NO_GATE),
    ignore(Verifying,    Approve,     ALREADY),
    ignore(Verifying,    Reject,      LOCKED),
    ignore(Verifying,    CheckOff,    ALREADY),
    ignore(Verifying,    TakeBack,    LOCKED),
    ignore(Verifying,    LockTaken,   NO_LOCK),
    ignore(Verifying,    Differs,     NO_DRIFT),
    ignore(Verifying,    Supersede,   LOCKED),

    go(Soaking,          Done,        Always,        Succeeded,         &[Release, Tell]),
    go(Soaking,          Failed,      IsForward,     RollingBack,       &[]),
    go(Soaking,          Failed,      IsRollback,    RollbackFailed,    &[Release, Escalate, Tell]),
    go(Soaking,          Errored,     Always,        Soaking,           &[]),
    go(Soaking,          Deadline,    IsForward,     RollingBack,       &[]),
    go(Soaking,          Deadline,    IsRollback,    RollbackFailed,    &[Release, Escalate, Tell]),
    go(Soaking,          Cancel,      Always,        RollingBack,       &[]),
    ignore(Soaking,      PlanMade,    NO_PLAN),
    ignore(Soaking,      GateClosed,  NO_GATE),
    ignore(Soaking,      Approve,     ALREADY),
    ignore(Soaking,      Reject,      LOCKED),
    ignore(Soaking,      CheckOff,    ALREADY),
    ignore(Soaking,      TakeBack,    LOCKED),
    ignore(Soaking,      LockTaken,   NO_LOCK),
    ignore(Soaking,      Differs,     NO_DRIFT),
    ignore(Soaking,      Supersede,   LOCKED),

    go(RollingBack,      Done,        Always,        RolledBack,        &[Release, Tell]),
    go(RollingBack,      Failed,      Always,        RollbackFailed,    &[Release, Escalate, Tell]),
    go(RollingBack,      Errored,     Always,        RollingBack,       &[]),
    go(RollingBack,      Deadline,    TimeIsUp,      RollbackFailed,    &[Release, Escalate, Tell]),
    go(RollingBack,      Deadline,    TimeIsLeft,    RollingBack,       &[]),
    ignore(RollingBack,  Cancel,      "a rollback is never aborted"),
    ignore(RollingBack,  PlanMade,    NO_PLAN),
    ignore(RollingBack,  GateClosed,  NO_GATE),
    ignore(RollingBack,  Approve,     ALREADY),
    ignore(RollingBack,  Reject,      LOCKED),
    ignore(RollingBack,  CheckOff,    ALREADY),
    ignore(RollingBack,  TakeBack,    LOCKED),
    ignore(RollingBack,  LockTaken,   NO_LOCK),
    ignore(RollingBack,  Differs,     NO_DRIFT),
    ignore(RollingBack,  Supersede,   LOCKED),
];

const _: () = check::total(TABLE);
