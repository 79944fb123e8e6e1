//! The examples do what they say.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod embed;
mod supervisor;
