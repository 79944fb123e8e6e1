//! Integration tests against deployed environments.
//!
//! A team writes suites in TOML ([`Suite::parse`]); a [`Run`] sends their requests to named targets and
//! judges the answers; the [`Report`] says what passed, what failed and what only passed when repeated.
//! What runs where:
//!
//! * Before any case, each target must say which environment and build it is ([`ExpectedIdentity`]). Another
//!   answer, or none, stops the whole run: green results of the wrong machine are worse than none.
//! * Cases run side by side up to a number of requests in flight, not of processor cores; the steps of a case
//!   run in order, on connections of its own.
//! * Only what may pass when repeated is repeated: a refused or cut connection, a timeout, a 502, 503 or 504
//!   to a request that is safe to send twice. A wrong answer is never asked for again. What was repeated stays
//!   in the report and makes the case [`Verdict::Flaky`].
//! * A file that cannot be read never hides the results of the others; a run in which nothing ran is no success.
//!
//! The crate reads no process environment, prints nothing and starts no runtime: the caller is inside tokio
//! (with time and IO enabled) and listens to the [`Event`]s.

mod check;
mod duration;
mod event;
mod identity;
mod json_path;
mod redact;
mod report;
mod run;
mod suite;
mod target;
mod template;
mod transport;
mod variables;

pub use event::{Event, Events, Silent};
pub use report::{
    CaseReport, Exchange, Failure, Report, Retry, SuiteReport, TargetReport, Totals, Verdict, exit,
    terminal::{Terminal, event_line},
};
pub use run::{Filter, Limits, RetryPolicy, Run};
pub use suite::{
    CaseInfo, Suite,
    problem::{Problem, Problems},
};
pub use target::{ExpectedIdentity, Target};
pub use variables::Variables;
