//! The table of all faults: name, whether it needs a time, and what it does in one line.

use serde::{Deserialize, Serialize};

/// What `ms` is to a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    /// It has none.
    None,
    /// It may be left out.
    May,
    /// It must be there.
    Must,
}

macro_rules! table {
    ($($(#[$doc:meta])* $variant:ident $name:literal $time:ident $effect:literal;)*) => {
        /// Which fault; the table is in the [module's documentation](super).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum FaultName { $($(#[$doc])* #[serde(rename = $name)] $variant),* }

        impl FaultName {
            /// All, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name as in JSON.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What it does, in a line.
            pub fn effect(self) -> &'static str {
                match self { $(Self::$variant => $effect),* }
            }

            pub(super) fn time(self) -> Time {
                match self { $(Self::$variant => Time::$time),* }
            }
        }
    };
}

table! {
    /// The process is not started.
    BootFailure "boot-failure" None "a machine's process is not started: it ends in `failed`";
    /// Applied, then 408.
    Answer408AfterSuccess "answer-408-after-success" None "the call takes effect, then 408 is answered";
    /// No answer at all.
    CutConnection "cut-connection" None "no answer, before (default) or with `applied` after the call took effect";
    /// No answer, and the effect comes later.
    LateLanding "late-landing" Must "no answer; the call is taken up `ms` later, as if it had just come";
    /// A proxy's answer in front of the API.
    ProxyError "proxy-error" None "`status` (502, 503 or 504) without JSON, before or with `applied` after the effect";
    /// 429.
    RateLimitBurst "rate-limit-burst" None "429 instead of doing anything";
    /// Slow.
    Latency "latency" Must "the call is delayed by `ms` before anything happens";
    /// The list is old.
    StaleList "stale-list" Must "a list of machines shows what was `ms` ago";
    /// Checks are critical.
    CheckFailing "check-failing" None "every check run of the machine is critical";
    /// Checks are critical every second time.
    CheckFlapping "check-flapping" None "every second check run of the machine is critical";
    /// The update seems to work and does not.
    PullFailureSilentRevert "pull-failure-silent-revert" None "an update answers 200, then the old image comes back (`keep_version`)";
    /// The update does not come to an end.
    StuckReplacing "stuck-replacing" May "an update stays `replacing`, for `ms` or until it is destroyed by force";
    /// 412.
    StartPrecondition "start-precondition" None "a start is answered 412, as while a machine is being replaced";
    /// No room.
    InsufficientCapacity "insufficient-capacity" None "a create or a start finds no room: 422, status insufficient_capacity";
    /// The host does not answer.
    HostUnreachable "host-unreachable" None "host_status is `unreachable`, the config is missing, calls on it get 504; traffic goes on";
    /// The proxy wakes a machine.
    Autostart "autostart" May "the proxy starts a stopped machine that is in traffic, after `ms`";
    /// The proxy puts a machine to sleep.
    Autostop "autostop" May "the proxy stops a machine that is in traffic and has no request under way, after `ms`";
    /// A destroyed machine takes its time.
    SlowDestroy "slow-destroy" Must "a machine that is destroyed reads `destroying` for `ms`";
    /// Another takes the lease.
    LeaseStolen "lease-stolen" May "a call with a lease's nonce finds it taken by another, for `ms` (5000)";
    /// The lease does not last.
    LeaseExpiredEarly "lease-expired-early" Must "a lease ends after `ms`, whatever was asked and answered";
    /// The small S3 is asked too often.
    SlowDown "slow-down" None "S3 answers 503 SlowDown instead of doing anything";
    /// A conditional write meets another one.
    ConditionalConflict "conditional-conflict" None "a conditional write to S3 is answered 409, and not done";
    /// Edges are late.
    EdgeLag "edge-lag" Must "an edge (`region` filters) learns of a change after exactly `ms`";
}
