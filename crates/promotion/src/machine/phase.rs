//! The fieldless keys of the table: phases, signals, guards, and the names of what is done.

use serde::{Deserialize, Serialize};

macro_rules! keys {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// For people and for the generated page.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

keys! {
    /// Where a promotion stands.
    Phase {
        /// Somebody asked; nothing was looked at yet.
        Requested = "requested",
        /// There is a plan; the gates are asked.
        Planned = "planned",
        /// People are asked. Nothing is held.
        AwaitingApproval = "awaiting-approval",
        /// Ready, waiting for its turn in the environment.
        Queued = "queued",
        /// It has the environment's lock; units are leased at the provider.
        Locked = "locked",
        /// Every gate, the plan's hash and drift again.
        Rechecking = "rechecking",
        /// Images are copied into the target's registry, or proven to be there.
        Copying = "copying",
        /// What runs is written down.
        Snapshotting = "snapshotting",
        /// Units change.
        Deploying = "deploying",
        /// Suites run against the environment; the fleet is read back.
        Verifying = "verifying",
        /// The new release serves for a while under observation.
        Soaking = "soaking",
        /// The snapshot is being restored.
        RollingBack = "rolling-back",
        /// The release runs.
        Succeeded = "succeeded",
        /// A person said no.
        Rejected = "rejected",
        /// Nobody answered in time.
        Expired = "expired",
        /// A newer request took its place.
        Superseded = "superseded",
        /// A gate refused.
        Blocked = "blocked",
        /// Ended before anything changed.
        Aborted = "aborted",
        /// The environment is as it was.
        RolledBack = "rolled-back",
        /// A human must look: neither the new nor the old state could be reached.
        RollbackFailed = "rollback-failed",
    }
}

impl Phase {
    /// Nothing follows.
    pub const fn is_final(self) -> bool {
        self as u8 >= Self::Succeeded as u8
    }

    /// It holds the environment: no other promotion may be between the lock and its end (P2).
    pub const fn is_active(self) -> bool {
        self as u8 >= Self::Locked as u8 && !self.is_final()
    }

    /// It waits for people.
    pub const fn is_human_wait(self) -> bool {
        matches!(self, Self::AwaitingApproval)
    }
}

keys! {
    /// What can happen to a promotion.
    Signal {
        /// The phase's work is done.
        Done = "done",
        /// A plan was made.
        PlanMade = "plan made",
        /// A gate refused.
        GateClosed = "gate closed",
        /// A person agreed.
        Approve = "approve",
        /// A person refused.
        Reject = "reject",
        /// A person checked an item of the checklist off.
        CheckOff = "check off",
        /// A person took that back.
        TakeBack = "take back",
        /// The environment's lock was granted.
        LockTaken = "lock taken",
        /// What was found is not what was planned.
        Differs = "differs",
        /// The work failed for good.
        Failed = "failed",
        /// The work could not be judged (a provider was away); it is tried again.
        Errored = "errored",
        /// The phase's or the promotion's time is over.
        Deadline = "deadline",
        /// A person wants it ended.
        Cancel = "abort",
        /// A newer request replaces it.
        Supersede = "supersede",
    }
}

keys! {
    /// A condition on a row.
    Guard {
        /// None.
        Always = "",
        /// The policy asks for people: approvals or a checklist.
        NeedsApproval = "approval needed",
        /// It does not.
        NeedsNobody = "nobody needed",
        /// With this word enough people agreed, and the checklist is done.
        QuorumMet = "quorum met",
        /// Not yet.
        QuorumOpen = "quorum open",
        /// The policy asks for a soak.
        SoakAsked = "soak asked",
        /// It does not.
        NoSoak = "no soak",
        /// The deadline that passed is the promotion's own, from its lock on.
        TimeIsUp = "time is up",
        /// It was another one.
        TimeIsLeft = "time is left",
        /// A person goes back to an earlier release.
        IsRollback = "a person's rollback",
        /// A release comes.
        IsForward = "no person's rollback",
    }
}

impl Guard {
    /// The guard that holds exactly when this one does not.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Always => Self::Always,
            Self::NeedsApproval => Self::NeedsNobody,
            Self::NeedsNobody => Self::NeedsApproval,
            Self::QuorumMet => Self::QuorumOpen,
            Self::QuorumOpen => Self::QuorumMet,
            Self::SoakAsked => Self::NoSoak,
            Self::NoSoak => Self::SoakAsked,
            Self::TimeIsUp => Self::TimeIsLeft,
            Self::TimeIsLeft => Self::TimeIsUp,
            Self::IsRollback => Self::IsForward,
            Self::IsForward => Self::IsRollback,
        }
    }
}

keys! {
    /// What is done once on a transition, by the shell, from the journal's outbox.
    EffectName {
        /// Ask the people.
        AskApproval = "ask for approval",
        /// Give the provider's leases and the environment's lock back.
        Release = "release locks",
        /// Tell how it ended.
        Tell = "tell",
        /// Wake somebody: a human must look.
        Escalate = "escalate",
    }
}
